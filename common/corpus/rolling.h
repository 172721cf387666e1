/* rolling: a 64-bit hash of the last n symbols of a stream, kept up to date symbol by symbol.
 *
 * A polynomial modulo 2^64 with an odd base: h = Σ (symbol + 1)·BASE^(n−1−i); rolling_key mixes it,
 * since its low bits depend on few symbols.
 */
#ifndef ABLATE_COMMON_ROLLING_H
#define ABLATE_COMMON_ROLLING_H

#include <stdint.h>

#define ROLLING_BASE ((uint64_t)0x9E3779B97F4A7C15)

static inline uint64_t rolling_add(uint64_t h, uint32_t symbol)
{
    return h * ROLLING_BASE + symbol + 1;
}
/* What the symbol n places back weighs, after n more were added. */
static inline uint64_t rolling_weight(int n)
{
    uint64_t weight = 1;
    while (n-- > 0)
        weight *= ROLLING_BASE;
    return weight;
}
static inline uint64_t rolling_drop(uint64_t h, uint32_t symbol, uint64_t weight)
{
    return h - weight * (symbol + 1);
}
/* For tables; never 0. */
static inline uint64_t rolling_key(uint64_t h)
{
    h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9u;
    h ^= h >> 29;
    return h != 0 ? h : 1;
}

#endif
