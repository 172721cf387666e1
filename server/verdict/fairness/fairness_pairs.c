/* The relation isn't one of equivalence: arms may share some tensors and not others, some places
 * and not others. So pairs are kept as a table, and only what is compared is grouped by digest: a
 * group in which all agree costs one comparison a run and arm. */
#include "server/verdict/fairness/fairness_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_NAMED = 4 }; /* in a sentence */

int pairs_init(struct pairs *t, const struct plan *plan, struct err *err)
{
    size_t square = plan->layout.arms_n * plan->layout.arms_n;
    *t = (struct pairs){ .plan = plan,
                         .table = calloc(square + 1, sizeof *t->table),
                         .seen = calloc(square + 1, 1),
                         .differ = calloc(square * plan->layout.places_n + 1, 1),
                         .groups = json_object() };
    return t->table != NULL && t->seen != NULL && t->differ != NULL && t->groups != NULL
               ? 0
               : err_no_memory(err, "a comparison of %zu arms", plan->layout.arms_n);
}

void pairs_done(struct pairs *t)
{
    free(t->table);
    free(t->seen);
    free(t->differ);
    json_decref(t->groups);
}

void pairs_close(struct pairs *t)
{
    json_object_clear(t->groups);
}

static size_t at(const struct pairs *t, size_t one, size_t other)
{
    return one < other ? one * t->plan->layout.arms_n + other
                       : other * t->plan->layout.arms_n + one;
}

static void note(struct pair *pair, const struct digests_row *one, const struct digests_row *other,
                 const char *what)
{
    if (pair->n++ > 0)
        return;
    pair->one = one;
    pair->other = other;
    snprintf(pair->what, sizeof pair->what, "%s", what);
}

static size_t arm_of(const struct pairs *t, size_t run)
{
    return run % t->plan->layout.arms_n;
}

static size_t place_of(const struct pairs *t, size_t run)
{
    return t->plan->layout.place_of[run / t->plan->layout.arms_n % t->plan->layout.points_n];
}

static bool is_meant(const struct pairs *t, size_t one, size_t other, const char *what)
{
    return t->meant != NULL && t->meant(t->plan, one, other, what);
}

static void set_against(struct pairs *t, size_t run, size_t before, bool same, const char *what)
{
    const struct plan *p = t->plan;
    size_t pair = at(t, arm_of(t, run), arm_of(t, before));
    t->seen[pair] |= arm_of(t, run) != arm_of(t, before);
    if (same || is_meant(t, run, before, what))
        return;
    note(&t->first, plan_row(p, run), plan_row(p, before), what);
    note(&t->table[pair], plan_row(p, run), plan_row(p, before), what);
    t->differ[place_of(t, run) * p->layout.arms_n * p->layout.arms_n + pair] = 1;
}

/* The first of a group stands for it in the counts, which people read. */
static void count(struct pairs *t, size_t run, size_t first, bool same, const char *what)
{
    bool meant = !same && is_meant(t, run, first, what);
    t->compared += arm_of(t, run) != arm_of(t, first);
    t->deliberate += meant;
    t->different += !same && !meant;
    if (meant)
        note(&t->purpose, plan_row(t->plan, run), plan_row(t->plan, first), what);
}

/* A group is a list of classes, [digest, run, …]: the runs that have this digest, one an arm. */
void pairs_add(struct pairs *t, const char *key, const char *digest, size_t run, const char *what)
{
    json_t *group = json_object_get(t->groups, key), *class, *own = NULL;
    bool held = false; /* by another run of this arm */
    size_t i;
    if (group == NULL)
        json_object_set_new(t->groups, key, group = json_array());
    json_array_foreach(group, i, class)
    {
        bool same = strcmp(json_string_value(json_array_get(class, 0)), digest) == 0;
        own = same ? class : own;
        for (size_t k = 1; k < json_array_size(class); k++) {
            size_t before = (size_t)json_integer_value(json_array_get(class, k));
            set_against(t, run, before, same, what);
            held |= same && arm_of(t, before) == arm_of(t, run);
            if (i == 0 && k == 1)
                count(t, run, before, same, what);
        }
    }
    if (own == NULL)
        json_array_append_new(group, own = json_pack("[s]", digest));
    if (!held)
        json_array_append_new(own, json_integer((json_int_t)run));
}

