/* philox: counter-based random numbers, keyed by meaning.
 *
 * Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). A stream
 * is named by (seed, purpose, name); its key is the first 8 bytes, as two little-endian words, of
 * the SHA-256 of the ASCII string "ablate1/<seed>/<purpose>/<name>". Within a stream, (step, word
 * index) addresses one 32-bit word: word i lies in lane i mod 4 of the block with counter
 * (lo32(i/4), hi32(i/4), lo32(step), hi32(step)). An element that needs r words starts at word r·e.
 *
 * No draw depends on what else was drawn, in what order or on which thread: arms that share a
 * parameter's name share its bits, every arm sees the same batches and masks, and a resumed run
 * needs no saved generator state.
 *
 * Purposes in use: init, shuffle, split, dropout, router, select, data.
 */
#ifndef ABLATE_COMMON_PHILOX_H
#define ABLATE_COMMON_PHILOX_H

#include <stddef.h>
#include <stdint.h>

struct philox {
    uint32_t key[2];
};

struct philox philox_stream(int64_t seed, const char *purpose, const char *name);

/* One block: 10 rounds over counter with key. */
void philox_block(const uint32_t key[2], const uint32_t counter[4], uint32_t ret[4]);

uint32_t philox_word(const struct philox *stream, uint64_t step, uint64_t word);
/* Words first … first+n−1 into ret[n]; the fast way to fill a mask. */
void philox_words(const struct philox *stream, uint64_t step, uint64_t first, size_t n,
                  uint32_t *ret);

/* Words first + at[0 … n−1] into ret[n]; at ≥ 0. */
void philox_pick(const struct philox *stream, uint64_t step, uint64_t first, const int32_t *at,
                 size_t n, uint32_t *ret);

/* u = (w >> 8)·2^-24, in [0, 1); element e needs one word. */
double philox_uniform(const struct philox *stream, uint64_t step, uint64_t element);
/* Standard normal by Box–Muller: √(−2 ln((w0+1)·2^-32))·cos(2π·w1·2^-32); two words an element. */
double philox_normal(const struct philox *stream, uint64_t step, uint64_t element);
/* The keyed permutation of 0…n−1: stable argsort of the 64-bit values w0 | w1 << 32; step = epoch.
 * ret[n] is the caller's. Returns 0, or -ERR_NO_MEMORY. */
int philox_permutation(const struct philox *stream, uint64_t epoch, uint32_t n, uint32_t *ret);

#endif
