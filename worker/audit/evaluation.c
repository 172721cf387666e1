/* The specification's windows are found here from the split and the streams, not by data.h's
 * functions, which are what is in question. */
#include "worker/audit/evaluation.h"

#include "common/philox.h"
#include "worker/audit/reference.h"
#include "worker/data/tasks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t named(const struct data *data, enum corpus_part part)
{
    size_t n = data->split.parts[part].windows, m = (size_t)data->spec.train.eval_windows;
    if (data->spec.data.kind != DATASET_STORED)
        return m > 0 ? m : DATA_EVAL_WINDOWS;
    return m > 0 && m < n ? m : n;
}

/* Window i of those that an evaluation looks at, as schema/numerics.md §4 has it. */
static void expect(const struct evaluation *e, enum corpus_part part, size_t i, int32_t *ret)
{
    const struct corpus_split *split = &e->data->split;
    const struct spec_data *data = &e->data->spec.data;
    if (data->kind != DATASET_STORED) {
        const struct philox stream =
            philox_stream(data->split_seed, "data", part == CORPUS_VAL ? "val" : "test");
        task_window(data, &stream, i, ret);
        return;
    }
    size_t number = i * split->parts[part].windows / e->windows[part].named;
    const uint32_t *starts = split->parts[part].starts;
    size_t at =
        split->parts[part].first + (starts != NULL ? starts[number] : number * (e->width - 1));
    for (size_t t = 0; t < e->width; t++)
        ret[t] = split->tokens[at + t];
}

int evaluation_new(const struct data *data, struct evaluation *ret, struct err *err)
{
    const struct philox lot = philox_stream(data->spec.seed, "data", "evaluation");
    struct evaluation e = {
        .data = data,
        .batch = (size_t)data->spec.train.batch_size,
        .width = (size_t)data->spec.data.seq_len + 1,
    };
    for (int part = CORPUS_VAL; part < CORPUS_PARTS; part++)
        e.windows[part].named = named(data, (enum corpus_part)part);
    e.pick = philox_word(&lot, 0, 0) % e.windows[CORPUS_VAL].named;
    e.by_window = calloc(e.batch, sizeof *e.by_window);
    e.expected = calloc(e.width, sizeof *e.expected);
    e.kept = calloc(e.batch * e.width, sizeof *e.kept);
    if (e.by_window == NULL || e.expected == NULL || e.kept == NULL) {
        evaluation_done(&e);
        return err_no_memory(err, "a batch of evaluation");
    }
    *ret = e;
    return 0;
}

void evaluation_done(struct evaluation *evaluation)
{
    free(evaluation->by_window);
    free(evaluation->expected);
    free(evaluation->kept);
}

void evaluation_begin(struct evaluation *evaluation, enum corpus_part part)
{
    struct evaluation *e = evaluation;
    e->windows[part] = (struct evaluation_windows){ .named = e->windows[part].named };
    if (part != CORPUS_VAL)
        return;
    e->nll = e->told = 0;
    e->targets = 0;
    e->rows = 0;
}

void evaluation_hand(struct evaluation *evaluation, enum corpus_part part, size_t i,
                     const int32_t *windows, size_t n)
{
    struct evaluation *e = evaluation;
    struct evaluation_windows *w = &e->windows[part];
    for (size_t b = 0; b < n; b++) {
        bool known = i + b < w->named;
        if (known)
            expect(e, part, i + b, e->expected);
        if (!known || memcmp(e->expected, windows + b * e->width, e->width * sizeof *windows) != 0)
            w->first = w->misplaced++ == 0 ? i + b : w->first;
    }
    w->handed += n;
}

void evaluation_note(struct evaluation *evaluation, size_t i, const int32_t *windows, size_t n,
                     const struct model_eval *found)
{
    struct evaluation *e = evaluation;
    for (size_t b = 0; b < n; b++)
        e->nll += e->by_window[b];
    e->targets += found->targets;
    if (e->pick < i || e->pick >= i + n)
        return;
    memcpy(e->kept, windows, n * e->width * sizeof *windows);
    e->rows = n;
    e->row = e->pick - i;
    e->picked = e->by_window[e->row];
}

