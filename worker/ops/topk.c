/* The k-th largest key is built bit by bit, from the highest: a bit belongs to it when k keys at
 * least reach the number with that bit set. Each step is one count over all keys, which vectorises
 * and doesn't branch; it ends early when exactly k keys reach. What reaches the k-th largest is in,
 * but of its equals only the first ones. Keys are integers, whose order is total: a float's bits
 * with the sign bit turned, or all of them when it is negative. */
#include "worker/ops/topk.h"

#include "common/base/simd.h"

#include <stdbool.h>
#include <string.h>

SIMD static uint32_t reaching(const topk_key *keys, size_t n, topk_key least)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += keys[i] >= least;
    return count;
}

/* A number that exactly k keys reach, or else the k-th largest; 0 < k < n. *ret_reach: how many
 * reach it. */
static topk_key threshold_of(const topk_key *keys, size_t n, size_t k, size_t *ret_reach)
{
    topk_key threshold = 0;
    *ret_reach = n;
    for (topk_key bit = (topk_key)1 << (8 * sizeof bit - 1); bit > 0 && *ret_reach > k; bit >>= 1) {
        size_t reach = reaching(keys, n, threshold | bit);
        if (reach < k)
            continue;
        threshold |= bit;
        *ret_reach = reach;
    }
    return threshold;
}

SIMD static void mark_reaching(const topk_key *keys, size_t n, topk_key threshold, uint8_t *mask)
{
    for (size_t i = 0; i < n; i++)
        mask[i] = keys[i] >= threshold;
}

SIMD static uint32_t above(const topk_key *keys, size_t n, topk_key threshold)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += keys[i] > threshold;
    return count;
}

/* How many of the keys that equal the threshold are in. */
static size_t equals_in(const topk_key *keys, size_t n, size_t k, topk_key threshold, size_t reach)
{
    return reach == k ? n : k - above(keys, n, threshold);
}

static void mark(const topk_key *keys, size_t n, size_t k, uint8_t *mask)
{
    size_t reach;
    topk_key threshold = threshold_of(keys, n, k, &reach);
    mark_reaching(keys, n, threshold, mask);
    for (size_t i = n; reach > k; i--)
        if (keys[i - 1] == threshold) {
            mask[i - 1] = 0;
            reach--;
        }
}

static void list(const topk_key *keys, size_t n, size_t k, int32_t *ret)
{
    size_t reach, found = 0;
    topk_key threshold = threshold_of(keys, n, k, &reach);
    size_t left = equals_in(keys, n, k, threshold, reach);
    for (size_t i = 0; found < k; i++) {
        bool equal = keys[i] == threshold, in = keys[i] > threshold || (equal && left > 0);
        ret[found] = (int32_t)i;
        found += in;
        left -= equal && in;
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

/* Smallest words first. */
static void keys_of_words(const uint32_t *words, size_t n, topk_key *keys)
{
    for (size_t i = 0; i < n; i++)
        keys[i] = UINT32_MAX - words[i];
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
    keys_of_words(words, n, scratch);
    mark(scratch, n, k, mask);
}

static size_t list_all(size_t n, int32_t *ret)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = (int32_t)i;
    return n;
}

size_t topk_list(const real *x, size_t n, size_t k, int32_t *ret, topk_key *scratch)
{
    if (k >= n)
        return list_all(n, ret);
    keys_of(x, n, scratch);
    list(scratch, n, k, ret);
    return k;
}

size_t topk_list_smallest(const uint32_t *words, size_t n, size_t k, int32_t *ret,
                          topk_key *scratch)
{
    if (k >= n)
        return list_all(n, ret);
    keys_of_words(words, n, scratch);
    list(scratch, n, k, ret);
    return k;
}
