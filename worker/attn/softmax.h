/* softmax: one row of attention, from scores to probabilities to what the values are weighed with,
 * and back.
 *
 * A probability that dropout took is kept with its sign turned, so that one buffer remembers both
 * the probabilities (their absolute values) and the mask. −0 is a dropped 0, which is 0 either way.
 */
#ifndef ABLATE_WORKER_SOFTMAX_H
#define ABLATE_WORKER_SOFTMAX_H

#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

/* The score of a key that can't be seen; its exponential is 0. */
#define SOFTMAX_HIDDEN ((real)-1e30)

/* x[n] becomes its softmax over the visible places, others 0. mask NULL: the first `visible`; else
 * where mask[n] is 1. At least one place is visible. */
void softmax_forward(real *x, size_t n, size_t visible, const uint8_t *mask);
/* Marks p where keep is 0; dropped[n] = keep ? p·scale : 0 goes on to the values. */
void softmax_drop(real *p, size_t n, const uint8_t *keep, real scale, real *dropped);
/* The same `dropped` from marked probabilities. */
void softmax_dropped(const real *p, size_t n, real scale, real *dropped);
/* dpd[n], the gradient of `dropped`, becomes that of the scores before they were multiplied by
 * `by`: p·(dp − Σ p·dp)·by, where dp = dpd·scale of a kept place and 0 of a dropped one. */
void softmax_backward(const real *p, real *dpd, size_t n, real scale, real by);
/* sum[n] += probabilities, marked or not. */
void softmax_add(const real *p, size_t n, real *sum);

/* Piece by piece: x[n], further scores of a row whose largest was *most (SOFTMAX_HIDDEN at first)
 * and whose exponentials add up to *sum (0 at first), become exp(x − the new largest); both are
 * brought up to date. Returns what everything weighed before must be multiplied by. */
real softmax_online(real *x, size_t n, size_t visible, const uint8_t *mask, real *most, real *sum);
/* ln Σ exp of the scores. */
real softmax_lse(real most, real sum);
/* x = keep ? x·scale : 0 */
void softmax_keep(real *x, size_t n, const uint8_t *keep, real scale);
/* Scores become the probabilities that they were, from the row's lse. */
void softmax_again(real *x, size_t n, size_t visible, const uint8_t *mask, real lse);
/* p[n], probabilities, becomes what the values were weighed with; dpd[n], its gradient, that of the
 * scores before they were multiplied by `by`; along = Σ over the whole row of p·dp. */
void softmax_back(real *p, real *dpd, size_t n, const uint8_t *keep, real scale, real along,
                  real by);

#endif
