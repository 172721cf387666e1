/* distinct_seeds: whether the seeds of an arm at a grid point are repetitions at all.
 *
 * The verdict counts seeds as independent. Two runs that drew the same weights, or saw the same
 * tokens in the same order, are one run counted twice, whatever their seeds are called. Two things
 * are the same by right: a tensor that isn't drawn but begins as zeros or ones, and the order of so
 * few windows that two shuffles may well agree. */
#include "common/base/digest.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From so many windows on there are more orders (15! ≈ 10^12) than two seeds agree in by chance. */
enum { SHUFFLED_FROM = 15 };
/* A tensor larger than this is drawn: what begins as a constant has a few numbers a channel. */
enum { CONSTANT_MOST = 1 << 16 };

/* What the seeds of a cell share. */
struct sharing {
    size_t told_weights, told_batches; /* runs */
    size_t few;                        /* runs whose batches don't count */
    size_t tensors, batches;           /* that another seed had before */
    struct twins {
        const struct digests_row *one, *other; /* other came first */
        char what[96];
    } weights, tokens; /* the first of them */
    json_t *seen;      /* {key: the first run's index in the plan} */
    json_t *constants; /* {"32:digest": whether these are zeros or ones}, of all cells */
};

static bool is_filled(const char *digest, size_t n, float with)
{
    struct digest sum;
    char hex[DIGEST_HEX];
    digest_init(&sum);
    for (size_t i = 0; i < n; i++)
        digest_add(&sum, &with, sizeof with);
    digest_end_hex(&sum, hex);
    return strncmp(hex, digest, strlen(digest)) == 0;
}

/* "257x32:0123456789abcdef": the shape, and the first digits of the values' SHA-256. */
static bool is_constant(struct sharing *s, const char *value)
{
    const json_t *known = json_object_get(s->constants, value);
    const char *digest = strchr(value, ':');
    unsigned long long rows = 0, cols = 1;
    if (known != NULL || digest == NULL || digest[1] == '\0')
        return json_is_true(known);
    sscanf(value, "%llux%llu", &rows, &cols);
    bool small = rows > 0 && cols > 0 && rows <= CONSTANT_MOST && cols <= CONSTANT_MOST / rows;
    bool constant = small && (is_filled(digest + 1, (size_t)(rows * cols), 0) ||
                              is_filled(digest + 1, (size_t)(rows * cols), 1));
    json_object_set_new(s->constants, value, json_boolean(constant));
    return constant;
}

/* The run that had this before; NULL when this one is the first. */
static const struct digests_row *had_before(const struct plan *p, struct sharing *s, json_t *key,
                                            size_t run)
{
    const json_t *first = key != NULL ? json_object_get(s->seen, json_string_value(key)) : NULL;
    if (first == NULL && key != NULL)
        json_object_set_new(s->seen, json_string_value(key), json_integer((json_int_t)run));
    json_decref(key);
    return first != NULL ? plan_row(p, (size_t)json_integer_value(first)) : NULL;
}

static void note(struct twins *twins, const struct digests_row *one,
                 const struct digests_row *other, const char *what)
{
    if (twins->one != NULL)
        return;
    twins->one = one;
    twins->other = other;
    snprintf(twins->what, sizeof twins->what, "%s", what);
}

static int look_at_weights(const struct plan *p, struct sharing *s, size_t run, struct err *err)
{
    const struct digests_row *row = plan_row(p, run);
    json_t *init = NULL, *value;
    const char *name;
    int status = p->in->init_of(p->in->arg, row->run, &init, err);
    s->told_weights += init != NULL;
    json_object_foreach(init, name, value)
    {
        const char *text = json_string_value(value);
        const struct digests_row *other =
            text != NULL ? had_before(p, s, json_sprintf("%s %s", name, text), run) : NULL;
        if (other == NULL || is_constant(s, text))
            continue;
        s->tensors++;
        note(&s->weights, row, other, name);
    }
    json_decref(init);
    return status;
}

/* Windows that a run drew its batches from, or drew, whichever are fewer; at least so many. */
static int64_t shuffled(const struct planned_cell *cell, const struct digests_row *row)
{
    if (!cell->known)
        return 0;
    int64_t batch = cell->spec.train.batch_size, trained = cell->spec.train.steps * batch;
    int64_t windows = cell->spec.data.kind != DATASET_STORED ? trained
                      : row->windows > 0                     ? row->windows
                                                             : batch;
    return windows < trained ? windows : trained;
}

static void look_at_batches(const struct plan *p, struct sharing *s, size_t run,
                            const struct planned_cell *cell)
{
    const struct digests_row *row = plan_row(p, run);
    if (row->consumed == NULL)
        return;
    s->told_batches++;
    const struct digests_row *other = had_before(p, s, json_string(row->consumed), run);
    if (shuffled(cell, row) < SHUFFLED_FROM) {
        s->few++;
    } else if (other != NULL) {
        s->batches++;
        note(&s->tokens, row, other, "training");
    }
}

