/* An audit a section, in the order of its life: measure, then say what the figures mean. Where the
 * layers' attentions differ each is measured, and the worst is told. */
#include "worker/audit/judge.h"

#include "common/corpus/overlap.h"
#include "common/json/jsonx.h"
#include "common/spec/attention.h"
#include "worker/audit/causality.h"
#include "worker/audit/entropy.h"
#include "worker/audit/equivalence.h"
#include "worker/audit/learns.h"
#include "worker/audit/training/detached.h"
#include "worker/audit/training/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 256 }; /* of the loss by position, at most */

void finding_say(struct finding *finding, enum audit_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding->status = status;
    vsnprintf(finding->detail, sizeof finding->detail, format, args);
    va_end(args);
}

bool audit_stopped(void *arg)
{
    const struct audits *a = arg;
    return emit_stopped(a->context.emit) != NULL;
}

static const char *when(const struct audits *a)
{
    return a->at_end ? "trained" : "untrained";
}

/* A layer of each attention that the specification names: what concerns an attention is asked once.
 */
static size_t distinct_layers(const struct run_spec *spec, int64_t ret[SPEC_LAYERS])
{
    size_t n = 0;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= run_spec_attention(spec, ret[i]) == run_spec_attention(spec, layer);
        if (!known)
            ret[n++] = layer;
    }
    return n;
}

/* The windows that evaluation looks at first, over and over until there are B. */
static void load_windows(struct audits *a)
{
    const struct audit_context *c = &a->context;
    size_t width = (size_t)c->spec->data.seq_len + 1, batch = (size_t)c->spec->train.batch_size;
    size_t n = data_eval_windows(c->data, CORPUS_VAL);
    for (size_t b = 0; b < batch; b++)
        data_eval_window(c->data, CORPUS_VAL, b % n, a->windows + b * width);
}

/* split_overlap */

static void read_handed(void *arg, size_t i, int32_t *ret)
{
    data_eval_window(arg, CORPUS_VAL, i, ret);
}

int audit_overlap(struct audits *a, struct finding *ret, struct err *err)
{
    static const enum audit_status statuses[] = {
        [OVERLAP_LITTLE] = AUDIT_PASS, [OVERLAP_SOME] = AUDIT_WARN, [OVERLAP_MUCH] = AUDIT_FAIL
    };
    struct data *data = a->context.data;
    const struct overlap_windows handed = { read_handed, data };
    struct overlap o;
    struct buf text;
    int status = overlap_measure(&data->split, data->spec.train.eval_windows, &handed, &o, err);
    if (status != 0)
        return status;
    buf_init(&text, 0);
    overlap_say(&o, &text);
    ret->evidence = overlap_json(&o);
    finding_say(ret, statuses[overlap_grade(&o)], "%s", text.failed ? "" : text.data);
    buf_done(&text);
    return 0;
}

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
    size_t n = distinct_layers(spec, layers);
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

/* gradient */

/* The first step's batch, or the last's: its number. */
static int load_batch(struct audits *a, int64_t *ret_step, struct err *err)
{
    const struct audit_context *c = &a->context;
    *ret_step = a->at_end ? c->spec->train.steps : 1;
    return data_windows(c->data, *ret_step, a->windows, err);
}

static void say_gradient(const struct audits *a, const struct gradient *g, struct finding *ret)
{
    size_t parts = 0, blind = 0;
    int worst = 0;
    double share = 0;
    for (int i = 0; i < GRADIENT_GROUPS; i++) {
        const struct gradient_found *f = &g->groups[i], *w = &g->groups[worst];
        parts += f->parts;
        blind += f->blind;
        share = fmax(share, f->share);
        worst = f->parts > 0 && f->worst * w->bound > w->worst * f->bound ? i : worst;
    }
    const struct gradient_found *w = &g->groups[worst];
    if (!g->finite)
        finding_say(ret, AUDIT_SKIPPED, "the %s model's losses aren't finite numbers", when(a));
    else if (g->wrong > 0)
        finding_say(ret, AUDIT_FAIL,
                    "the gradient isn't the slope of the loss: along a direction of the %s tensors "
                    "it promises a change of %.4g, and the loss changes by %.4g nats; rounding "
                    "explains %.2g (%s)",
                    gradient_groups[worst], w->wanted, w->got, w->bound, when(a));
    else if (blind == parts)
        finding_say(ret, AUDIT_SKIPPED,
                    "no tensor's gradient is large enough for an error of 1 %% to show (%s)",
                    when(a));
    else
        finding_say(ret, AUDIT_PASS,
                    "the gradient is the slope of the loss along %d directions a group; an error "
                    "of %.2g %% would have shown in each of %zu tensors, of %zu (%s)",
                    GRADIENT_DIRECTIONS, 100 * share, parts - blind, parts, when(a));
}

