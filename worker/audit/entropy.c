/* A small model (common/spec/probes.h) is trained as a run is, without evaluations. */
#include "worker/audit/entropy.h"

#include "common/spec/probes.h"
#include "worker/data/data.h"
#include "worker/model/model.h"
#include "worker/optim/optim.h"

#include <math.h>
#include <stdlib.h>

static void sum_up(const double *losses, struct entropy *ret)
{
    double squares = 0;
    for (int i = 0; i < ENTROPY_LAST; i++)
        ret->mean += losses[i] / ENTROPY_LAST;
    for (int i = 0; i < ENTROPY_LAST; i++)
        squares += (losses[i] - ret->mean) * (losses[i] - ret->mean);
    ret->sd = sqrt(squares / (ENTROPY_LAST - 1));
    ret->bound = ret->mean + 4 * ret->sd / sqrt(ENTROPY_LAST);
    ret->floor = log(ENTROPY_VOCAB);
}

int entropy_measure(const struct run_spec *spec, const struct spec_attention *attention,
                    struct pool *pool, bool (*stopped)(void *arg), void *arg, struct entropy *ret,
                    struct err *err)
{
    const struct run_spec small = probe_random(spec, attention);
    struct data *data = NULL;
    struct model *model = NULL;
    double losses[ENTROPY_LAST];
    struct entropy found = { 0 };
    int32_t *windows =
        calloc((size_t)(small.train.batch_size * (small.data.seq_len + 1)), sizeof *windows);
    int status = windows == NULL ? err_no_memory(err, "a batch of random tokens") : 0;
    if (status == 0)
        status = data_new(&small, NULL, &data, err);
    if (status == 0)
        status = model_new_on(&small, pool, &model, err);
    for (int64_t step = 1; step <= ENTROPY_STEPS && status == 0 && !found.stopped; step++) {
        struct model_stats stats;
        struct optim_stats ignored;
        status = data_batch(data, step, windows, err);
        if (status != 0)
            break;
        model_step(model, windows, step, &stats);
        optim_step(&small.train, model_params(model), step, model_pool(model), &ignored);
        losses[step % ENTROPY_LAST] = stats.loss;
        found.stopped = stopped != NULL && stopped(arg);
    }
    if (status == 0 && !found.stopped)
        sum_up(losses, &found);
    if (status == 0)
        *ret = found;
    model_free(model);
    data_free(data);
    free(windows);
    return status;
}