int evaluation_states(struct model *model, const struct run_spec *spec, const int32_t *windows,
                      size_t n, int64_t step, struct evaluation_states *ret, struct err *err)
{
    size_t t = (size_t)spec->data.seq_len, c = (size_t)spec->model.d_model, count = n * t * c;
    real *evaluated = malloc(count * sizeof *evaluated);
    if (evaluated == NULL)
        return err_no_memory(err, "the states of a batch");
    memcpy(evaluated, model_bare_states(model, windows, (int64_t)n, step, false),
           count * sizeof *evaluated);
    const real *trained = model_bare_states(model, windows, (int64_t)n, step, true);
    struct evaluation_states found = { .finite = true };
    for (size_t i = 0; i < n * t; i++) {
        for (size_t k = 0; k < c; k++)
            found.finite &= isfinite((double)evaluated[i * c + k]);
        if (memcmp(evaluated + i * c, trained + i * c, c * sizeof *trained) == 0)
            continue;
        if (found.differing++ == 0) {
            found.window = i / t;
            found.position = i % t;
        }
    }
    free(evaluated);
    *ret = found;
    return 0;
}

/* What the model's last pass chose for one window of it. */
struct choices {
    const struct model *model;
    size_t b;
};

static size_t keys_of(void *arg, int64_t layer, size_t t, int32_t *ret)
{
    const struct choices *c = arg;
    return model_keys(c->model, layer, c->b, t, ret);
}

static const int32_t *experts_of(void *arg, int64_t layer, size_t t)
{
    const struct choices *c = arg;
    return model_experts(c->model, layer, c->b, t);
}

/* Roundings of single targets add up without regard to their signs, and eight times what one shake
 * shows is allowed: it is one sample of them, if a large one. The last term is for windows of few
 * targets, whose sample may be small by chance. */
static double bound_of(const double *exact, const double *shaken, size_t t)
{
    double sum = 0;
    for (size_t i = 0; i < t; i++)
        sum += 8 * fabs(shaken[i] - exact[i]) + (exact[i] != 0 ? 0x1p-20 * (1 + exact[i]) : 0);
    return sum;
}

int evaluation_formulas(const struct evaluation *evaluation, struct model *model,
                        const struct run_spec *spec, int64_t step, struct evaluation_formulas *ret,
                        struct err *err)
{
    const struct evaluation *e = evaluation;
    size_t t = e->width - 1, micro = (size_t)run_spec_micro_batch(spec);
    size_t first = e->row / micro * micro, n = first + micro < e->rows ? first + micro : e->rows;
    struct choices choices = { model, e->row - first };
    const struct reference reference = { spec,    model_params(model), model_pool(model),
                                         keys_of, experts_of,          &choices };
    struct evaluation_formulas found = { 0 };
    struct model_eval ignored;
    double *by_window = calloc(e->batch, sizeof *by_window);
    double *nll = calloc(2 * t, sizeof *nll);
    int status = by_window == NULL || nll == NULL ? err_no_memory(err, "a window's losses") : 0;
    if (status == 0) {
        model_watch_evaluation(model, &(struct model_watch){ .by_window = by_window });
        model_evaluate(model, e->kept, (int64_t)n, step, &ignored);
        model_watch_evaluation(model, NULL);
        found.again = by_window[e->row];
        status = reference_nll(&reference, e->kept + e->row * e->width, false, nll, err);
    }
    if (status == 0)
        status = reference_nll(&reference, e->kept + e->row * e->width, true, nll + t, err);
    for (size_t i = 0; status == 0 && i < t; i++)
        found.exact += nll[i];
    if (status == 0) {
        found.bound = bound_of(nll, nll + t, t);
        *ret = found;
    }
    free(by_window);
    free(nll);
    return status;
}
