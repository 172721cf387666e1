/* The small model's sizes are fixed here, so that the audit takes seconds whatever the run's own
 * sizes are; only seq_len and attention are the run's. */
#include "worker/audit/entropy.h"

#include "worker/data/data.h"
#include "worker/model/model.h"
#include "worker/optim/optim.h"

#include <math.h>
#include <stdlib.h>

enum {
    TOKENS = 1024,
    SEQUENCES = 64,
    D_MODEL = 64,
    HEADS = 4,
    D_FF = 128,
    WARMUP = 20,
    DENSE_MOST = 50
};

static int64_t batch_of(int64_t t)
{
    int64_t batch = TOKENS / t;
    return batch < 1 ? 1 : batch > SEQUENCES ? SEQUENCES : batch;
}

static struct run_spec small_spec(const struct run_spec *spec,
                                  const struct spec_attention *attention)
{
    struct run_spec small = { .seed = spec->seed };
    small.data = (struct spec_data){ .kind = DATASET_UNIFORM,
                                     .seq_len = spec->data.seq_len,
                                     .vocab = ENTROPY_VOCAB };
    small.model = (struct spec_model){
        .layers = 2,
        .heads = HEADS,
        .d_model = D_MODEL,
        .d_ff = D_FF,
        .experts = 1,
        .experts_per_token = 1,
        .init = INIT_GPT2,
        .tied = true,
        .attention = *attention,
    };
    if (small.model.attention.dense_warmup_steps > DENSE_MOST)
        small.model.attention.dense_warmup_steps = DENSE_MOST;
    small.model.attention.indexer_only_steps = 0;
    small.train = (struct spec_train){
        .steps = ENTROPY_STEPS,
        .batch_size = batch_of(spec->data.seq_len),
        .optimizer = OPTIMIZER_ADAM,
        .lr = 3e-3,
        .betas = { 0.9, 0.999 },
        .eps = 1e-8,
        .schedule = SCHEDULE_CONSTANT,
        .warmup_steps = WARMUP,
        .min_lr_ratio = 1,
    };
    return small;
}

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
    const struct run_spec small = small_spec(spec, attention);
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
