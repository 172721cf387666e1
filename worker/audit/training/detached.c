/* Two backward passes at one point, of which the second knows no KL. */
#include "worker/audit/training/detached.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double difference(const real *with, const real *without, size_t n)
{
    double most = 0, greatest = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)with[i] - (double)without[i]));
        greatest = fmax(greatest, fabs((double)without[i]));
    }
    return greatest > 0 ? most / greatest : most;
}

static void compare(const struct tensor *t, const real *with, const real *without,
                    struct detached *ret)
{
    for (size_t i = 0; i < t->count; i++)
        ret->finite &= isfinite(with[i]) && isfinite(without[i]);
    if (t->group == PARAM_INDEXER) {
        for (size_t i = 0; i < t->count; i++)
            ret->indexer_learns |= with[i] != 0;
        return;
    }
    ret->tensors++;
    if (memcmp(with, without, t->count * sizeof *with) == 0 || ret->differ++ > 0)
        return;
    ret->tensor = t->name;
    ret->by = difference(with, without, t->count);
}

int detached_measure(struct model *model, const int32_t *windows, int64_t step,
                     struct detached *ret, struct err *err)
{
    struct params *params = model_params(model);
    struct model_stats ignored;
    real *with = malloc(params->count * sizeof *with);
    if (with == NULL)
        return err_no_memory(err, "the gradients of a step");
    *ret = (struct detached){ .finite = true };
    model_step(model, windows, step, &ignored);
    memcpy(with, params->grad, params->count * sizeof *with);
    model_step_without_kl(model, windows, step, &ignored);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        compare(t, with + t->offset, params->grad + t->offset, ret);
    }
    free(with);
    return 0;
}
