/* The generator stands here twice: as a function for one block, and as statements for loops that
 * vectorise, since masks are most of what a step draws. */
#include "common/philox.h"

#include "common/base/digest.h"
#include "common/base/err.h"
#include "common/base/simd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct philox philox_stream(int64_t seed, const char *purpose, const char *name)
{
    char text[256];
    int len = snprintf(text, sizeof text, "ablate1/%lld/%s/%s", (long long)seed, purpose, name);
    uint8_t sum[DIGEST_BYTES];
    digest_of(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1, sum);
    struct philox stream;
    for (int i = 0; i < 2; i++)
        stream.key[i] = (uint32_t)sum[4 * i] | (uint32_t)sum[4 * i + 1] << 8 |
                        (uint32_t)sum[4 * i + 2] << 16 | (uint32_t)sum[4 * i + 3] << 24;
    return stream;
}

void philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t ret[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    ret[0] = c0;
    ret[1] = c1;
    ret[2] = c2;
    ret[3] = c3;
}

static void block_at(const struct philox *stream, uint64_t step, uint64_t block, uint32_t ret[4])
{
    const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step,
                                  (uint32_t)(step >> 32) };
    philox_block(stream->key, counter, ret);
}

uint32_t philox_word(const struct philox *stream, uint64_t step, uint64_t word)
{
    uint32_t lanes[4];
    block_at(stream, step, word / 4, lanes);
    return lanes[word % 4];
}

/* philox_block once more, as statements, so that a loop around them vectorises: the rounds
 * unrolled, each word a variable of its own. Masks are most of what a step draws. */
#define ROUNDS(c0, c1, c2, c3, k0, k1)                                                             \
    _Pragma("GCC unroll 10") for (uint32_t round = 0; round < 10; round++)                         \
    {                                                                                              \
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;                                                  \
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;                                                  \
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (k0 + round * 0x9E3779B9u);                               \
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (k1 + round * 0xBB67AE85u);                               \
        c1 = (uint32_t)p1;                                                                         \
        c3 = (uint32_t)p0;                                                                         \
    }

/* n whole blocks. */
SIMD static void blocks_at(const struct philox *stream, uint64_t step, uint64_t first, size_t n,
                           uint32_t *restrict ret)
{
    const uint32_t k0 = stream->key[0], k1 = stream->key[1];
    const uint32_t step0 = (uint32_t)step, step1 = (uint32_t)(step >> 32);
    for (size_t i = 0; i < n; i++) {
        uint64_t block = first + i;
        uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = step0, c3 = step1;
        ROUNDS(c0, c1, c2, c3, k0, k1)
        ret[4 * i] = c0;
        ret[4 * i + 1] = c1;
        ret[4 * i + 2] = c2;
        ret[4 * i + 3] = c3;
    }
}

SIMD void philox_pick(const struct philox *stream, uint64_t step, uint64_t first, const int32_t *at,
                      size_t n, uint32_t *ret)
{
    const uint32_t k0 = stream->key[0], k1 = stream->key[1];
    const uint32_t step0 = (uint32_t)step, step1 = (uint32_t)(step >> 32);
    for (size_t i = 0; i < n; i++) {
        uint64_t word = first + (uint64_t)(uint32_t)at[i];
        uint32_t lane = (uint32_t)word & 3;
        uint32_t c0 = (uint32_t)(word >> 2), c1 = (uint32_t)(word >> 34), c2 = step0, c3 = step1;
        ROUNDS(c0, c1, c2, c3, k0, k1)
        uint32_t low = lane & 1 ? c1 : c0, high = lane & 1 ? c3 : c2;
        ret[i] = lane & 2 ? high : low;
    }
}

void philox_words(const struct philox *stream, uint64_t step, uint64_t first, size_t n,
                  uint32_t *ret)
{
    uint32_t lanes[4];
    size_t i = 0;
    while (i < n && (first + i) % 4 != 0) {
        ret[i] = philox_word(stream, step, first + i);
        i++;
    }
    blocks_at(stream, step, (first + i) / 4, (n - i) / 4, ret + i);
    i += (n - i) / 4 * 4;
    if (i < n) {
        block_at(stream, step, (first + i) / 4, lanes);
        for (size_t lane = 0; i < n; i++, lane++)
            ret[i] = lanes[lane];
    }
}

double philox_uniform(const struct philox *stream, uint64_t step, uint64_t element)
{
    return (double)(philox_word(stream, step, element) >> 8) * 0x1p-24;
}

double philox_normal(const struct philox *stream, uint64_t step, uint64_t element)
{
    const double two_pi = 6.283185307179586476925286766559;
    uint32_t w[2];
    philox_words(stream, step, 2 * element, 2, w);
    return sqrt(-2.0 * log(((double)w[0] + 1.0) * 0x1p-32)) *
           cos(two_pi * ((double)w[1] * 0x1p-32));
}

struct keyed {
    uint64_t key;
    uint32_t item;
};

/* Equal keys keep their order, so qsort's instability can't show. */
static int by_key_then_item(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

int philox_permutation(const struct philox *stream, uint64_t epoch, uint32_t n, uint32_t *ret)
{
    struct keyed *items = malloc((n > 0 ? n : 1) * sizeof *items);
    if (items == NULL)
        return -ERR_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t w[2];
        philox_words(stream, epoch, 2 * (uint64_t)i, 2, w);
        items[i] = (struct keyed){ .key = (uint64_t)w[0] | (uint64_t)w[1] << 32, .item = i };
    }
    qsort(items, n, sizeof *items, by_key_then_item);
    for (uint32_t i = 0; i < n; i++)
        ret[i] = items[i].item;
    free(items);
    return 0;
}