int audit_gradient(struct audits *a, struct finding *ret, struct err *err)
{
    const struct audit_context *c = &a->context;
    struct model_stats ignored;
    struct gradient g;
    int64_t step = 0;
    int status = load_batch(a, &step, err);
    if (status != 0)
        return status;
    model_step(c->model, a->windows, step, &ignored);
    status = gradient_measure(c->model, c->spec, a->windows, step, audit_stopped, a, &g, err);
    if (status != 0 || g.stopped)
        return status;
    json_t *groups = json_object();
    for (int i = 0; i < GRADIENT_GROUPS; i++) {
        const struct gradient_found *f = &g.groups[i];
        if (f->parts > 0)
            json_object_set_new(
                groups, gradient_groups[i],
                json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "tensors", (json_int_t)f->parts,
                          "blind", (json_int_t)f->blind, "bound", jsonx_number(f->bound), "worst",
                          jsonx_number(f->worst), "by_gradient", jsonx_number(f->wanted), "of_loss",
                          jsonx_number(f->got)));
    }
    ret->evidence =
        json_pack("{s:s, s:I, s:i, s:f, s:I, s:o}", "phase", a->at_end ? "end" : "start", "step",
                  (json_int_t)step, "directions", GRADIENT_DIRECTIONS, "share", GRADIENT_SHARE,
                  "wrong", (json_int_t)g.wrong, "groups", groups);
    say_gradient(a, &g, ret);
    return 0;
}

/* detached */

int audit_detached(struct audits *a, struct finding *ret, struct err *err)
{
    const struct audit_context *c = &a->context;
    struct detached d;
    int64_t step = 0;
    int status = load_batch(a, &step, err);
    if (status == 0)
        status = detached_measure(c->model, a->windows, step, &d, err);
    if (status != 0)
        return status;
    ret->evidence =
        json_pack("{s:s, s:I, s:I, s:I, s:s?, s:b}", "phase", a->at_end ? "end" : "start", "step",
                  (json_int_t)step, "tensors", (json_int_t)d.tensors, "differ",
                  (json_int_t)d.differ, "tensor", d.tensor, "indexer_learns", d.indexer_learns);
    if (!d.finite)
        finding_say(ret, AUDIT_SKIPPED, "the %s model's gradients aren't finite numbers", when(a));
    else if (d.differ > 0)
        finding_say(ret, AUDIT_FAIL,
                    "the indexer's loss reaches %zu of the %zu tensors that it should leave alone: "
                    "without it the gradient of %s is another, by %.2g of its greatest value (%s)",
                    d.differ, d.tensors, d.tensor, d.by, when(a));
    else if (!d.indexer_learns)
        finding_say(ret, AUDIT_SKIPPED, "the indexer's loss has no gradient at all (%s)", when(a));
    else
        finding_say(ret, AUDIT_PASS,
                    "with the indexer's loss and without it, the gradients of the %zu other "
                    "tensors have the same bits (%s)",
                    d.tensors, when(a));
    return 0;
}

/* entropy_floor */

int audit_entropy(struct audits *a, struct finding *ret, struct err *err)
{
    const struct run_spec *spec = a->context.spec;
    int64_t layers[SPEC_LAYERS], layer = 0;
    size_t n = distinct_layers(spec, layers);
    struct entropy e = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct entropy own;
        int status = entropy_measure(spec, run_spec_attention(spec, layers[i]),
                                     model_pool(a->context.model), audit_stopped, a, &own, err);
        if (status != 0 || own.stopped)
            return status;
        if (i == 0 || own.bound < e.bound ||
            (isfinite(e.bound) && !isfinite(own.bound) && e.bound >= e.floor)) {
            e = own;
            layer = layers[i];
        }
    }
    ret->evidence =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:i, s:i}", "layer", (json_int_t)layer, "mean",
                  jsonx_number(e.mean), "sd", jsonx_number(e.sd), "bound", jsonx_number(e.bound),
                  "floor", jsonx_number(e.floor), "steps", ENTROPY_STEPS, "vocab", ENTROPY_VOCAB);
    if (!isfinite(e.bound))
        finding_say(ret, AUDIT_SKIPPED,
                    "the small model diverged on random tokens: its loss isn't finite");
    else if (e.bound < e.floor)
        finding_say(ret, AUDIT_FAIL,
                    "on fresh random tokens the loss falls to %.3f nats, below ln %d = %.3f: it "
                    "sees what it must predict",
                    e.mean, ENTROPY_VOCAB, e.floor);
    else
        finding_say(ret, AUDIT_PASS,
                    "on fresh random tokens the loss stays at %.3f nats; ln %d = %.3f", e.mean,
                    ENTROPY_VOCAB, e.floor);
    return 0;
}

