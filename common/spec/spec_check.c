/* A function a rule, in the order of `rules` at the end: a rule may rely on what those before it
 * have resolved. */
#include "common/spec/spec_check.h"

#include "common/spec/attention.h"
#include "common/spec/cost.h"
#include "common/spec/optimizer.h"
#include "common/spec/spec_fields.h"

#include <stdio.h>
#include <string.h>

enum { BATCH_SIZE_MAX = 4096 };

struct check {
    struct run_spec *spec;
    const char *base; /* pointer of the whole spec */
    struct err *err;
    /* of rules about an attention: which one, and its place below base; "" for the other rules */
    struct spec_attention *attention;
    const char *at;
};

static int refuse(const struct check *check, enum err_code code, const char *where,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

static int refuse(const struct check *check, enum err_code code, const char *where,
                  const char *format, ...)
{
    char message[sizeof check->err->message], pointer[sizeof check->err->pointer];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    snprintf(pointer, sizeof pointer, "%s%s%s", check->base, check->at, where);
    return err_set_at(check->err, code, pointer, "%s", message);
}

#define INT64(value) ((long long)(value))

static int resolve_batch(const struct check *check)
{
    struct spec_train *train = &check->spec->train;
    int64_t t = check->spec->data.seq_len;
    if (train->batch_tokens == 0)
        return 0;
    if (train->batch_tokens % t != 0 || train->batch_tokens / t > BATCH_SIZE_MAX)
        return refuse(check, ERR_INCONSISTENT, "/train/batch_tokens",
                      "batch_tokens must be 1 to %d times seq_len (%lld), which %lld is not",
                      BATCH_SIZE_MAX, INT64(t), INT64(train->batch_tokens));
    train->batch_size = train->batch_tokens / t;
    return 0;
}

static int check_micro_batch(const struct check *check)
{
    const struct spec_train *train = &check->spec->train;
    if (train->micro_batch_size == 0 || train->batch_size % train->micro_batch_size == 0)
        return 0;
    return refuse(check, ERR_INCONSISTENT, "/train/micro_batch_size",
                  "micro_batch_size must divide batch_size; %lld does not divide %lld",
                  INT64(train->micro_batch_size), INT64(train->batch_size));
}

static int resolve_eval(const struct check *check)
{
    struct spec_train *train = &check->spec->train;
    int64_t t = check->spec->data.seq_len;
    if (train->eval_tokens == 0)
        return 0;
    if (train->eval_tokens % t != 0)
        return refuse(check, ERR_INCONSISTENT, "/train/eval_tokens",
                      "eval_tokens must be a multiple of seq_len (%lld), which %lld is not",
                      INT64(t), INT64(train->eval_tokens));
    train->eval_windows = train->eval_tokens / t;
    return 0;
}

static int check_fractions(const struct check *check)
{
    const struct spec_data *data = &check->spec->data;
    if (data->val_fraction + data->test_fraction < 1)
        return 0;
    return refuse(check, ERR_INCONSISTENT, "/data/test_fraction",
                  "val_fraction and test_fraction (%g and %g) leave nothing to train on",
                  data->val_fraction, data->test_fraction);
}

static int resolve_stored(const struct check *check)
{
    const struct spec_data *data = &check->spec->data;
    if (data->vocab != 0 || data->pairs != 0)
        return refuse(check, ERR_INCONSISTENT, data->vocab != 0 ? "/data/vocab" : "/data/pairs",
                      "vocab and pairs belong to synthetic tasks, not to a stored corpus");
    return 0;
}

static int resolve_alphabet(const struct check *check)
{
    struct spec_data *data = &check->spec->data;
    if (data->pairs != 0)
        return refuse(check, ERR_INCONSISTENT, "/data/pairs", "pairs belongs to synthetic:mqar");
    if (data->vocab == 0)
        data->vocab = 32;
    if (data->vocab < 2)
        return refuse(check, ERR_INCONSISTENT, "/data/vocab", "vocab must be at least 2");
    return 0;
}

/* Multi-query associative recall: keys from the lower half of the vocabulary without 0, which
 * hides answers, values from the upper; the pairs come first (2 tokens each), last every key is
 * asked for once (2 tokens again). */
static int resolve_mqar(const struct check *check)
{
    struct spec_data *data = &check->spec->data;
    if (data->vocab == 0)
        data->vocab = 8192;
    if (data->pairs == 0)
        data->pairs = data->seq_len < 16 ? 1 : data->seq_len / 16;
    if (4 * data->pairs > data->seq_len)
        return refuse(check, ERR_INCONSISTENT, "/data/pairs",
                      "%lld pairs need seq_len %lld or more, not %lld", INT64(data->pairs),
                      INT64(4 * data->pairs), INT64(data->seq_len));
    if (data->vocab % 2 != 0 || data->vocab / 2 <= data->pairs)
        return refuse(check, ERR_INCONSISTENT, "/data/vocab",
                      "vocab must be even and at least %lld for %lld pairs, not %lld",
                      INT64(2 * data->pairs + 2), INT64(data->pairs), INT64(data->vocab));
    return 0;
}

static int resolve_dataset(const struct check *check)
{
    static int (*const resolve[])(const struct check *) = {
        [DATASET_STORED] = resolve_stored,
        [DATASET_UNIFORM] = resolve_alphabet,
        [DATASET_MQAR] = resolve_mqar,
        [DATASET_COPY] = resolve_alphabet,
    };
    return resolve[check->spec->data.kind](check);
}

static int check_heads(const struct check *check)
{
    const struct spec_model *model = &check->spec->model;
    if (model->d_model % model->heads != 0)
        return refuse(check, ERR_INCONSISTENT, "/model/heads",
                      "heads must divide d_model; %lld does not divide %lld", INT64(model->heads),
                      INT64(model->d_model));
    if (model->d_model / model->heads % 2 != 0)
        return refuse(check, ERR_INCONSISTENT, "/model/heads",
                      "a head's size d_model/heads must be even (rotary pairs), not %lld",
                      INT64(model->d_model / model->heads));
    return 0;
}

static int check_experts(const struct check *check)
{
    const struct spec_model *model = &check->spec->model;
    if (model->experts_per_token <= model->experts)
        return 0;
    return refuse(check, ERR_INCONSISTENT, "/model/experts_per_token",
                  "experts_per_token must be at most experts (%lld), not %lld",
                  INT64(model->experts), INT64(model->experts_per_token));
}

static int resolve_attention(const struct check *check)
{
    const struct attention_info *kind = attention_info_of(check->attention);
    char pointer[sizeof check->err->pointer];
    snprintf(pointer, sizeof pointer, "%s%s", check->base, check->at);
    return kind->resolve == NULL
               ? 0
               : kind->resolve(check->attention, check->spec->data.seq_len, pointer, check->err);
}

static int check_dense_warmup(const struct check *check)
{
    const struct spec_attention *attention = check->attention;
    if (attention->dense_warmup_steps > check->spec->train.steps)
        return refuse(check, ERR_INCONSISTENT, "/dense_warmup_steps",
                      "dense_warmup_steps must be at most steps (%lld), not %lld",
                      INT64(check->spec->train.steps), INT64(attention->dense_warmup_steps));
    return 0;
}

static int check_indexer_only(const struct check *check)
{
    const struct spec_attention *a = check->attention;
    if (a->indexer_only_steps == 0)
        return 0;
    if (a->indexer_only_steps > a->dense_warmup_steps)
        return refuse(check, ERR_INCONSISTENT, "/indexer_only_steps",
                      "indexer_only_steps are the last of the dense warm-up: at most "
                      "dense_warmup_steps (%lld), not %lld",
                      INT64(a->dense_warmup_steps), INT64(a->indexer_only_steps));
    if (!attention_learns(a))
        return refuse(check, ERR_INCONSISTENT, "/indexer_only_steps",
                      "indexer_only_steps needs indexer_training \"kl\": a frozen indexer would "
                      "leave nothing to update");
    struct spec_rest all = run_spec_rest(check->spec);
    bool alike =
        all.last == a->dense_warmup_steps && all.last - all.first + 1 == a->indexer_only_steps;
    if (all.last > 0 && !alike) /* 0: no layer has this attention */
        return refuse(check, ERR_INCONSISTENT, "/indexer_only_steps",
                      "layers with indexer_only_steps must have the same steps: %lld to %lld of "
                      "another layer aren't %lld to %lld",
                      INT64(all.first), INT64(all.last),
                      INT64(a->dense_warmup_steps - a->indexer_only_steps + 1),
                      INT64(a->dense_warmup_steps));
    return 0;
}

/* A rule about an attention, applied to each that the model has. */
static int each_attention(const struct check *run, int (*rule)(const struct check *))
{
    struct spec_model *model = &run->spec->model;
    struct check check = *run;
    check.attention = &model->attention;
    check.at = "/model/attention";
    int status = rule(&check);
    for (size_t i = 0; i < model->attention_layers_n && status == 0; i++) {
        char at[64];
        snprintf(at, sizeof at, "/model/attention_layers/%zu/attention", i);
        check.attention = &model->attention_layers[i].attention;
        check.at = at;
        status = rule(&check);
    }
    return status;
}

static int resolve_attentions(const struct check *check)
{
    return each_attention(check, resolve_attention);
}

static int check_dense_warmups(const struct check *check)
{
    return each_attention(check, check_dense_warmup);
}

static int check_indexers_only(const struct check *check)
{
    return each_attention(check, check_indexer_only);
}

/* Comes after all that a step's cost depends on. */
static int resolve_flops(const struct check *check)
{
    struct spec_train *train = &check->spec->train;
    double flops = train->flops;
    train->flops = 0;
    if (flops == 0)
        return 0;
    train->steps = cost_steps(check->spec, flops, SPEC_STEPS_MAX + 1);
    if (train->steps > SPEC_STEPS_MAX)
        return refuse(check, ERR_INCONSISTENT, "/train/flops",
                      "flops must allow at most %d steps, which cost %g here; %g allow more",
                      SPEC_STEPS_MAX, cost_flops(check->spec, SPEC_STEPS_MAX), flops);
    return 0;
}

static int check_layers(const struct check *check)
{
    const struct spec_model *model = &check->spec->model;
    int64_t next = 0;
    for (size_t i = 0; i < model->attention_layers_n; i++) {
        const struct spec_layer_range *range = &model->attention_layers[i];
        char at[64];
        snprintf(at, sizeof at, "/model/attention_layers/%zu/layers", i);
        if (range->first < next || range->last < range->first || range->last >= model->layers)
            return refuse(check, ERR_INCONSISTENT, at,
                          "ranges must ascend, not overlap and lie within layers 0 to %lld; "
                          "[%lld, %lld] doesn't",
                          INT64(model->layers - 1), INT64(range->first), INT64(range->last));
        next = range->last + 1;
    }
    return 0;
}

static int check_warmup(const struct check *check)
{
    const struct spec_train *train = &check->spec->train;
    if (train->warmup_steps <= train->steps)
        return 0;
    return refuse(check, ERR_INCONSISTENT, "/train/warmup_steps",
                  "warmup_steps must be at most steps (%lld), not %lld", INT64(train->steps),
                  INT64(train->warmup_steps));
}

static bool decays(const struct optimizer_info *info)
{
    return info->decays;
}

static bool has_momentum(const struct optimizer_info *info)
{
    return info->momentum;
}

/* `field` is set, and the optimiser doesn't have it. */
static int refuse_of_optimizer(const struct check *check, const char *field,
                               bool (*has)(const struct optimizer_info *info))
{
    char where[48], known[96] = "";
    size_t used = 0;
    for (int i = 0; i < OPTIMIZERS; i++)
        if (has(optimizer_table[i]))
            used += (size_t)snprintf(known + used, sizeof known - used, "%s\"%s\"",
                                     used > 0 ? " or " : "", optimizer_table[i]->name);
    snprintf(where, sizeof where, "/train/%s", field);
    return refuse(check, ERR_INCONSISTENT, where, "%s needs optimizer %s, not \"%s\"", field, known,
                  optimizer_info_of(&check->spec->train)->name);
}

static int check_decay(const struct check *check)
{
    const struct spec_train *train = &check->spec->train;
    if (decays(optimizer_info_of(train)) || train->weight_decay == 0)
        return 0;
    return refuse_of_optimizer(check, "weight_decay", decays);
}

static int check_momentum(const struct check *check)
{
    const struct spec_train *train = &check->spec->train;
    if (has_momentum(optimizer_info_of(train)) || train->momentum == spec_momentum)
        return 0;
    return refuse_of_optimizer(check, "momentum", has_momentum);
}

int spec_resolve(struct run_spec *spec, const char *pointer, struct err *err)
{
    static int (*const rules[])(const struct check *) = {
        check_fractions,     resolve_dataset,     resolve_batch, check_micro_batch,  resolve_eval,
        check_heads,         check_experts,       check_layers,  resolve_attentions, resolve_flops,
        check_dense_warmups, check_indexers_only, check_warmup,  check_decay,        check_momentum,
    };
    const struct check check = { .spec = spec, .base = pointer, .err = err, .at = "" };
    int status = 0;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && status == 0; i++)
        status = rules[i](&check);
    return status;
}
