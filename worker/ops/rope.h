/* rope: rotary position embedding (Su et al. 2021): pair i of position t turns by the angle
 * t·10000^(−2i/D), cos and sin computed in double and rounded once. Attention pairs neighbours
 * (2i, 2i+1), the indexer the halves (i, i + D/2): the published code does both. */
#ifndef ABLATE_WORKER_ROPE_H
#define ABLATE_WORKER_ROPE_H

#include "worker/base/real.h"

#include <stddef.h>

/* cos, sin [T × D/2]. */
void rope_tables(size_t t, size_t d, real *cos_out, real *sin_out);
/* Rotates x[d] of one position in place; inverse: back (the backward pass). cos, sin: its rows. */
void rope_turn(real *x, size_t d, const real *cos_row, const real *sin_row, int inverse);
/* The same over the pairs (i, i + d/2). */
void rope_turn_halves(real *x, size_t d, const real *cos_row, const real *sin_row, int inverse);

#endif