size_t pairs_compared(const struct pairs *t, size_t *ret_different)
{
    size_t square = t->plan->layout.arms_n * t->plan->layout.arms_n, seen = 0;
    *ret_different = 0;
    for (size_t i = 0; i < square; i++) {
        bool differs = t->table[i].n > 0;
        seen += t->seen[i] || differs;
        *ret_different += differs;
    }
    return seen;
}

/* The pairs that differ, those of the baseline first. Calls take(arg, lower, higher) until it
 * returns false. */
static void each(const struct pairs *t, bool (*take)(void *arg, size_t lower, size_t higher),
                 void *arg)
{
    size_t n = t->plan->layout.arms_n, baseline = t->plan->baseline;
    for (int of_baseline = 1; of_baseline >= 0; of_baseline--)
        for (size_t i = 0; i < n * n; i++) {
            size_t lower = i / n, higher = i % n;
            bool is = lower == baseline || higher == baseline;
            if (t->table[i].n > 0 && is == of_baseline && !take(arg, lower, higher))
                return;
        }
}

struct saying {
    const struct pairs *pairs;
    struct buf *to;
    size_t said;
};

static bool say_one(void *arg, size_t lower, size_t higher)
{
    struct saying *s = arg;
    const char *const *arms = s->pairs->plan->layout.arms;
    if (s->said == PAIRS_NAMED)
        return false;
    buf_addf(s->to, "%s%s and %s", s->said++ > 0 ? ", " : "", arms[higher], arms[lower]);
    return true;
}

void pairs_say(const struct pairs *t, struct buf *to)
{
    struct saying saying = { t, to, 0 };
    size_t different;
    pairs_compared(t, &different);
    each(t, say_one, &saying);
    if (different > saying.said)
        buf_addf(to, " and %zu more", different - saying.said);
}

/* The places where a pair differs; NULL: everywhere, or in more than anybody reads. */
static json_t *places_json(const struct pairs *t, size_t lower, size_t higher)
{
    const struct plan *p = t->plan;
    json_t *list = json_array();
    for (size_t place = 0; place < p->layout.places_n; place++)
        if (t->differ[(place * p->layout.arms_n + lower) * p->layout.arms_n + higher])
            json_array_append_new(list, plan_place(p, place));
    if (json_array_size(list) < p->layout.places_n && json_array_size(list) <= FAIRNESS_ROWS)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *pair_json(const struct pair *pair, const char *kind)
{
    return json_pack("{s:I, s:o, s:s, s:[s, s], s:[I, I]}", "seed", (json_int_t)pair->one->seed,
                     "grid", objects_embed(pair->one->grid), kind, pair->what, "arms",
                     pair->other->arm, pair->one->arm, "runs", (json_int_t)pair->other->run,
                     (json_int_t)pair->one->run);
}

struct listing {
    const struct pairs *pairs;
    const char *kind;
    json_t *list;
};

static bool list_one(void *arg, size_t lower, size_t higher)
{
    struct listing *l = arg;
    const struct plan *p = l->pairs->plan;
    bool baseline = lower == p->baseline || higher == p->baseline;
    if (!baseline && json_array_size(l->list) >= FAIRNESS_ROWS)
        return false;
    json_t *row = pair_json(&l->pairs->table[lower * p->layout.arms_n + higher], l->kind),
           *places = places_json(l->pairs, lower, higher);
    if (places != NULL)
        json_object_set_new(row, "places", places);
    json_array_append_new(l->list, row);
    return true;
}

json_t *pairs_json(const struct pairs *t, const char *kind)
{
    size_t different, compared = pairs_compared(t, &different);
    struct listing listing = { t, kind, json_array() };
    json_t *evidence = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "compared", (json_int_t)t->compared, "different",
        (json_int_t)t->different, "runs", (json_int_t)t->told, "silent", (json_int_t)t->silent,
        "pairs_compared", (json_int_t)compared, "pairs_different", (json_int_t)different);
    if (t->first.n > 0)
        json_object_set_new(evidence, "first", pair_json(&t->first, kind));
    if (t->deliberate > 0) {
        json_object_set_new(evidence, "deliberate", json_integer((json_int_t)t->deliberate));
        json_object_set_new(evidence, "first_deliberate", pair_json(&t->purpose, kind));
    }
    each(t, list_one, &listing);
    json_object_set_new(evidence, "pairs", listing.list);
    return evidence;
}
