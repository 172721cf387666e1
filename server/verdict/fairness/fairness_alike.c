/* What arms must share to be compared: the weights they start from, the tokens they see.
 *
 * Arms are compared run by run at the same seed and grid point, each with each (fairness_pairs.h).
 * A run that didn't tell (it never began, or never finished) is left out and counted; nothing to
 * compare means skipped, not passed. */
#include "common/json/jsonx_dump.h"
#include "common/spec/point.h"
#include "server/verdict/fairness/fairness_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why two runs may differ: members of their specs that do. */

static const char *const of_init[] = { "model.init", NULL };
static const char *const of_depth[] = { "model.layers", NULL };
static const char *const of_data[] = {
    "data.dataset",       "data.documents",    "data.tokens",
    "data.seq_len",       "data.split",        "data.val_fraction",
    "data.test_fraction", "data.split_seed",   "data.vocab",
    "data.pairs",         "train.batch_size",  "train.steps",
    "train.eval_windows", "train.eval_tokens", NULL
};

static const json_t *member(const json_t *spec, const char *path)
{
    char section[16];
    const char *dot = strchr(path, '.');
    snprintf(section, sizeof section, "%.*s", (int)(dot - path), path);
    return json_object_get(json_object_get(spec, section), dot + 1);
}

static int say_why(const struct plan *p, const struct pair *pair, const char *const *paths,
                   struct buf *to, struct err *err)
{
    json_t *one = NULL, *other = NULL;
    size_t said = 0;
    int status = p->in->spec_of(p->in->arg, pair->one->run, &one, err);
    if (status == 0)
        status = p->in->spec_of(p->in->arg, pair->other->run, &other, err);
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

/* "2 of 3 pairs of arms saw other data: b and a, c and b; ": up to the colon, what holds of each.
 */
static void say_pairs(const struct pairs *t, const char *how, struct buf *to)
{
    size_t different, compared = pairs_compared(t, &different);
    if (compared > 1)
        buf_addf(to, "%zu of %zu pairs of arms %s: ", different, compared, how);
    else
        buf_addf(to, "the arms %s: ", how);
    pairs_say(t, to);
    buf_adds(to, "; ");
}

/* "run 3 (dsa) … run 1 (dense), seed 1, seq_len 64". */
static void say_pair(const struct pair *pair, const char *how, struct buf *to)
{
    buf_addf(to, "run %lld (%s) %s run %lld (%s), seed %lld", (long long)pair->one->run,
             pair->one->arm, how, (long long)pair->other->run, pair->other->arm,
             (long long)pair->one->seed);
    json_t *grid = objects_embed(pair->one->grid);
    point_say(grid, ", ", to);
    json_decref(grid);
}

static enum audit_status status_of(const struct pairs *t)
{
    return t->first.n > 0 ? AUDIT_FAIL : t->compared > 0 ? AUDIT_PASS : AUDIT_SKIPPED;
}

/* shared_init */

/* Depth is chosen, and with it what gpt2 makes of it: the draws are the same, and what ends a
 * residual branch is divided by √(2·layers). */
static bool is_of_depth(const struct plan *p, size_t one, size_t other, const char *tensor)
{
    const struct planned_cell *a = &p->cells[one % (p->layout.points_n * p->layout.arms_n)],
                              *b = &p->cells[other % (p->layout.points_n * p->layout.arms_n)];
    return a->known && b->known && a->spec.model.init == INIT_GPT2 &&
           b->spec.model.init == INIT_GPT2 && a->spec.model.layers != b->spec.model.layers &&
           run_spec_ends_residual(tensor);
}

/* A tensor is another one when its shape is: "257x32:digest" of "embed.weight". */
static void add_tensors(struct pairs *t, size_t run, const json_t *init)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)init, name, value)
    {
        const char *text = json_string_value(value), *digest = text ? strchr(text, ':') : NULL;
        json_t *key =
            digest != NULL ? json_sprintf("%.*s %s", (int)(digest - text), text, name) : NULL;
        if (key != NULL)
            pairs_add(t, json_string_value(key), digest, run, name);
        json_decref(key);
    }
}

/* The arms at one seed and grid point; run: the first one's number. */
static int compare_arms(struct pairs *t, size_t run, struct err *err)
{
    const struct plan *p = t->plan;
    int status = 0;
    for (size_t end = run + p->layout.arms_n; run < end && status == 0; run++) {
        json_t *init = NULL;
        if (plan_row(p, run) != NULL)
            status = p->in->init_of(p->in->arg, plan_row(p, run)->run, &init, err);
        t->told += init != NULL;
        t->silent += init == NULL;
        add_tensors(t, run, init);
        json_decref(init);
    }
    pairs_close(t);
    return status;
}

