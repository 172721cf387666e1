/* Audits of attention. Where the layers' attentions differ each is measured, and the worst is told. */
#include "worker/audit/judge_attention.h"

#include "common/json/jsonx.h"
#include "common/spec/attention.h"
#include "worker/audit/causality.h"
#include "worker/audit/equivalence.h"
#include "worker/audit/learns.h"

#include <math.h>
#include <stdlib.h>

enum { PLACES = 256 }; /* of the loss by position, at most */

/* dense_equivalence */

static int worst_part(const struct equivalence *e)
{
    int worst = 0;
    for (int i = 1; i < EQUIVALENCE_PARTS; i++)
        worst = e->differs[i] > e->differs[worst] ? i : worst;
    return worst;
}

typedef int measure_equivalence(const struct run_spec *spec, const struct spec_attention *attention,
                                struct equivalence *ret, struct err *err);

/* Of the distinct attentions the one that differs most, and its layer. */
static int worst_layer(const struct run_spec *spec, measure_equivalence *measure,
                       struct equivalence *ret, int64_t *ret_layer, struct err *err)
{
    int64_t layers[SPEC_LAYERS];
    size_t n = audit_layers(spec, layers);
    for (size_t i = 0; i < n; i++) {
        struct equivalence e;
        int status = measure(spec, run_spec_attention(spec, layers[i]), &e, err);
        if (status != 0)
            return status;
        if (i > 0 && !(e.differs[worst_part(&e)] > ret->differs[worst_part(ret)]))
            continue;
        *ret = e;
        *ret_layer = layers[i];
    }
    return 0;
}

static json_t *equivalence_json(const struct equivalence *e, int64_t layer)
{
    json_t *json = json_pack("{s:I, s:I, s:I, s:s, s:f}", "layer", (json_int_t)layer, "seq_len",
                             (json_int_t)e->seq_len, "keys", (json_int_t)e->keys, "path", e->kernel,
                             "tolerance", EQUIVALENCE_TOLERANCE);
    for (int i = 0; i < EQUIVALENCE_PARTS; i++)
        json_object_set_new(json, equivalence_parts[i], jsonx_number(e->differs[i]));
    return json;
}

int audit_equivalence(struct audits *a, struct finding *ret, struct err *err)
{
    struct equivalence limit = { 0 }, own = { 0 };
    int64_t layer = 0, own_layer = 0;
    int status = worst_layer(a->context.spec, equivalence_measure, &limit, &layer, err);
    if (status == 0)
        status = worst_layer(a->context.spec, equivalence_measure_own, &own, &own_layer, err);
    if (status != 0)
        return status;
    int part = worst_part(&limit), own_part = worst_part(&own);
    bool chooses = own.keys < own.seq_len;
    ret->evidence = equivalence_json(&limit, layer);
    json_object_set_new(ret->evidence, "own",
                        chooses ? equivalence_json(&own, own_layer) : json_null());
    if (!(limit.differs[part] <= EQUIVALENCE_TOLERANCE))
        finding_say(ret, AUDIT_FAIL,
                    "with every past key to see, it isn't dense causal attention: the %s differs "
                    "by %.2g of its greatest value",
                    equivalence_parts[part], limit.differs[part]);
    else if (!(own.differs[own_part] <= EQUIVALENCE_TOLERANCE))
        finding_say(ret, AUDIT_FAIL,
                    "over the keys that it chose, %lld of %lld, it isn't what the formulas give: "
                    "the %s differs by %.2g of its greatest value",
                    (long long)own.keys, (long long)own.seq_len, equivalence_parts[own_part],
                    own.differs[own_part]);
    else if (chooses)
        finding_say(ret, AUDIT_PASS,
                    "with every past key to see, it is dense causal attention to within %.1e; over "
                    "the keys that it chose, %lld of %lld, it is what the formulas give to within "
                    "%.1e",
                    limit.differs[part], (long long)own.keys, (long long)own.seq_len,
                    own.differs[own_part]);
    else
        finding_say(ret, AUDIT_PASS,
                    "with every past key to see, it is dense causal attention to within %.1e",
                    limit.differs[part]);
    return 0;
}

/* causality */

/* The windows that evaluation looks at first, over and over until there are B. */
static void load_windows(struct audits *a)
{
    const struct audit_context *c = &a->context;
    size_t width = (size_t)c->spec->data.seq_len + 1, batch = (size_t)c->spec->train.batch_size;
    size_t n = data_eval_windows(c->data, CORPUS_VAL);
    for (size_t b = 0; b < batch; b++)
        data_eval_window(c->data, CORPUS_VAL, b % n, a->windows + b * width);
}

