/* The formulas of an optimiser are a row of a table. Each gives what a number becomes, and a bound
 * for what float32 makes of it: u = 2^-24 of a magnitude for each operation, and the least number
 * for what underflows. */
#include "worker/audit/training/update.h"

#include "common/spec/optimizer.h"
#include "common/spec/probes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = PROBE_SAMPLE }; /* numbers of the step that is recomputed as a whole, about */

static const double u = 0x1p-24, least = 0x1p-149;

/* A step as the specification has it. */
struct formula {
    const struct spec_train *train;
    double step, lr;
    double scale[PARAM_GROUPS]; /* of the gradient */
};

struct number {
    double value, moments[OPTIMIZER_MOMENTS];
};

/* p from gradient g, scaled, with a bound in *off. keep: what is left of p by decay. */
typedef void (*recompute)(const struct formula *f, double keep, double g, const struct number *p,
                          struct number *ret, struct number *off);

static void recompute_adam(const struct formula *f, double keep, double g, const struct number *p,
                           struct number *ret, struct number *off)
{
    double beta1 = f->train->betas[0], beta2 = f->train->betas[1];
    double old_m = p->moments[0] * beta1, new_m = g * (1 - beta1), m = old_m + new_m;
    double old_v = p->moments[1] * beta2, new_v = g * g * (1 - beta2), v = old_v + new_v;
    double m_off = u * (3 * fabs(old_m) + 5 * fabs(new_m)) + least;
    double v_off = u * (3 * fabs(old_v) + 7 * new_v) + least;
    double root = sqrt(1 - pow(beta2, f->step)), size = f->lr / (1 - pow(beta1, f->step));
    double below = sqrt(fmax(v, least)) / root + f->train->eps;
    double below_off =
        (sqrt(fmax(v, least) + v_off) - sqrt(fmax(v - v_off, least))) / root + 4 * u * below;
    double by = size * m / below;
    double by_off = size * (m_off + fabs(m) * below_off / below) / fmax(below - below_off, least);
    ret->moments[0] = m;
    ret->moments[1] = v;
    ret->value = p->value * keep - by;
    off->moments[0] = m_off;
    off->moments[1] = v_off;
    off->value = by_off + u * (3 * fabs(by) + 3 * fabs(p->value * keep)) + least;
}

static void recompute_adamw(const struct formula *f, double keep, double g, const struct number *p,
                            struct number *ret, struct number *off)
{
    recompute_adam(f, keep, g, p, ret, off);
}

static void recompute_sgd(const struct formula *f, double keep, double g, const struct number *p,
                          struct number *ret, struct number *off)
{
    double old = p->moments[0] * f->train->momentum, v = old + g;
    double v_off = u * (3 * fabs(old) + 3 * fabs(g)) + least;
    ret->moments[0] = v;
    ret->value = p->value * keep - f->lr * v;
    off->moments[0] = v_off;
    off->value = f->lr * v_off + u * (3 * fabs(f->lr * v) + 3 * fabs(p->value * keep)) + least;
}

#define ROW(id, name) [OPTIMIZER_##id] = recompute_##name,
static const recompute rows[] = { OPTIMIZER_LIST(ROW) };
#undef ROW

static double rate(const struct spec_train *train, double s)
{
    double n = (double)train->steps, w = (double)train->warmup_steps, r = train->min_lr_ratio;
    if (s <= w)
        return train->lr * s / w;
    double share = (s - w) / (n - w);
    switch (train->schedule) {
    case SCHEDULE_COSINE:
        return train->lr * (r + (1 - r) * (1 + cos(acos(-1.0) * share)) / 2);
    case SCHEDULE_LINEAR:
        return train->lr * (1 - (1 - r) * share);
    default:
        return train->lr;
    }
}

static bool decays(const struct spec_train *train, const struct tensor *t)
{
    return optimizer_info_of(train)->decays && t->shape[1] > 0 &&
           strcmp(t->name, "embed.weight") != 0;
}

/* norms: of each group's gradient. */
static struct formula formula_of(const struct spec_train *train, int64_t step,
                                 const double norms[PARAM_GROUPS])
{
    struct formula f = { train, (double)step, rate(train, (double)step), { 0 } };
    for (int g = 0; g < PARAM_GROUPS; g++)
        f.scale[g] = train->grad_clip > 0 ? fmin(1, train->grad_clip / (norms[g] + 1e-6)) : 1;
    return f;
}

