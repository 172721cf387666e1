/* Both follow from the specification alone, so that attempts of a run agree. */
#include "common/spec/maps.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool fits(const struct run_spec *spec, struct maps_plan *plan)
{
    int64_t maps = 2 + (plan->heads ? spec->model.heads : 1); /* chosen keys, dense, and its own */
    plan->side = (spec->data.seq_len + plan->pool - 1) / plan->pool;
    plan->layer_bytes = plan->windows * maps * plan->side * plan->side;
    return plan->layer_bytes * spec->model.layers <= MAPS_BYTES;
}

void maps_plan(const struct run_spec *spec, struct maps_plan *ret)
{
    int64_t windows = least(MAPS_WINDOWS, run_spec_micro_batch(spec));
    struct maps_plan plan = { .pool = (spec->data.seq_len + MAPS_SIDE - 1) / MAPS_SIDE };
    for (;; plan.pool *= 2)
        for (int form = 0; form < 4; form++) {
            plan.heads = form < 2;
            plan.windows = form % 2 == 0 ? windows : 1;
            if (fits(spec, &plan) || plan.side == 1) {
                *ret = plan;
                return;
            }
        }
}

/* Of n in a row so many were kept before number i. */
static int64_t kept_before(int64_t i, int64_t n)
{
    return n <= MAPS_EVALUATIONS ? i : i == 0 ? 0 : (i - 1) * (MAPS_EVALUATIONS - 1) / (n - 1) + 1;
}

bool maps_wanted(const struct run_spec *spec, int64_t step)
{
    int64_t every = spec->train.eval_every, steps = spec->train.steps;
    int64_t n = (steps + every - 1) / every, i = (step + every - 1) / every - 1;
    if ((spec->artifacts & 1u << ARTIFACT_ATTENTION) == 0 || step < 1)
        return false;
    return kept_before(i, n) < kept_before(i + 1, n);
}