static const real *states_of(void *arg, const int32_t *windows, int64_t step)
{
    const struct audits *a = arg;
    struct model *model = a->context.model;
    int64_t n = run_spec_micro_batch(a->context.spec);
    return a->warm_up ? model_warm_up_states(model, windows, n, step)
                      : model_states(model, windows, n, step);
}

/* The kernels of training, with dropout and noise, and those of evaluation, without. Whole
 * sequences are replaced by both after training, when routing may be at its most uneven; before it
 * by those of training alone, which do more. A run that warms up dense has other kernels for that,
 * which are looked at before it. */
static const struct {
    const char *name;
    int64_t step;
    bool batch_at_start, warm_up;
} kernels[] = { { "training", 1, true, false },
                { "evaluation", 0, false, false },
                { "dense_warmup", 1, false, true } };
enum { KERNELS = sizeof kernels / sizeof *kernels };

static bool warms_up(const struct spec_attention *attention)
{
    return attention_is_indexed(attention) && attention->dense_warmup_steps > 0;
}

static json_t *by_position(const struct audits *a)
{
    size_t t = (size_t)a->context.spec->data.seq_len, places = t < PLACES ? t : PLACES;
    json_t *positions = json_array(), *losses = json_array();
    for (size_t i = 0; i < places; i++) {
        size_t from = i * t / places, to = (i + 1) * t / places;
        double sum = 0;
        int64_t n = 0;
        for (size_t p = from; p < to; p++) {
            sum += a->nll[p];
            n += a->nll_n[p];
        }
        if (n == 0)
            continue;
        json_array_append_new(positions, json_integer((json_int_t)from));
        json_array_append_new(losses, jsonx_number(sum / (double)n));
    }
    return json_pack("{s:o, s:o}", "positions", positions, "loss", losses);
}

static void say_causality(const struct audits *a, const struct causality *c, const char *name,
                          struct finding *ret)
{
    if (c->across)
        finding_say(ret, AUDIT_FAIL,
                    "a sequence's predictions change when only other sequences of its batch do "
                    "(%s, %s kernels)",
                    audit_when(a), name);
    else if (c->leaks > 0)
        finding_say(ret, AUDIT_FAIL,
                    "%.1f %% of the positions depend on tokens after them, which they must "
                    "predict: position %lld changes when only tokens after position %lld do (%s, "
                    "%s kernels)",
                    100 * c->leak_next, (long long)c->position, (long long)c->cut, audit_when(a),
                    name);
    else if (!c->finite)
        finding_say(ret, AUDIT_SKIPPED,
                    "the %s model's states aren't finite numbers: nothing shows in them (%s "
                    "kernels)",
                    audit_when(a), name);
}

/* The greatest K of a layer that doesn't see all keys; T if there is none. */
static size_t most_keys(const struct run_spec *spec)
{
    int64_t t = spec->data.seq_len, most = 0;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        int64_t keys = attention_keys(run_spec_attention(spec, layer), t);
        most = keys < t && keys > most ? keys : most;
    }
    return (size_t)(most > 0 ? most : t);
}