static void measure_norms(const struct params *params, double ret[PARAM_GROUPS])
{
    double sums[PARAM_GROUPS] = { 0 };
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *t = &params->tensors[i];
        const real *g = params->grad + t->offset;
        for (size_t k = 0; !t->frozen && k < t->count; k++)
            sums[t->group] += (double)g[k] * (double)g[k];
    }
    for (int g = 0; g < PARAM_GROUPS; g++)
        ret[g] = sqrt(sums[g]);
}

static int sample_new(const struct update *x, size_t n, struct update_sample *ret, struct err *err)
{
    struct update_sample s = { .n = n };
    bool whole = true;
    assert(n > 0 && x->params->optimizer->moments <= OPTIMIZER_MOMENTS);
    s.at = calloc(n, sizeof *s.at);
    s.tensor = calloc(n, sizeof *s.tensor);
    s.value = calloc(n, sizeof *s.value);
    s.grad = calloc(n, sizeof *s.grad);
    for (int i = 0; i < x->params->optimizer->moments; i++)
        whole &= (s.moments[i] = calloc(n, sizeof *s.moments[i])) != NULL;
    *ret = s; /* update_done frees it */
    return whole && s.at != NULL && s.tensor != NULL && s.value != NULL && s.grad != NULL
               ? 0
               : err_no_memory(err, "a sample of the parameters");
}

static void sample_done(struct update_sample *s)
{
    free(s->at);
    free(s->tensor);
    free(s->value);
    free(s->grad);
    for (int i = 0; i < OPTIMIZER_MOMENTS; i++)
        free(s->moments[i]);
}

int update_new(const struct run_spec *spec, struct params *params, struct update *ret,
               struct err *err)
{
    struct update x = { .spec = spec, .params = params, .finite = true };
    size_t apart = params->count / MANY + 1, n = 0;
    for (size_t i = 0; i < params->n; i++)
        n += (params->tensors[i].count + apart - 1) / apart;
    int status = sample_new(&x, n, &x.many, err);
    if (status == 0)
        status = sample_new(&x, params->n, &x.few, err);
    x.sum = calloc(n, sizeof *x.sum);
    x.size = calloc(params->n, sizeof *x.size);
    x.squares = calloc(params->n, sizeof *x.squares);
    if (status == 0 && (x.sum == NULL || x.size == NULL || x.squares == NULL))
        status = err_no_memory(err, "a sample of the gradient");
    if (status != 0) {
        update_done(&x);
        return status;
    }
    for (size_t i = 0, k = 0; i < params->n; i++) {
        x.few.tensor[i] = i;
        for (size_t at = 0; at < params->tensors[i].count; at += apart, k++) {
            x.many.at[k] = params->tensors[i].offset + at;
            x.many.tensor[k] = i;
        }
    }
    *ret = x;
    return 0;
}

void update_done(struct update *update)
{
    sample_done(&update->many);
    sample_done(&update->few);
    free(update->sum);
    free(update->size);
    free(update->squares);
}

/* The gradients of the micro-batches, each the mean of its own, in the share that it has of the
 * whole. */
void update_begin(struct update *update, struct model *model, const int32_t *windows, int64_t step)
{
    struct update *x = update;
    int64_t middle = x->spec->train.steps / 2 + 1;
    size_t micro = (size_t)run_spec_micro_batch(x->spec), whole = (size_t)x->spec->train.batch_size;
    if (x->step == 0)
        x->step = step > middle ? step : middle;
    if (x->step != step)
        return;
    x->micro_batches = whole / micro;
    for (size_t first = 0; first < whole && x->micro_batches > 1; first += micro) {
        double share = (double)micro / (double)whole;
        memset(x->squares, 0, x->params->n * sizeof *x->squares);
        model_step_alone(model, windows, first, step);
        for (size_t i = 0; i < x->many.n; i++) {
            double g = share * (double)x->params->grad[x->many.at[i]];
            x->sum[i] += g;
            x->squares[x->many.tensor[i]] += g * g;
        }
        for (size_t i = 0; i < x->params->n; i++)
            x->size[i] += sqrt(x->squares[i]);
    }
}

static void note(struct update_sample *s, const struct params *params)
{
    for (size_t i = 0; i < s->n; i++) {
        s->value[i] = params->value[s->at[i]];
        s->grad[i] = params->grad[s->at[i]];
        for (int m = 0; m < params->optimizer->moments; m++)
            s->moments[m][i] = params->moments[m][s->at[i]];
    }
}

void update_note(struct update *update, int64_t step)
{
    struct update *x = update;
    for (size_t i = 0; i < x->params->n; i++) {
        const struct tensor *t = &x->params->tensors[i];
        x->few.at[i] = t->offset + (size_t)step * 7919 % t->count;
    }
    note(&x->few, x->params);
    if (step == x->step)
        note(&x->many, x->params);
}

