#include "common/spec_fields.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* 2^53 − 1: the largest integer that every JSON implementation keeps. */
#define MAX_SAFE 9007199254740991.0

#define AT(s, m)                .key = #m, .offset = offsetof(struct s, m)
#define RANGE(lo, hi, def)      .min = lo, .max = hi, .preset = def
#define INT(s, m, lo, hi, def)  AT(s, m), .type = JSONX_INT, RANGE(lo, hi, def)
#define REAL(s, m, lo, hi, def) AT(s, m), .type = JSONX_DOUBLE, RANGE(lo, hi, def)
#define PAIR(s, m, lo, hi, def) AT(s, m), .type = JSONX_PAIR, RANGE(lo, hi, def)
#define FLAG(s, m, def)         AT(s, m), .type = JSONX_BOOL, .preset = def
#define ENUM(s, m, names, def)  AT(s, m), .type = JSONX_ENUM, .choices = names, .preset = def
#define OBJECT(s, m)            AT(s, m), .type = JSONX_OBJECT
#define ARRAY(s, m)             AT(s, m), .type = JSONX_ARRAY
/* Ends of a range that don't belong to it. */
#define ABOVE .exclusive_min = true
#define BELOW .exclusive_max = true

static const char *const tokenizers[] = { "byte", NULL };
static const char *const splits[] = { "documents", "windows", "families", NULL };
static const char *const activations[] = { "silu", "swiglu", NULL };
static const char *const inits[] = { "gpt2", "torch", NULL };
static const char *const optimizers[] = { "adam", "adamw", NULL };
static const char *const schedules[] = { "constant", "cosine", "linear", NULL };
static const char *const trainings[] = { "kl", "frozen", NULL };
static const char *const selections[] = { "causal", "published", NULL };
const char *const attention_kind_names[] = { "dense",       "dsa",         "window",
                                             "random_topk", "oracle_topk", NULL };
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
    { ENUM(spec_train, optimizer, optimizers, "\"adam\"") },
    { REAL(spec_train, lr, 0, 10, "0.003"), ABOVE },
    { PAIR(spec_train, betas, 0, 1, "[0.9, 0.999]"), BELOW },
    { REAL(spec_train, eps, 0, 1, "1e-8"), ABOVE },
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

/* top_k 0 leaves K to top_k_ratio; a resolved spec has top_k > 0 and no top_k_ratio. */
#define KIND(def)   ENUM(spec_attention, kind, attention_kind_names, def)
#define TOP_K       INT(spec_attention, top_k, 0, 16384, "0")
#define TOP_K_RATIO REAL(spec_attention, top_k_ratio, 0, 1, "0.5"), ABOVE

static const struct jsonx_field dense_rows[] = {
    { KIND("\"dense\"") },
};

static const struct jsonx_field dsa_rows[] = {
    { KIND("\"dsa\"") },
    { TOP_K },
    { TOP_K_RATIO },
    { INT(spec_attention, indexer_heads, 1, 64, "4") },
    { INT(spec_attention, indexer_dim, 1, 1024, "64") },
    { ENUM(spec_attention, indexer_training, trainings, "\"kl\"") },
    { REAL(spec_attention, kl_weight, 0, 1e6, "1") },
    { INT(spec_attention, dense_warmup_steps, 0, 1e7, "0") },
    { FLAG(spec_attention, indexer_rope, "false") },
    { FLAG(spec_attention, indexer_norm, "false") },
    { ENUM(spec_attention, selection, selections, "\"causal\"") },
};

static const struct jsonx_field window_rows[] = {
    { KIND("\"window\"") },
    { INT(spec_attention, window, 1, 16384, "64") },
    { INT(spec_attention, sink, 0, 16384, "0") },
};

static const struct jsonx_field random_topk_rows[] = {
    { KIND("\"random_topk\"") },
    { TOP_K },
    { TOP_K_RATIO },
};

static const struct jsonx_field oracle_topk_rows[] = {
    { KIND("\"oracle_topk\"") },
    { TOP_K },
    { TOP_K_RATIO },
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
const struct spec_table spec_attention_tables[ATTENTION_KINDS] = {
    [ATTENTION_DENSE] = TABLE("dense", dense_rows),
    [ATTENTION_DSA] = TABLE("dsa", dsa_rows),
    [ATTENTION_WINDOW] = TABLE("window", window_rows),
    [ATTENTION_RANDOM_TOPK] = TABLE("random_topk", random_topk_rows),
    [ATTENTION_ORACLE_TOPK] = TABLE("oracle_topk", oracle_topk_rows),
};

static const struct jsonx_field *find(const struct spec_table *table, const char *key)
{
    for (size_t i = 0; i < table->n; i++)
        if (strcmp(table->rows[i].key, key) == 0)
            return &table->rows[i];
    return NULL;
}

bool spec_path_known(const char *path)
{
    const struct spec_table *const sections[] = { &spec_data_table, &spec_model_table,
                                                  &spec_train_table };
    const char *const attention = "model.attention.";
    if (strncmp(path, attention, strlen(attention)) == 0) {
        for (int kind = 0; kind < ATTENTION_KINDS; kind++)
            if (find(&spec_attention_tables[kind], path + strlen(attention)) != NULL)
                return true;
        return false;
    }
    for (size_t i = 0; i < COUNT(sections); i++) {
        size_t len = strlen(sections[i]->name);
        if (strncmp(path, sections[i]->name, len) == 0 && path[len] == '.')
            return find(sections[i], path + len + 1) != NULL;
    }
    return false;
}
