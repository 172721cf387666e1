/* act: silu(x) = x·σ(x) and swiglu(h, u) = silu(h)·u (Shazeer, GLU Variants Improve Transformer,
 * 2020), fused with dropout; and the small row operations between GEMMs. */
#ifndef ABLATE_WORKER_ACT_H
#define ABLATE_WORKER_ACT_H

#include "worker/base/pool.h"
#include "worker/base/real.h"

#include <stddef.h>
#include <stdint.h>

/* y = keep ? silu(h)·scale : 0 */
void act_silu_drop(const real *h, const uint8_t *keep, real scale, size_t n, real *y);
/* d becomes d·scale·silu'(h) where kept, else 0; silu' = σ·(1 + h·(1 − σ)). */
void act_silu_drop_backward(const real *h, const uint8_t *keep, real scale, size_t n, real *d);
/* y = keep ? silu(h)·u·scale : 0 */
void act_swiglu_drop(const real *h, const real *u, const uint8_t *keep, real scale, size_t n,
                     real *y);
/* d becomes d·scale·u·silu'(h) where kept, else 0, and du [n] = d·scale·silu(h) likewise. */
void act_swiglu_drop_backward(const real *h, const real *u, const uint8_t *keep, real scale,
                              size_t n, real *d, real *du);
/* x *= by */
void act_scale(real *x, real by, size_t n);
/* to = by·a; returns a·b. */
real act_scale_dot(const real *a, const real *b, real by, size_t n, real *to);

/* Residual branches, over the pool: out = x + (keep ? branch·scale : 0), n elements. keep NULL: no
 * dropout. out may be x. */
void act_add_drop(struct pool *pool, const real *x, const real *branch, const uint8_t *keep,
                  real scale, size_t n, real *out);
/* dbranch = keep ? d·scale : 0. */
void act_drop_backward(struct pool *pool, const real *d, const uint8_t *keep, real scale, size_t n,
                       real *dbranch);

#endif
