/* The rows: a field's range and default stand here and nowhere else. */
#include "common/spec/spec_fields.h"

#include "common/spec/attention.h"
#include "common/spec/optimizer.h"
#include "common/spec/spec_row_macros.h"
#include <string.h>

static const char *const tokenizers[] = { "byte", NULL };
static const char *const splits[] = { "documents", "windows", "families", NULL };
static const char *const activations[] = { "silu", "swiglu", NULL };
static const char *const inits[] = { "gpt2", "torch", NULL };
static const char *const schedules[] = { "constant", "cosine", "linear", NULL };
const char *const artifact_names[] = { "init", "batches", "final", "gradients", NULL };

static const struct jsonx_field run_rows[] = {
    { OBJECT(spec_run_in, data), .required = true },
    { OBJECT(spec_run_in, model) },
    { OBJECT(spec_run_in, train) },
    { INT(spec_run_in, seed, 0, MAX_SAFE, "42") },
    { ARRAY(spec_run_in, artifacts) },
};

static const struct jsonx_field data_rows[] = {
    { AT(spec_data, dataset), .type = JSONX_STRING, .size = SPEC_DATASET_BYTES, .min = 1,
      .max = SPEC_DATASET_BYTES - 1, .required = true },
    { ENUM(spec_data, tokenizer, tokenizers, "\"byte\"") },
    { INT(spec_data, documents, 0, 1e12, "0") },
    { INT(spec_data, tokens, 0, 1e12, "0") },
    { INT(spec_data, seq_len, 2, 16384, "128") },
    { ENUM(spec_data, split, splits, "\"documents\"") },
    { REAL(spec_data, val_fraction, 0, 1, "0.1"), ABOVE, BELOW },
    { REAL(spec_data, test_fraction, 0, 1, "0.1"), ABOVE, BELOW },
    { INT(spec_data, split_seed, 0, MAX_SAFE, "0") },
    { INT(spec_data, vocab, 0, 65536, "0") },
    { INT(spec_data, pairs, 0, 4096, "0") },
};

static const struct jsonx_field model_rows[] = {
    { INT(spec_model, layers, 1, SPEC_LAYERS, "4") },
    { INT(spec_model, heads, 1, 128, "8") },
    { INT(spec_model, d_model, 8, 8192, "256") },
    { INT(spec_model, d_ff, 1, 65536, "512") },
    { INT(spec_model, experts, 1, 256, "4") },
    { INT(spec_model, experts_per_token, 1, 256, "2") },
    { REAL(spec_model, router_noise, 0, 100, "0.1") },
    { REAL(spec_model, balance_weight, 0, 1000, "0.01") },
    { REAL(spec_model, dropout, 0, 1, "0.1"), BELOW },
    { ENUM(spec_model, activation, activations, "\"silu\"") },
    { ENUM(spec_model, init, inits, "\"gpt2\"") },
    { FLAG(spec_model, tied, "true") },
    { OBJECT(spec_model_in, attention) },
    { ARRAY(spec_model_in, attention_layers) },
};

static const struct jsonx_field layer_range_rows[] = {
    { ARRAY(spec_layer_range_in, layers), .required = true },
    { OBJECT(spec_layer_range_in, attention), .required = true },
};
const struct jsonx_field spec_layer_row = {
    .key = "layers", .type = JSONX_INT, .min = 0, .max = SPEC_LAYERS - 1
};

static const struct jsonx_field train_rows[] = {
    { INT(spec_train, steps, 1, SPEC_STEPS_MAX, "1000") },
    { REAL(spec_train, flops, 0, 9e18, "0") },
    { INT(spec_train, batch_size, 1, 4096, "16") },
    { INT(spec_train, batch_tokens, 0, 67108864, "0") },
    { INT(spec_train, micro_batch_size, 0, 4096, "0") },
    { ENUM(spec_train, optimizer, optimizer_names, "\"adam\"") },
    { REAL(spec_train, lr, 0, 10, "0.003"), ABOVE },
    { PAIR(spec_train, betas, 0, 1, "[0.9, 0.999]"), BELOW },
    { REAL(spec_train, eps, 0, 1, "1e-8"), ABOVE },
    { REAL(spec_train, momentum, 0, 1, "0.9"), BELOW, LATER },
    { REAL(spec_train, weight_decay, 0, 10, "0") },
    { REAL(spec_train, grad_clip, 0, 1e6, "0") },
    { ENUM(spec_train, schedule, schedules, "\"constant\"") },
    { INT(spec_train, warmup_steps, 0, 1e7, "0") },
    { REAL(spec_train, min_lr_ratio, 0, 1, "0.1") },
    { INT(spec_train, eval_every, 1, 1e7, "200") },
    { INT(spec_train, eval_windows, 0, 1e9, "0") },
    { INT(spec_train, eval_tokens, 0, 1e12, "0") },
    { INT(spec_train, checkpoint_every, 1, 1e7, "200") },
    { INT(spec_train, threads, 0, 256, "0") },
};

#define TABLE(name, rows)                                                                          \
    {                                                                                              \
        name, rows, COUNT(rows)                                                                    \
    }
const struct spec_table spec_run_table = TABLE("", run_rows);
const struct spec_table spec_data_table = TABLE("data", data_rows);
const struct spec_table spec_model_table = TABLE("model", model_rows);
const struct spec_table spec_layer_range_table = TABLE("layer_range", layer_range_rows);
const struct spec_table spec_train_table = TABLE("train", train_rows);

static bool has(const struct jsonx_field *rows, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return true;
    return false;
}

bool spec_path_known(const char *path)
{
    const struct spec_table *const sections[] = { &spec_data_table, &spec_model_table,
                                                  &spec_train_table };
    const char *const attention = "model.attention.";
    if (strncmp(path, attention, strlen(attention)) == 0) {
        for (int kind = 0; kind < ATTENTION_KINDS; kind++)
            if (has(attention_table[kind]->fields, attention_table[kind]->fields_n,
                    path + strlen(attention)))
                return true;
        return false;
    }
    for (size_t i = 0; i < COUNT(sections); i++) {
        size_t len = strlen(sections[i]->name);
        if (strncmp(path, sections[i]->name, len) == 0 && path[len] == '.')
            return has(sections[i]->rows, sections[i]->n, path + len + 1);
    }
    return false;
}
