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
const char *const artifact_names[] = { "init", "batches", "final", "gradients", "attention", NULL };

/* The rows of data, model and train, which arms may differ in, are lists of X(concern, field): each
 * makes a field and its concern, so that a row without one doesn't build. Of what has no say in what
 * is learned or measured at the end it is NONE. An attention's fields are about attention. */
#define FIELD(concern, ...)   { __VA_ARGS__ },
#define CONCERN(concern, ...) CONCERN_##concern,

static const struct jsonx_field run_rows[] = {
    { OBJECT(spec_run_in, data), .required = true },
    { OBJECT(spec_run_in, model) },
    { OBJECT(spec_run_in, train) },
    { INT(spec_run_in, seed, 0, MAX_SAFE, "42") },
    { ARRAY(spec_run_in, artifacts) },
};

#define DATA_ROWS(X)                                                                               \
    X(DATA, AT(spec_data, dataset), .type = JSONX_STRING, .size = SPEC_DATASET_BYTES, .min = 1,    \
      .max = SPEC_DATASET_BYTES - 1, .required = true)                                             \
    X(DATA, ENUM(spec_data, tokenizer, tokenizers, "\"byte\""))                                    \
    X(DATA, INT(spec_data, documents, 0, 1e12, "0"))                                               \
    X(DATA, INT(spec_data, tokens, 0, 1e12, "0"))                                                  \
    X(DATA, INT(spec_data, seq_len, 2, 16384, "128"))                                              \
    X(DATA, ENUM(spec_data, split, splits, "\"documents\""))                                       \
    X(DATA, REAL(spec_data, val_fraction, 0, 1, "0.1"), ABOVE, BELOW)                              \
    X(DATA, REAL(spec_data, test_fraction, 0, 1, "0.1"), ABOVE, BELOW)                             \
    X(DATA, INT(spec_data, split_seed, 0, MAX_SAFE, "0"))                                          \
    X(DATA, INT(spec_data, vocab, 0, 65536, "0"))                                                  \
    X(DATA, INT(spec_data, pairs, 0, 4096, "0"))
static const struct jsonx_field data_rows[] = { DATA_ROWS(FIELD) };
static const enum concern data_concerns[] = { DATA_ROWS(CONCERN) };

#define MODEL_ROWS(X)                                                                              \
    X(MODEL_SIZE, INT(spec_model, layers, 1, SPEC_LAYERS, "4"))                                    \
    X(MODEL_SIZE, INT(spec_model, heads, 1, 128, "8"))                                             \
    X(MODEL_SIZE, INT(spec_model, d_model, 8, 8192, "256"))                                        \
    X(MODEL_SIZE, INT(spec_model, d_ff, 1, 65536, "512"))                                          \
    X(MODEL_SIZE, INT(spec_model, experts, 1, 256, "4"))                                           \
    X(MODEL_SIZE, INT(spec_model, experts_per_token, 1, 256, "2"))                                 \
    X(REGULARISATION, REAL(spec_model, router_noise, 0, 100, "0.1"))                               \
    X(REGULARISATION, REAL(spec_model, balance_weight, 0, 1000, "0.01"))                           \
    X(REGULARISATION, REAL(spec_model, dropout, 0, 1, "0.1"), BELOW)                               \
    X(MODEL_SIZE, ENUM(spec_model, activation, activations, "\"silu\""))                           \
    X(OPTIMISER, ENUM(spec_model, init, inits, "\"gpt2\""))                                        \
    X(MODEL_SIZE, FLAG(spec_model, tied, "true"))                                                  \
    X(ATTENTION, OBJECT(spec_model_in, attention))                                                 \
    X(ATTENTION, ARRAY(spec_model_in, attention_layers))
static const struct jsonx_field model_rows[] = { MODEL_ROWS(FIELD) };
static const enum concern model_concerns[] = { MODEL_ROWS(CONCERN) };

static const struct jsonx_field layer_range_rows[] = {
    { ARRAY(spec_layer_range_in, layers), .required = true },
    { OBJECT(spec_layer_range_in, attention), .required = true },
};
const struct jsonx_field spec_layer_row = {
    .key = "layers", .type = JSONX_INT, .min = 0, .max = SPEC_LAYERS - 1
};