int audit_causality(struct audits *a, struct finding *ret, struct err *err)
{
    const struct run_spec *spec = a->context.spec;
    size_t t = (size_t)spec->data.seq_len, n = 0;
    struct finding found = { 0 };
    double leak_next = 0;
    bool across = false;
    struct causality_subject subject = {
        .arg = a,
        .batch = (size_t)run_spec_micro_batch(spec),
        .t = t,
        .c = (size_t)spec->model.d_model,
        .vocab = (int32_t)run_spec_vocab(spec),
        .states = states_of,
        .stopped = audit_stopped,
    };
    size_t *cuts = calloc(t + CAUSALITY_CUTS, sizeof *cuts);
    if (cuts == NULL)
        return err_no_memory(err, "a list of cuts");
    n = causality_cuts(t, most_keys(spec), cuts);
    load_windows(a);
    bool warm_up = !a->at_end && run_spec_any(spec, warms_up);
    double smallest = causality_smallest_leak(t, n);
    finding_say(&found, AUDIT_PASS,
                "every state up to a cut kept its bits when the tokens after it changed (%zu cuts, "
                "training and evaluation kernels%s, %s); with 95 %% a leak at %.2g %% of the "
                "positions would have shown",
                n, warm_up ? ", dense warm-up" : "", audit_when(a), 100 * smallest);
    json_t *each = json_object();
    int status = 0;
    for (int k = 0; k < KERNELS && status == 0 && !audit_stopped(a); k++) {
        struct causality c;
        if (kernels[k].warm_up && !warm_up)
            continue;
        a->warm_up = kernels[k].warm_up;
        const struct causality_plan plan = {
            .cuts = cuts,
            .n = n,
            .step = kernels[k].step,
            .batch = a->at_end || kernels[k].batch_at_start,
            .first_leak = found.status == AUDIT_FAIL, /* how far the leak reaches is known */
        };
        status = causality_check(&subject, &plan, a->windows, &c, err);
        if (status != 0)
            break;
        if (found.status == AUDIT_PASS)
            say_causality(a, &c, kernels[k].name, &found);
        json_object_set_new(
            each, kernels[k].name,
            json_pack("{s:I, s:I, s:o, s:o}", "cuts", (json_int_t)c.cuts, "leaking_cuts",
                      (json_int_t)c.leaks, "across_sequences",
                      plan.batch ? json_boolean(c.across) : json_null(), "leak_next",
                      isnan(c.leak_next) ? json_null() : jsonx_number(c.leak_next)));
        leak_next = c.leak_next > leak_next ? c.leak_next : leak_next;
        across |= c.across;
    }
    free(cuts);
    if (status != 0) {
        json_decref(each);
        return status;
    }
    found.evidence = json_pack("{s:s, s:o, s:o, s:b, s:o}", "phase", a->at_end ? "end" : "start",
                               "leak_next", jsonx_number(leak_next), "smallest_leak",
                               jsonx_number(smallest), "across_sequences", across, "kernels", each);
    if (a->at_end && a->nll_n[spec->data.seq_len - 1] > 0) /* else a stop came */
        json_object_set_new(found.evidence, "by_position", by_position(a));
    *ret = found;
    return 0;
}

/* indexer_learns */

static bool is_frozen(const struct spec_attention *attention)
{
    return attention_is_indexed(attention) && !attention_learns(attention);
}

/* The first windows of validation: a batch, or LEARNS_WINDOWS, as far as there are so many. */
static int measure_learning(const struct audit_context *c, struct learns *ret, struct err *err)
{
    size_t width = (size_t)c->spec->data.seq_len + 1,
           there = data_eval_windows(c->data, CORPUS_VAL);
    size_t n = (size_t)c->spec->train.batch_size;
    n = n > LEARNS_WINDOWS ? n : LEARNS_WINDOWS;
    n = n < there ? n : there;
    int32_t *windows = calloc(n * width, sizeof *windows);
    if (windows == NULL)
        return err_no_memory(err, "windows of validation");
    for (size_t i = 0; i < n; i++)
        data_eval_window(c->data, CORPUS_VAL, i, windows + i * width);
    int status = learns_measure(c->model, c->spec, windows, (int64_t)n, ret, err);
    free(windows);
    return status;
}

int audit_learns(struct audits *a, struct finding *ret, struct err *err)
{
    const struct audit_context *c = &a->context;
    struct learns l;
    int status = measure_learning(c, &l, err);
    if (status != 0)
        return status;
    ret->evidence = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "recall", jsonx_number(l.trained),
        "recall_untrained", jsonx_number(l.untrained), "recall_by_chance", jsonx_number(l.chance),
        "gain", jsonx_number(l.gain), "gain_error", jsonx_number(l.error), "kl", jsonx_number(l.kl),
        "kl_untrained", jsonx_number(l.kl_untrained), "windows", (json_int_t)l.windows);
    if (isnan(l.chance))
        finding_say(ret, AUDIT_SKIPPED,
                    "no position has more past keys than it may see: there is nothing to choose");
    else if (!isfinite(l.trained) || !isfinite(l.untrained))
        finding_say(ret, AUDIT_SKIPPED, "the model's probabilities aren't finite numbers");
    else if (run_spec_any(c->spec, is_frozen))
        finding_say(ret, AUDIT_FAIL,
                    "the indexer is frozen at its random initial weights: it learns nothing (it "
                    "finds %.1f %% of the dense attention's mass; chance finds %.1f %%)",
                    100 * l.trained, 100 * l.chance);
    else
        finding_say(ret, learns_shown(&l) ? AUDIT_PASS : AUDIT_WARN,
                    "the chosen keys hold %.1f %% of the dense attention's mass; the untrained "
                    "indexer's %.1f %% (a gain of %.2g ± %.1g points over %lld windows), chance's "
                    "%.1f %%; the KL of the chosen keys is %.3g, the untrained indexer's %.3g",
                    100 * l.trained, 100 * l.untrained, 100 * l.gain, 100 * l.error,
                    (long long)l.windows, 100 * l.chance, l.kl, l.kl_untrained);
    return 0;
}
