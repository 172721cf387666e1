/* Audits of training: of gradients, of what is kept from them, and of updates. */
#include "worker/audit/training/judge_training.h"

#include "common/json/jsonx.h"
#include "worker/audit/training/detached.h"
#include "worker/audit/training/gradient.h"

#include <math.h>

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
        finding_say(ret, AUDIT_SKIPPED, "the %s model's losses aren't finite numbers",
                    audit_when(a));
    else if (g->wrong > 0)
        finding_say(ret, AUDIT_FAIL,
                    "the gradient isn't the slope of the loss: along a direction of the %s tensors "
                    "it promises a change of %.4g, and the loss changes by %.4g nats; rounding "
                    "explains %.2g (%s)",
                    gradient_groups[worst], w->wanted, w->got, w->bound, audit_when(a));
    else if (blind == parts)
        finding_say(ret, AUDIT_SKIPPED,
                    "no tensor's gradient is large enough for an error of 1 %% to show (%s)",
                    audit_when(a));
    else
        finding_say(ret, AUDIT_PASS,
                    "the gradient is the slope of the loss along %d directions a group; an error "
                    "of %.2g %% would have shown in each of %zu tensors, of %zu (%s)",
                    GRADIENT_DIRECTIONS, 100 * share, parts - blind, parts, audit_when(a));
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
        finding_say(ret, AUDIT_SKIPPED, "the %s model's gradients aren't finite numbers",
                    audit_when(a));
    else if (d.differ > 0)
        finding_say(ret, AUDIT_FAIL,
                    "the indexer's loss reaches %zu of the %zu tensors that it should leave alone: "
                    "without it the gradient of %s is another, by %.2g of its greatest value (%s)",
                    d.differ, d.tensors, d.tensor, d.by, audit_when(a));
    else if (!d.indexer_learns)
        finding_say(ret, AUDIT_SKIPPED, "the indexer's loss has no gradient at all (%s)",
                    audit_when(a));
    else
        finding_say(ret, AUDIT_PASS,
                    "with the indexer's loss and without it, the gradients of the %zu other "
                    "tensors have the same bits (%s)",
                    d.tensors, audit_when(a));
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
