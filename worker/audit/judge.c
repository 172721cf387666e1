/* An audit a section, in the order of its life: measure, then say what the figures mean. */
#include "worker/audit/judge.h"

#include "common/corpus/overlap.h"
#include "common/json/jsonx.h"
#include "worker/audit/entropy.h"

#include <math.h>

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

const char *audit_when(const struct audits *a)
{
    return a->at_end ? "trained" : "untrained";
}

size_t audit_layers(const struct run_spec *spec, int64_t ret[SPEC_LAYERS])
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

/* entropy_floor */

int audit_entropy(struct audits *a, struct finding *ret, struct err *err)
{
    const struct run_spec *spec = a->context.spec;
    int64_t layers[SPEC_LAYERS], layer = 0;
    size_t n = audit_layers(spec, layers);
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
