/* softmax: one row of attention, from scores to probabilities to what the values are weighed with,
 * and back.
 *
 * A probability that dropout took is kept with its sign turned, so that one buffer remembers both
 * the probabilities (their absolute values) and the mask. −0 is a dropped 0, which is 0 either way.
 */
#ifndef ABLATE_WORKER_SOFTMAX_H
#define ABLATE_WORKER_SOFTMAX_H

#include "worker/ops.h"

#include <stddef.h>
#include <stdint.h>

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

#endif
