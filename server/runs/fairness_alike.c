/* What must be the same in all arms: the weights they start from, the tokens they see.
 *
 * Arms are compared run by run at the same seed and grid point. A run that didn't tell (it never
 * began, or never finished) is left out and counted; nothing to compare means skipped, not passed.
 */
#include "common/jsonx.h"
#include "server/runs/fairness_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first pair that differs, and how much was compared. */
struct tally {
    size_t compared, different, told, silent;
    const struct fact_row *one, *other; /* of the first difference; other came first */
    char what[96];                      /* that differed */
};

static void tally_add(struct tally *t, bool same, const struct fact_row *one,
                      const struct fact_row *other, const char *what)
{
    t->compared += strcmp(one->arm, other->arm) != 0;
    if (same || t->different++ > 0)
        return;
    t->one = one;
    t->other = other;
    snprintf(t->what, sizeof t->what, "%s", what);
}

static json_t *tally_json(const struct tally *t, const char *what)
{
    json_t *evidence = json_pack("{s:I, s:I, s:I, s:I}", "compared", (json_int_t)t->compared,
                                 "different", (json_int_t)t->different, "runs", (json_int_t)t->told,
                                 "silent", (json_int_t)t->silent);
    if (t->different > 0)
        json_object_set_new(evidence, "first",
                            json_pack("{s:I, s:o, s:s, s:[s, s], s:[I, I]}", "seed",
                                      (json_int_t)t->one->seed, "grid", plan_json(t->one->grid),
                                      what, t->what, "arms", t->other->arm, t->one->arm, "runs",
                                      (json_int_t)t->other->run, (json_int_t)t->one->run));
    return evidence;
}

/* Why two runs may differ: members of their specs that do. */

static const char *const of_init[] = { "model.init", "model.layers", NULL };
static const char *const of_data[] = { "data.dataset",       "data.documents",
                                       "data.tokens",        "data.seq_len",
                                       "data.split",         "data.val_fraction",
                                       "data.test_fraction", "data.split_seed",
                                       "data.vocab",         "data.pairs",
                                       "train.batch_size",   "train.steps",
                                       "train.eval_windows", NULL };

static const json_t *member(const json_t *spec, const char *path)
{
    char section[16];
    const char *dot = strchr(path, '.');
    snprintf(section, sizeof section, "%.*s", (int)(dot - path), path);
    return json_object_get(json_object_get(spec, section), dot + 1);
}

static int say_why(const struct plan *p, const struct tally *t, const char *const *paths,
                   struct buf *to, struct err *err)
{
    json_t *one = NULL, *other = NULL;
    size_t said = 0;
    int status = p->in->spec_of(p->in->arg, t->one->run, &one, err);
    if (status == 0)
        status = p->in->spec_of(p->in->arg, t->other->run, &other, err);
    for (; status == 0 && *paths != NULL; paths++) {
        const json_t *a = member(one, *paths), *b = member(other, *paths);
        if (a == NULL || b == NULL || json_equal(a, b))
            continue;
        buf_addf(to, "%s %s ", said++ == 0 ? "; their specs choose" : ",", *paths);
        jsonx_dump(a, JSONX_CANONICAL, to);
        buf_adds(to, " and ");
        jsonx_dump(b, JSONX_CANONICAL, to);
    }
    json_decref(one);
    json_decref(other);
    return status;
}

/* "run 3 (dsa) … run 1 (dense), seed 1, seq_len 64". */
static void say_pair(const struct tally *t, const char *how, struct buf *to)
{
    buf_addf(to, "run %lld (%s) %s run %lld (%s), seed %lld", (long long)t->one->run, t->one->arm,
             how, (long long)t->other->run, t->other->arm, (long long)t->one->seed);
    json_t *grid = plan_json(t->one->grid);
    plan_say_grid(grid, ", ", to);
    json_decref(grid);
}

/* shared_init */

/* Holds a run's tensors against those that came before at this seed and grid point: `seen` is
 * {"shape name": [digest, arm]}. */
static void compare_tensors(const struct plan *p, size_t seed, size_t point, size_t arm,
                            json_t *init, json_t *seen, struct tally *t)
{
    const char *name;
    json_t *value;
    json_object_foreach(init, name, value)
    {
        const char *text = json_string_value(value), *digest = text ? strchr(text, ':') : NULL;
        json_t *key =
            digest != NULL ? json_sprintf("%.*s %s", (int)(digest - text), text, name) : NULL;
        const char *place = json_string_value(key);
        json_t *first = place != NULL ? json_object_get(seen, place) : NULL;
        if (place != NULL && first == NULL) {
            json_object_set_new(seen, place, json_pack("[s, I]", digest, (json_int_t)arm));
        } else if (first != NULL) {
            size_t before = (size_t)json_integer_value(json_array_get(first, 1));
            bool same = strcmp(json_string_value(json_array_get(first, 0)), digest) == 0;
            tally_add(t, same, plan_run(p, seed, point, arm), plan_run(p, seed, point, before),
                      name);
        }
        json_decref(key);
    }
}