static void consider(struct update_worst *worst, size_t tensor, const char *what, double got,
                     double expected, double bound)
{
    double off = got == expected ? 0 : fabs(got - expected) / bound;
    if (!(off <= worst->off))
        *worst = (struct update_worst){ off, tensor, what, got, expected };
}

/* What became of the sample's numbers; returns whether they were all finite. */
static bool compare(const struct update *x, const struct update_sample *s, const struct formula *f,
                    int64_t step, struct update_worst *worst)
{
    const struct params *params = x->params;
    int moments = params->optimizer->moments;
    bool finite = true;
    for (size_t i = 0; i < s->n; i++) {
        const struct tensor *t = &params->tensors[s->tensor[i]];
        double keep = decays(f->train, t) ? 1 - f->lr * f->train->weight_decay : 1;
        struct number before = { .value = (double)s->value[i] }, after = before, off = { 0 };
        for (int m = 0; m < moments; m++)
            after.moments[m] = before.moments[m] = (double)s->moments[m][i];
        struct formula of = *f;
        of.step = (double)params_updates(params, t, step);
        if (params_updated(params, t, step))
            rows[f->train->optimizer](&of, keep, f->scale[t->group] * (double)s->grad[i], &before,
                                      &after, &off);
        double got = (double)params->value[s->at[i]];
        finite &= isfinite(got) && isfinite(after.value);
        consider(worst, s->tensor[i], "value", got, after.value, 2 * off.value);
        for (int m = 0; m < moments; m++)
            consider(worst, s->tensor[i], "moment", (double)params->moments[m][s->at[i]],
                     after.moments[m], 2 * off.moments[m]);
    }
    return finite;
}

/* The live gradient of each tensor against the sum of its micro-batches. Both were computed in
 * float32: a norm may be off by u·√n for each product on the way back from the loss, n being the
 * longest sum of one; twice that, since both are. Besides, a tensor's gradient may be the small
 * difference of large numbers (of a softmax that is as good as decided, it is): these aren't taken
 * to be larger than the gradient of the tensor's whole group, nor than that of the balance loss by a
 * gate whose tokens all want the same expert: x, of norm √C, times its weight. */
static void compare_parts(struct update *x)
{
    const struct run_spec *spec = x->spec;
    double longest = (double)(spec->train.batch_size * spec->data.seq_len);
    longest = fmax(longest, fmax((double)run_spec_vocab(spec), (double)spec->model.d_ff));
    double bound = 2 * u * sqrt(longest) * (double)(8 * spec->model.layers + 4);
    double whole[PARAM_GROUPS] = { 0 };
    for (size_t i = 0; i < x->params->n; i++)
        whole[x->params->tensors[i].group] += x->size[i] * x->size[i];
    whole[PARAM_MAIN] += pow(spec->model.balance_weight, 2) * (double)spec->model.d_model;
    for (size_t i = 0, from = 0; i < x->params->n; i++) {
        double off = 0, got = 0, expected = 0;
        for (; from < x->many.n && x->many.tensor[from] == i; from++) {
            double g = (double)x->many.grad[from];
            off += (g - x->sum[from]) * (g - x->sum[from]);
            got += g * g;
            expected += x->sum[from] * x->sum[from];
        }
        if (!x->params->tensors[i].frozen)
            consider(&x->parts, i, "gradient", sqrt(expected) + sqrt(off), sqrt(expected),
                     bound * x->size[i] + 2 * u * sqrt(whole[x->params->tensors[i].group]) + least);
        if (x->parts.tensor == i)
            x->parts.got = sqrt(got);
    }
}

void update_check(struct update *update, int64_t step, const struct optim_stats *stats)
{
    struct update *x = update;
    const struct spec_train *train = &x->spec->train;
    struct formula f = formula_of(train, step, stats->norms);
    struct update_worst worst = { 0 };
    if (x->steps++ == 0)
        x->first = step;
    x->finite &= compare(x, &x->few, &f, step, &worst);
    if (worst.off <= 1)
        x->updates++;
    else if (x->otherwise == 0) {
        x->otherwise = step;
        x->how = worst;
    }
    if (step != x->step)
        return;
    double norms[PARAM_GROUPS];
    measure_norms(x->params, norms);
    f = formula_of(train, step, norms);
    x->finite &= compare(x, &x->many, &f, step, &x->worst);
    if (x->micro_batches > 1)
        compare_parts(x);
    x->done = true;
}
