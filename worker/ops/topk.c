/* The k-th largest value is found by quickselect on a copy; everything above it is in, and of its
 * equals the first ones fill what is left. The threshold is a value, so that the order in which the
 * copy was partitioned can't show. */
#include "worker/ops/topk.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static real kth_largest(real *x, size_t n, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, want = (ptrdiff_t)k - 1; /* descending order */
    while (low < high) {
        real pivot = x[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot)
                i++;
            while (x[j] < pivot)
                j--;
            if (i > j)
                break;
            real swap = x[i];
            x[i++] = x[j];
            x[j--] = swap;
        }
        if (want <= j)
            high = j;
        else if (want >= i)
            low = i;
        else
            break;
    }
    return x[want];
}

void topk_mask(const real *x, size_t n, size_t k, uint8_t *mask, real *scratch)
{
    if (k >= n) {
        memset(mask, 1, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        real value = x[i] + (real)0;
        scratch[i] = value != value ? -INFINITY : value;
    }
    real threshold = kth_largest(scratch, n, k);
    size_t above = 0;
    for (size_t i = 0; i < n; i++) {
        mask[i] = x[i] > threshold;
        above += mask[i];
    }
    for (size_t i = 0; i < n && above < k; i++)
        if (!mask[i] && (x[i] == threshold || (threshold == -INFINITY && x[i] != x[i]))) {
            mask[i] = 1;
            above++;
        }
}