static int say_depth(const struct pairs *t, struct buf *to, struct err *err)
{
    buf_addf(to,
             "; %zu more differ on purpose (%s and %s): init gpt2 divides what ends a residual "
             "branch by √(2·layers)",
             t->deliberate, t->purpose.one->arm, t->purpose.other->arm);
    return say_why(t->plan, &t->purpose, of_depth, to, err);
}

static int say_init(const struct pairs *t, struct buf *to, struct err *err)
{
    int status = 0;
    if (t->first.n > 0) {
        say_pairs(t, "start from other weights", to);
        buf_addf(to, "%zu of %zu shared tensors differ: at first %s: ", t->different, t->compared,
                 t->first.what);
        say_pair(&t->first, "doesn't start from that of", to);
        status = say_why(t->plan, &t->first, of_init, to, err);
    } else if (t->compared > 0) {
        buf_addf(to, "arms start from the same bits: %zu shared tensors compared, seed by seed",
                 t->compared - t->deliberate);
    } else {
        buf_adds(to, t->told > t->plan->layout.points_n * t->plan->layout.seeds_n
                         ? "arms share no parameter of the same name and shape"
                         : "no two arms have told the weights they started from");
    }
    return status == 0 && t->deliberate > 0 ? say_depth(t, to, err) : status;
}

int fairness_shared_init(struct plan *p, struct err *err)
{
    struct pairs t;
    struct buf text;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_SHARED_INIT, "there is one arm: nothing to compare");
        return 0;
    }
    int status = pairs_init(&t, p, err);
    t.meant = is_of_depth;
    for (size_t i = 0; i < p->layout.seeds_n * p->layout.points_n && status == 0; i++)
        status = compare_arms(&t, i * p->layout.arms_n, err);
    buf_init(&text, 0);
    if (status == 0)
        status = say_init(&t, &text, err);
    if (status == 0)
        plan_add(p, AUDIT_SHARED_INIT, status_of(&t), NULL, NULL, &text, pairs_json(&t, "tensor"));
    buf_done(&text);
    pairs_done(&t);
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

/* "seed grid" without the tuned factors that don't touch the data: whichever of their values an
 * arm has chosen, it saw the same. NULL when memory runs out. */
static json_t *data_key(const struct plan *p, const struct digests_row *run)
{
    json_t *grid = objects_embed(run->grid), *value;
    const char *path;
    void *next;
    json_object_foreach_safe(grid, next, path, value)
    {
        if (plan_tunes(p, path) && !touches_data(path))
            json_object_del(grid, path);
    }
    char *text = jsonx_text(grid, JSONX_CANONICAL);
    json_t *key = text != NULL ? json_sprintf("%lld %s", (long long)run->seed, text) : NULL;
    free(text);
    json_decref(grid);
    return key;
}

static const char training[] = "training", evaluation[] = "evaluation";

static int compare_data(struct pairs *t, struct err *err)
{
    const struct plan *p = t->plan;
    size_t n = p->layout.seeds_n * p->layout.points_n * p->layout.arms_n;
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        const struct digests_row *run = plan_row(p, i);
        bool told = run != NULL && run->consumed != NULL && run->eval != NULL;
        t->told += told;
        t->silent += run != NULL && !told;
        if (!told)
            continue;
        json_t *key = data_key(p, run),
               *of_eval = key != NULL ? json_sprintf("%s e", json_string_value(key)) : NULL;
        if (of_eval == NULL) {
            status = err_no_memory(err, "a comparison of %zu runs", n);
        } else {
            pairs_add(t, json_string_value(key), run->consumed, i, training);
            pairs_add(t, json_string_value(of_eval), run->eval, i, evaluation);
        }
        json_decref(key);
        json_decref(of_eval);
    }
    return status;
}

static int say_batches(const struct pairs *t, struct buf *to, struct err *err)
{
    if (t->first.n > 0) {
        say_pairs(t, "saw other data", to);
        say_pair(&t->first,
                 strcmp(t->first.what, training) == 0 ? "was trained on other tokens than"
                                                      : "was evaluated on other windows than",
                 to);
        return say_why(t->plan, &t->first, of_data, to, err);
    }
    if (t->compared > 0)
        buf_addf(to,
                 "%zu runs were trained on the same tokens in the same order and evaluated on the "
                 "same windows as the others of their seed",
                 t->told);
    else
        buf_adds(to, "no two arms have finished at the same seed and grid point");
    return 0;
}

int fairness_same_batches(struct plan *p, struct err *err)
{
    struct pairs t;
    struct buf text;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_SAME_BATCHES, "there is one arm: nothing to compare");
        return 0;
    }
    int status = pairs_init(&t, p, err);
    if (status == 0)
        status = compare_data(&t, err);
    buf_init(&text, 0);
    if (status == 0)
        status = say_batches(&t, &text, err);
    if (status == 0)
        plan_add(p, AUDIT_SAME_BATCHES, status_of(&t), NULL, NULL, &text, pairs_json(&t, "tokens"));
    buf_done(&text);
    pairs_done(&t);
    return status;
}
