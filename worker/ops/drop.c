/* Masks are made a chunk at a time: random words first, then a comparison that vectorises. */
#include "worker/ops/drop.h"

#include "common/base/simd.h"
#include "worker/base/planted.h"

#include <math.h>
#include <string.h>

struct drop drop_of(int64_t seed, const char *name, double p, uint64_t step, uint64_t first)
{
    struct drop drop = { .step = step, .first = first, .scale = 1 };
    if (p > 0 && (step > 0 || planted("eval_dropout"))) {
        drop.stream = philox_stream(seed, "dropout", name);
        drop.threshold = (uint32_t)lround(p * 16777216.0);
        drop.scale = (real)(float)(1.0 / (1.0 - p));
    }
    return drop;
}

enum { CHUNK = 1024 };

SIMD static void compare(const uint32_t *words, size_t n, uint32_t threshold, uint8_t *keep)
{
    for (size_t i = 0; i < n; i++)
        keep[i] = (words[i] >> 8) >= threshold;
}

/* at NULL: the elements first … first+n−1. */
static void draw(const struct drop *drop, uint64_t first, const int32_t *at, size_t n,
                 uint8_t *keep)
{
    uint32_t words[CHUNK];
    if (drop->threshold == 0) {
        memset(keep, 1, n);
        return;
    }
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t part = n - i < CHUNK ? n - i : CHUNK;
        if (at == NULL)
            philox_words(&drop->stream, drop->step, drop->first + first + i, part, words);
        else
            philox_pick(&drop->stream, drop->step, drop->first + first, at + i, part, words);
        compare(words, part, drop->threshold, keep + i);
    }
}

void drop_mask(const struct drop *drop, uint64_t first, size_t n, uint8_t *keep)
{
    draw(drop, first, NULL, n, keep);
}

void drop_pick(const struct drop *drop, uint64_t first, const int32_t *at, size_t n, uint8_t *keep)
{
    draw(drop, first, at, n, keep);
}