static int compare_arms(const struct plan *p, size_t seed, size_t point, struct tally *t,
                        struct err *err)
{
    json_t *seen = json_object();
    int status = 0;
    for (size_t arm = 0; arm < p->arms_n && status == 0; arm++) {
        const struct fact_row *run = plan_run(p, seed, point, arm);
        json_t *init = NULL;
        status = run != NULL ? p->in->init_of(p->in->arg, run->run, &init, err) : 0;
        t->told += init != NULL;
        t->silent += init == NULL;
        compare_tensors(p, seed, point, arm, init, seen, t);
        json_decref(init);
    }
    json_decref(seen);
    return status;
}

int fairness_shared_init(struct plan *p, struct err *err)
{
    struct tally t = { 0 };
    struct buf text;
    int status = 0;
    if (p->arms_n < 2) {
        plan_skip(p, "shared_init", "there is one arm: nothing to compare");
        return 0;
    }
    for (size_t seed = 0; seed < p->seeds_n; seed++)
        for (size_t point = 0; point < p->points_n && status == 0; point++)
            status = compare_arms(p, seed, point, &t, err);
    buf_init(&text, 0);
    if (t.different > 0) {
        buf_addf(&text, "%zu of %zu shared tensors differ: ", t.different, t.compared);
        buf_addf(&text, "at first %s: ", t.what);
        say_pair(&t, "doesn't start from that of", &text);
        status = status == 0 ? say_why(p, &t, of_init, &text, err) : status;
    } else if (t.compared > 0) {
        buf_addf(&text, "arms start from the same bits: %zu shared tensors compared, seed by seed",
                 t.compared);
    } else {
        buf_adds(&text, t.told > p->points_n * p->seeds_n
                            ? "arms share no parameter of the same name and shape"
                            : "no two arms have told the weights they started from");
    }
    plan_add(p, "shared_init",
             t.different > 0  ? AUDIT_FAIL
             : t.compared > 0 ? AUDIT_PASS
                              : AUDIT_SKIPPED,
             NULL, NULL, &text, tally_json(&t, "tensor"));
    return status;
}

/* same_batches */

/* Whether a grid factor has a say in which tokens are seen. */
static bool touches_data(const char *path)
{
    static const char *const paths[] = { "train.batch_size", "train.batch_tokens", "train.steps",
                                         "train.eval_windows", "train.eval_tokens" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i]) == 0)
            return true;
    return strncmp(path, "data.", 5) == 0;
}

/* "seed grid" without the factors that don't touch the data: runs that share it see the same. */
static json_t *data_key(const struct fact_row *run)
{
    json_t *grid = plan_json(run->grid), *value, *key;
    struct buf text;
    const char *path;
    void *next;
    json_object_foreach_safe(grid, next, path, value)
    {
        if (!touches_data(path))
            json_object_del(grid, path);
    }
    buf_init(&text, 0);
    jsonx_dump(grid, JSONX_CANONICAL, &text);
    key = json_sprintf("%lld %s", (long long)run->seed, text.data != NULL ? text.data : "");
    buf_done(&text);
    json_decref(grid);
    return key;
}

static void compare_digests(const char *mine, const char *first, const struct fact_row *run,
                            const struct fact_row *before, const char *what, struct tally *t)
{
    if (mine != NULL && first != NULL)
        tally_add(t, strcmp(mine, first) == 0, run, before, what);
}

static const char training[] = "training", evaluation[] = "evaluation";

static void compare_data(const struct plan *p, struct tally *t)
{
    json_t *seen = json_object(); /* {data_key: index of the first run} */
    for (size_t i = 0; i < p->in->runs_n; i++) {
        const struct fact_row *run = &p->in->runs[i];
        bool told = run->consumed != NULL && run->eval != NULL;
        t->told += told;
        t->silent += !told;
        if (!told)
            continue;
        json_t *key = data_key(run);
        json_t *first = json_object_get(seen, json_string_value(key));
        if (first == NULL) {
            json_object_set_new(seen, json_string_value(key), json_integer((json_int_t)i));
        } else {
            const struct fact_row *before = &p->in->runs[json_integer_value(first)];
            compare_digests(run->consumed, before->consumed, run, before, training, t);
            compare_digests(run->eval, before->eval, run, before, evaluation, t);
        }
        json_decref(key);
    }
    json_decref(seen);
}

int fairness_same_batches(struct plan *p, struct err *err)
{
    struct tally t = { 0 };
    struct buf text;
    int status = 0;
    if (p->arms_n < 2) {
        plan_skip(p, "same_batches", "there is one arm: nothing to compare");
        return 0;
    }
    compare_data(p, &t);
    buf_init(&text, 0);
    if (t.different > 0) {
        say_pair(&t,
                 strcmp(t.what, training) == 0 ? "was trained on other tokens than"
                                               : "was evaluated on other windows than",
                 &text);
        status = say_why(p, &t, of_data, &text, err);
    } else if (t.compared > 0) {
        buf_addf(&text,
                 "%zu runs were trained on the same tokens in the same order and evaluated on the "
                 "same windows as the others of their seed",
                 t.told);
    } else {
        buf_adds(&text, "no two arms have finished at the same seed and grid point");
    }
    plan_add(p, "same_batches",
             t.different > 0  ? AUDIT_FAIL
             : t.compared > 0 ? AUDIT_PASS
                              : AUDIT_SKIPPED,
             NULL, NULL, &text, tally_json(&t, "tokens"));
    return status;
}