#define TRAIN_ROWS(X)                                                                              \
    X(BUDGET, INT(spec_train, steps, 1, SPEC_STEPS_MAX, "1000"))                                   \
    X(BUDGET, REAL(spec_train, flops, 0, 9e18, "0"))                                               \
    X(BUDGET, INT(spec_train, batch_size, 1, 4096, "16"))                                          \
    X(BUDGET, INT(spec_train, batch_tokens, 0, 67108864, "0"))                                     \
    X(NONE, INT(spec_train, micro_batch_size, 0, 4096, "0"))                                       \
    X(OPTIMISER, ENUM(spec_train, optimizer, optimizer_names, "\"adam\""))                         \
    X(OPTIMISER, REAL(spec_train, lr, 0, 10, "0.003"), ABOVE)                                      \
    X(OPTIMISER, PAIR(spec_train, betas, 0, 1, "[0.9, 0.999]"), BELOW)                             \
    X(OPTIMISER, REAL(spec_train, eps, 0, 1, "1e-8"), ABOVE)                                       \
    X(OPTIMISER, REAL(spec_train, momentum, 0, 1, "0.9"), BELOW, LATER)                            \
    X(REGULARISATION, REAL(spec_train, weight_decay, 0, 10, "0"))                                  \
    X(OPTIMISER, REAL(spec_train, grad_clip, 0, 1e6, "0"))                                         \
    X(OPTIMISER, ENUM(spec_train, schedule, schedules, "\"constant\""))                            \
    X(OPTIMISER, INT(spec_train, warmup_steps, 0, 1e7, "0"))                                       \
    X(OPTIMISER, REAL(spec_train, min_lr_ratio, 0, 1, "0.1"))                                      \
    X(NONE, INT(spec_train, eval_every, 1, 1e7, "200"))                                            \
    X(DATA, INT(spec_train, eval_windows, 0, 1e9, "0"))                                            \
    X(DATA, INT(spec_train, eval_tokens, 0, 1e12, "0"))                                            \
    X(NONE, INT(spec_train, checkpoint_every, 1, 1e7, "200"))                                      \
    X(NONE, INT(spec_train, threads, 0, 256, "0"))
static const struct jsonx_field train_rows[] = { TRAIN_ROWS(FIELD) };
static const enum concern train_concerns[] = { TRAIN_ROWS(CONCERN) };

#define TABLE(name, rows, concerns)                                                                \
    {                                                                                              \
        name, rows, COUNT(rows), concerns                                                          \
    }
const struct spec_table spec_run_table = TABLE("", run_rows, NULL);
const struct spec_table spec_data_table = TABLE("data", data_rows, data_concerns);
const struct spec_table spec_model_table = TABLE("model", model_rows, model_concerns);
const struct spec_table spec_layer_range_table = TABLE("layer_range", layer_range_rows, NULL);
const struct spec_table spec_train_table = TABLE("train", train_rows, train_concerns);

#define NAME(id, name) name,
const char *const concern_names[] = { CONCERN_LIST(NAME) NULL };
#undef NAME

enum concern concern_of(const char *name)
{
    int i = CONCERN_NONE + 1;
    while (i < CONCERNS && strcmp(concern_names[i], name) != 0)
        i++;
    return i < CONCERNS ? (enum concern)i : CONCERN_NONE;
}

/* The row's index; n when there is none. */
static size_t find(const struct jsonx_field *rows, size_t n, const char *key)
{
    size_t i = 0;
    while (i < n && strcmp(rows[i].key, key) != 0)
        i++;
    return i;
}

static const struct jsonx_field *find_of_attention(const char *key)
{
    for (int kind = 0; kind < ATTENTION_KINDS; kind++) {
        size_t n = attention_table[kind]->fields_n, i = find(attention_table[kind]->fields, n, key);
        if (i < n)
            return &attention_table[kind]->fields[i];
    }
    return NULL;
}

const struct jsonx_field *spec_path_find(const char *path, enum concern *ret_concern)
{
    const struct spec_table *const sections[] = { &spec_data_table, &spec_model_table,
                                                  &spec_train_table };
    static const char attention[] = "model.attention.";
    if (strncmp(path, attention, strlen(attention)) == 0) {
        *ret_concern = CONCERN_ATTENTION;
        return find_of_attention(path + strlen(attention));
    }
    for (size_t t = 0; t < COUNT(sections); t++) {
        size_t len = strlen(sections[t]->name);
        if (strncmp(path, sections[t]->name, len) != 0 || path[len] != '.')
            continue;
        size_t i = find(sections[t]->rows, sections[t]->n, path + len + 1);
        if (i == sections[t]->n)
            return NULL;
        *ret_concern = sections[t]->concerns[i];
        return &sections[t]->rows[i];
    }
    return NULL;
}

bool spec_path_known(const char *path)
{
    enum concern ignored;
    return spec_path_find(path, &ignored) != NULL;
}
