/* adam, adamw: as PyTorch: p −= lr/(1−β1^s)·m / (√v/√(1−β2^s) + eps), after the decay; but that v
 * isn't taken for less than 2^-149, the least there is in float32. Where g² underflows, an eps that
 * is as small would make a step of m/eps, and one that rounds to 0 a 0/0. */
#include "worker/ops/vmath.h"
#include "worker/optim/optim_step.h"

#include <math.h>

SIMD static void update(const struct optim_step *step, size_t n, real *restrict p,
                        const real *restrict grad, real *const *moments)
{
    real *restrict m = moments[0], *restrict v = moments[1];
    double beta1 = step->train->betas[0], beta2 = step->train->betas[1], s = (double)step->step;
    const real b1 = (real)beta1, b2 = (real)beta2, rest1 = (real)(1 - beta1),
               rest2 = (real)(1 - beta2), size = (real)(step->lr / (1 - pow(beta1, s))),
               root2 = (real)sqrt(1 - pow(beta2, s)), eps = (real)step->train->eps,
               keep = step->keep, scale = step->scale;
    const real least = (real)0x1p-149;
    for (size_t i = 0; i < n; i++) {
        real g = grad[i] * scale;
        m[i] = m[i] * b1 + g * rest1;
        v[i] = v[i] * b2 + g * g * rest2;
        real denominator = real_sqrt(v[i] < least ? least : v[i]) / root2 + eps;
        p[i] = p[i] * keep - size * (m[i] / denominator);
    }
}

const optim_update optim_adam = update, optim_adamw = update;
