/* sgd: with momentum, as PyTorch: v = μ·v + g, p −= lr·v, after the decay. */
#include "common/base/simd.h"
#include "worker/optim/optim_step.h"

SIMD static void update(const struct optim_step *step, size_t n, real *restrict p,
                        const real *restrict grad, real *const *moments)
{
    real *restrict v = moments[0];
    const real momentum = (real)step->train->momentum, lr = (real)step->lr, keep = step->keep,
               scale = step->scale;
    for (size_t i = 0; i < n; i++) {
        v[i] = v[i] * momentum + grad[i] * scale;
        p[i] = p[i] * keep - lr * v[i];
    }
}

const optim_update optim_sgd = update;