/* causality */

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
                    when(a), name);
    else if (c->leaks > 0)
        finding_say(ret, AUDIT_FAIL,
                    "%.1f %% of the positions depend on tokens after them, which they must "
                    "predict: position %lld changes when only tokens after position %lld do (%s, "
                    "%s kernels)",
                    100 * c->leak_next, (long long)c->position, (long long)c->cut, when(a), name);
    else if (!c->finite)
        finding_say(ret, AUDIT_SKIPPED,
                    "the %s model's states aren't finite numbers: nothing shows in them (%s "
                    "kernels)",
                    when(a), name);
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
                n, warm_up ? ", dense warm-up" : "", when(a), 100 * smallest);
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

/* evaluation */

/* What is wrong with the windows, or with the loss that was told of them. */
static bool say_handed(const struct evaluation *e, struct finding *ret)
{
    double sum = e->told * (double)e->targets;
    for (int part = CORPUS_VAL; part < CORPUS_PARTS && ret->detail[0] == '\0'; part++) {
        const struct evaluation_windows *w = &e->windows[part];
        if (w->misplaced > 0)
            finding_say(ret, AUDIT_FAIL,
                        "%zu of the %zu windows of %s that were evaluated aren't those that the "
                        "specification names, number %zu the first of them",
                        w->misplaced, w->handed, corpus_part_names[part], w->first);
        else if (w->handed != w->named)
            finding_say(ret, AUDIT_FAIL,
                        "%zu windows of %s were evaluated; the specification names %zu", w->handed,
                        corpus_part_names[part], w->named);
    }
    if (ret->detail[0] == '\0' && fabs(sum - e->nll) > 1e-9 * fabs(e->nll))
        finding_say(ret, AUDIT_FAIL, "validation reports a loss of %.9g, and its windows have %.9g",
                    e->told, e->nll / (double)e->targets);
    return ret->detail[0] != '\0';
}

static void say_computed(const struct evaluation_states *states,
                         const struct evaluation_formulas *f, const struct evaluation *e,
                         struct finding *ret)
{
    double differs = fabs(e->picked - f->exact);
    if (!states->finite || !isfinite(e->picked) || !isfinite(f->exact))
        finding_say(ret, AUDIT_SKIPPED, "the model's states aren't finite numbers");
    else if (states->differing > 0)
        finding_say(ret, AUDIT_FAIL,
                    "evaluation has other states than training has without dropout and noise: %zu "
                    "of them differ, that of position %zu first",
                    states->differing, states->position);
    else if (f->again != e->picked)
        finding_say(ret, AUDIT_FAIL,
                    "evaluated again, window %zu has a loss of %.9g in the place of %.9g", e->pick,
                    f->again, e->picked);
    else if (!(differs <= f->bound))
        finding_say(ret, AUDIT_FAIL,
                    "evaluation reports a loss of %.9g for window %zu, and the formulas give %.9g "
                    "for its tokens: float32 explains a difference of %.1e",
                    e->picked, e->pick, f->exact, f->bound);
    else
        finding_say(ret, AUDIT_PASS,
                    "the windows of val (%zu) and test (%zu) are those of the specification; "
                    "evaluation has the bits of training without dropout and noise, and window "
                    "%zu's loss in double is within %.1e of what is reported",
                    e->windows[CORPUS_VAL].handed, e->windows[CORPUS_TEST].handed, e->pick,
                    differs);
}

int audit_evaluation(struct audits *a, struct finding *ret, struct err *err)
{
    const struct audit_context *c = &a->context;
    const struct evaluation *e = &a->evaluation;
    size_t micro = (size_t)run_spec_micro_batch(c->spec);
    struct evaluation_states states;
    struct evaluation_formulas formulas;
    int64_t steps = c->spec->train.steps;
    ret->evidence = json_pack(
        "{s:I, s:I, s:I, s:I}", "windows", (json_int_t)e->windows[CORPUS_VAL].handed,
        "test_windows", (json_int_t)e->windows[CORPUS_TEST].handed, "misplaced",
        (json_int_t)(e->windows[CORPUS_VAL].misplaced + e->windows[CORPUS_TEST].misplaced),
        "window", (json_int_t)e->pick);
    if (say_handed(e, ret))
        return 0;
    int status = evaluation_states(c->model, c->spec, e->kept, e->rows < micro ? e->rows : micro,
                                   steps, &states, err);
    if (status == 0)
        status = evaluation_formulas(e, c->model, c->spec, steps, &formulas, err);
    if (status != 0)
        return status;
    json_t *more =
        json_pack("{s:I, s:o, s:o, s:o}", "differing_states", (json_int_t)states.differing,
                  "reported", jsonx_number(e->picked), "in_double", jsonx_number(formulas.exact),
                  "bound", jsonx_number(formulas.bound));
    json_object_update_new(ret->evidence, more);
    say_computed(&states, &formulas, e, ret);
    return 0;
}

