/* The small model's sizes are fixed here, so that its audit takes seconds whatever the run's own
 * sizes are; only seq_len and attention are the run's. */
#include "common/spec/probes.h"

#include "common/spec/attention.h"

enum {
    TOKENS = 512,
    SEQUENCES = 32,
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

struct run_spec probe_random(const struct run_spec *spec, const struct spec_attention *attention)
{
    struct run_spec small = { .seed = spec->seed };
    small.data = (struct spec_data){ .kind = DATASET_UNIFORM,
                                     .seq_len = spec->data.seq_len,
                                     .vocab = PROBE_VOCAB };
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
        .steps = PROBE_STEPS,
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

/* Weights as PyTorch draws them, so that probabilities are far from even. */
struct run_spec probe_layer(const struct run_spec *spec, const struct spec_attention *attention,
                            int64_t t)
{
    struct run_spec lab = *spec;
    if (lab.data.seq_len > t)
        lab.data.seq_len = t;
    lab.data.kind = DATASET_UNIFORM;
    lab.data.vocab = 2;
    lab.model.layers = 1;
    lab.model.experts = lab.model.experts_per_token = 1;
    lab.model.d_ff = 1;
    lab.model.init = INIT_TORCH;
    lab.model.attention = *attention;
    lab.model.attention_layers_n = 0;
    lab.train.batch_size = 1;
    lab.train.micro_batch_size = 0;
    return lab;
}

/* Of as many keys as PROBE_T some are left out only at twice that length. */
int64_t probe_layer_t(const struct run_spec *spec, const struct spec_attention *attention,
                      bool chooses)
{
    bool many = chooses && attention_keys(attention, spec->data.seq_len) >= PROBE_T;
    return (many ? 2 : 1) * PROBE_T;
}