static int look_at_cell(const struct plan *p, struct sharing *s, size_t point, size_t arm,
                        struct err *err)
{
    int status = 0;
    json_object_clear(s->seen);
    for (size_t seed = 0; seed < p->layout.seeds_n && status == 0; seed++) {
        size_t run = (seed * p->layout.points_n + point) * p->layout.arms_n + arm;
        if (plan_row(p, run) == NULL)
            continue;
        status = look_at_weights(p, s, run, err);
        look_at_batches(p, s, run, plan_cell(p, point, arm));
    }
    return status;
}

static enum audit_status status_of(const struct sharing *s)
{
    return s->tensors + s->batches > 0                  ? AUDIT_FAIL
           : s->told_weights > 1 || s->told_batches > 1 ? AUDIT_PASS
                                                        : AUDIT_SKIPPED;
}

static void say_twins(const struct twins *t, const char *before, struct buf *to)
{
    buf_addf(to, "run %" PRId64 " (seed %" PRId64 ") %s run %" PRId64 " (seed %" PRId64 ")",
             t->one->run, t->one->seed, before, t->other->run, t->other->seed);
}

static void say(const struct plan *p, const struct sharing *s, struct buf *to)
{
    if (s->tensors > 0) {
        say_twins(&s->weights, "starts with the same weights as", to);
        buf_addf(to, ": %s, and %zu more such tensors", s->weights.what, s->tensors - 1);
    }
    if (s->batches > 0) {
        buf_adds(to, s->tensors > 0 ? "; " : "");
        say_twins(&s->tokens, "was trained on the same tokens in the same order as", to);
    }
    if (to->len > 0)
        return;
    if (p->layout.seeds_n < 2)
        buf_adds(to, "there is one seed: nothing to tell apart");
    else if (status_of(s) == AUDIT_SKIPPED)
        buf_adds(to, "no two seeds have told what they began with or saw");
    else if (s->told_batches > 1 && s->few == 0)
        buf_addf(to, "%zu seeds start from weights of their own and saw an order of their own",
                 s->told_weights > s->told_batches ? s->told_weights : s->told_batches);
    else
        buf_addf(to, "%zu seeds start from weights of their own", s->told_weights);
    if (p->layout.seeds_n >= 2 && s->few > 0)
        buf_addf(to, "; fewer than %d training windows may come in the same order by chance",
                 SHUFFLED_FROM);
}

static void add_twins(json_t *evidence, const char *key, const struct twins *t)
{
    if (t->one != NULL)
        json_object_set_new(evidence, key,
                            json_pack("{s:s, s:[I, I], s:[I, I]}", "what", t->what, "runs",
                                      (json_int_t)t->other->run, (json_int_t)t->one->run, "seeds",
                                      (json_int_t)t->other->seed, (json_int_t)t->one->seed));
}

/* points: how many grid points it speaks of. */
static void tell(struct plan *p, const struct sharing *s, size_t arm, const char *grid,
                 size_t points)
{
    struct buf text;
    json_t *evidence =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "told_weights", (json_int_t)s->told_weights,
                  "told_batches", (json_int_t)s->told_batches, "few_windows", (json_int_t)s->few,
                  "same_tensors", (json_int_t)s->tensors, "same_batches", (json_int_t)s->batches,
                  "points", (json_int_t)points);
    add_twins(evidence, "weights", &s->weights);
    add_twins(evidence, "tokens", &s->tokens);
    buf_init(&text, 0);
    say(p, s, &text);
    if (points > 1)
        buf_addf(&text, " (%zu grid points together)", points);
    plan_add(p, AUDIT_DISTINCT_SEEDS, status_of(s), p->layout.arms[arm], grid, &text, evidence);
}

/* A finding a grid point, or one for all of them. */
static int look_at_arm(struct plan *p, struct sharing *s, size_t arm, bool fold, struct err *err)
{
    const struct sharing nothing = { .seen = s->seen, .constants = s->constants };
    int status = 0;
    *s = nothing;
    for (size_t point = 0; point < p->layout.points_n && status == 0; point++) {
        if (p->layout.seeds_n > 1)
            status = look_at_cell(p, s, point, arm, err);
        if (fold || status != 0)
            continue;
        tell(p, s, arm, p->layout.points[point], 1);
        *s = nothing;
    }
    if (fold && status == 0)
        tell(p, s, arm, NULL, p->layout.points_n);
    return status;
}

int fairness_distinct_seeds(struct plan *p, struct err *err)
{
    bool fold = p->layout.points_n * p->layout.arms_n > FAIRNESS_CELLS;
    struct sharing s = { .seen = json_object(), .constants = json_object() };
    int status = s.seen != NULL && s.constants != NULL
                     ? 0
                     : err_no_memory(err, "a comparison of %zu runs", p->in->runs_n);
    for (size_t arm = 0; arm < p->layout.arms_n && status == 0; arm++)
        status = look_at_arm(p, &s, arm, fold, err);
    json_decref(s.seen);
    json_decref(s.constants);
    return status;
}
