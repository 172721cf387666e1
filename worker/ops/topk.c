/* The k-th largest key is found by quickselect on a copy; everything above it is in, and of its
 * equals the first ones fill what is left. The threshold is a value, so that the order in which the
 * copy was partitioned can't show. Keys are integers, whose order is total: a float's bits with the
 * sign bit turned, or all of them when it is negative. */
#include "worker/ops/topk.h"

#include "worker/simd.h"

#include <string.h>

static topk_key kth_largest(topk_key *x, size_t n, size_t k)
{
    ptrdiff_t low = 0, high = (ptrdiff_t)n - 1, want = (ptrdiff_t)k - 1; /* descending order */
    while (low < high) {
        topk_key pivot = x[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot)
                i++;
            while (x[j] < pivot)
                j--;
            if (i > j)
                break;
            topk_key swap = x[i];
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

/* Marks what lies above the threshold; returns how many. */
SIMD static size_t mark_above(const topk_key *keys, size_t n, topk_key threshold, uint8_t *mask)
{
    size_t above = 0;
    for (size_t i = 0; i < n; i++) {
        mask[i] = keys[i] > threshold;
        above += keys[i] > threshold;
    }
    return above;
}

/* keys[2n]: the second half is the copy. 0 < k < n. */
static void mark(topk_key *keys, size_t n, size_t k, uint8_t *mask)
{
    memcpy(keys + n, keys, n * sizeof *keys);
    topk_key threshold = kth_largest(keys + n, n, k);
    size_t left = k - mark_above(keys, n, threshold, mask);
    for (size_t i = 0; left > 0; i++)
        if (keys[i] == threshold) {
            mask[i] = 1;
            left--;
        }
}

SIMD static void keys_of(const real *x, size_t n, topk_key *keys)
{
    const topk_key sign = (topk_key)1 << (8 * sizeof(topk_key) - 1);
    for (size_t i = 0; i < n; i++) {
        real value = x[i] + (real)0; /* −0 becomes +0 */
        topk_key bits;
        memcpy(&bits, &value, sizeof bits);
        bits = bits & sign ? ~bits : bits | sign;
        keys[i] = value != value ? 0 : bits;
    }
}

void topk_mask(const real *x, size_t n, size_t k, uint8_t *mask, topk_key *scratch)
{
    if (k >= n) {
        memset(mask, 1, n);
        return;
    }
    keys_of(x, n, scratch);
    mark(scratch, n, k, mask);
}

void topk_mask_smallest(const uint32_t *words, size_t n, size_t k, uint8_t *mask, topk_key *scratch)
{
    if (k >= n) {
        memset(mask, 1, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        scratch[i] = UINT32_MAX - words[i];
    mark(scratch, n, k, mask);
}