/* update */

static void say_off(const struct params *params, int64_t step, const struct update_worst *w,
                    struct finding *ret)
{
    finding_say(ret, AUDIT_FAIL,
                "step %lld isn't the one that the specification has: a %s of %s became %.9g, and "
                "ought to be %.9g, %.1e times what float32 explains",
                (long long)step, w->what, params->tensors[w->tensor].name, w->got, w->expected,
                w->off);
}

int audit_update(struct audits *a, struct finding *ret, struct err *err)
{
    const struct update *x = &a->update;
    const struct params *params = model_params(a->context.model);
    (void)err;
    if (x->steps == 0) {
        finding_say(ret, AUDIT_SKIPPED, "the steps of this run were trained by another attempt");
        return 0;
    }
    ret->evidence = json_pack(
        "{s:I, s:I, s:o, s:I, s:o, s:I, s:I, s:I}", "step", (json_int_t)x->step, "numbers",
        (json_int_t)x->many.n, "worst", jsonx_number(x->worst.off), "micro_batches",
        (json_int_t)x->micro_batches, "worst_of_micro_batches", jsonx_number(x->parts.off), "from",
        (json_int_t)x->first, "steps", (json_int_t)x->steps, "updates", (json_int_t)x->updates);
    if (!x->finite)
        finding_say(ret, AUDIT_SKIPPED, "parameters aren't finite numbers");
    else if (x->parts.off > 1)
        finding_say(ret, AUDIT_FAIL,
                    "the gradient of step %lld isn't the mean of its %zu micro-batches': that of "
                    "%s has a norm of %.9g, and theirs together %.9g",
                    (long long)x->step, x->micro_batches, params->tensors[x->parts.tensor].name,
                    x->parts.got, x->parts.expected);
    else if (x->worst.off > 1)
        say_off(params, x->step, &x->worst, ret);
    else if (x->updates != x->steps)
        say_off(params, x->otherwise, &x->how, ret);
    else
        finding_say(ret, AUDIT_PASS,
                    "step %lld in double, from gradient, moments and specification, is within %.2f "
                    "of what float32 explains; %lld steps made %lld updates",
                    (long long)x->step, x->worst.off, (long long)x->steps, (long long)x->updates);
    return 0;
}

/* replay */

int audit_replay(struct audits *a, struct finding *ret, struct err *err)
{
    const struct audit_context *c = &a->context;
    struct replay *r = &a->replay;
    struct err why = { 0 };
    if (r->to == 0 || !r->saved) {
        finding_say(ret, AUDIT_SKIPPED,
                    r->to == 0 ? "a run of one step has no middle"
                               : "the middle of this run was trained by another attempt, whose "
                                 "steps the daemon compares");
        return 0;
    }
    int status =
        replay_check(r, a->folder, c->model, c->data, c->spec, c->origin, a->windows, &why);
    if (status != 0 && status != -ERR_BAD_DATA) {
        *err = why;
        return status;
    }
    ret->evidence = json_pack("{s:s, s:I, s:I, s:o, s:b}", "kind", "middle", "from",
                              (json_int_t)r->from, "to", (json_int_t)r->to, "first_differing_step",
                              r->differs > 0 ? json_integer((json_int_t)r->differs) : json_null(),
                              "same_digest", status == 0 && !r->other_digest);
    if (status != 0)
        finding_say(ret, AUDIT_FAIL, "%s", why.message);
    else if (r->differs > 0)
        finding_say(ret, AUDIT_FAIL,
                    "trained again from step %lld, the loss of step %lld has other bits",
                    (long long)r->from, (long long)r->differs);
    else if (r->other_digest)
        finding_say(ret, AUDIT_FAIL,
                    "trained again from step %lld, the losses agree but the parameters and moments "
                    "after step %lld don't",
                    (long long)r->from, (long long)r->to);
    else
        finding_say(ret, AUDIT_PASS,
                    "steps %lld to %lld, trained again from a checkpoint, gave the same losses, "
                    "parameters and moments to the bit",
                    (long long)r->from + 1, (long long)r->to);
    return 0;
}
