/* same_environment: whether the runs of a seed, whose arms are compared with one another, were
 * trained in one environment.
 *
 * Arms of a seed share their randomness, so that what differs between them is the change. A daemon
 * upgraded midway, or another machine, puts last bits (and times) between them too. That is noise
 * as small as rounding, and no reason to call a comparison invalid, but one to say so. What equal
 * bits depend on is one rule with verification (common/audit/recompute.h); processor and host decide
 * on times. A run that was resumed elsewhere has two environments. */
#include "common/audit/recompute.h"
#include "common/json/jsonx_dump.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OF_TIMES = 2, PARTS = RECOMPUTE_PARTS + OF_TIMES };

static void part_of(int i, const char **ret_key, const char **ret_name)
{
    static const char *const times[OF_TIMES][2] = { { "cpu", "processor" }, { "host", "host" } };
    *ret_key = i < RECOMPUTE_PARTS ? recompute_parts[i].key : times[i - RECOMPUTE_PARTS][0];
    *ret_name = i < RECOMPUTE_PARTS ? recompute_parts[i].name : times[i - RECOMPUTE_PARTS][1];
}

struct meeting {
    const struct plan *plan;
    json_t *known;     /* [the parts of an environment], each once, and `runs` */
    json_t *ids;       /* {such parts as text: index into known} */
    size_t *first;     /* [seeds] an environment + 1; 0 = none told */
    size_t *whose;     /* [seeds] the first run that told, an index into in->runs */
    uint8_t *mixed;    /* [seeds] */
    size_t told;       /* attempts */
    bool parts[PARTS]; /* that differed in some seed */
    const struct digests_row *one, *other; /* the first two that differ; other came first */
    size_t of_one, of_other;               /* their environments */
};

/* The number of an environment, which it gets when it is first met; SIZE_MAX: it can't be read. */
static size_t number_of(struct meeting *m, const char *text)
{
    json_t *whole = objects_embed(text), *parts = json_object();
    size_t id = SIZE_MAX;
    for (int i = 0; i < PARTS && json_is_object(whole); i++) {
        const char *key, *name;
        part_of(i, &key, &name);
        json_object_set(parts, key, json_object_get(whole, key));
    }
    char *name = jsonx_text(parts, JSONX_CANONICAL);
    const json_t *seen = name != NULL ? json_object_get(m->ids, name) : NULL;
    if (seen != NULL) {
        id = (size_t)json_integer_value(seen);
    } else if (name != NULL && json_is_object(whole)) {
        id = json_array_size(m->known);
        json_object_set_new(m->ids, name, json_integer((json_int_t)id));
        json_object_set(parts, "version", json_object_get(whole, "version"));
        json_object_set_new(parts, "attempts", json_integer(0));
        json_array_append(m->known, parts);
    }
    free(name);
    json_decref(parts);
    json_decref(whole);
    return id;
}

static void meet(struct meeting *m, size_t run, size_t id)
{
    size_t seed = m->plan->layout.at[run].seed;
    json_t *own = json_array_get(m->known, id);
    m->told++;
    json_object_set_new(own, "attempts",
                        json_integer(json_integer_value(json_object_get(own, "attempts")) + 1));
    if (m->first[seed] == 0) {
        m->first[seed] = id + 1;
        m->whose[seed] = run;
    } else if (m->first[seed] != id + 1) {
        const json_t *other = json_array_get(m->known, m->first[seed] - 1);
        m->mixed[seed] = 1;
        for (int i = 0; i < PARTS; i++) {
            const char *key, *name;
            part_of(i, &key, &name);
            m->parts[i] |= !recompute_agrees(own, other, key);
        }
        if (m->one == NULL) {
            m->one = &m->plan->in->runs[run];
            m->other = &m->plan->in->runs[m->whose[seed]];
            m->of_one = id;
            m->of_other = m->first[seed] - 1;
        }
    }
}

static int by_id(const void *key, const void *row)
{
    int64_t run = *(const int64_t *)key, other = ((const struct digests_row *)row)->run;
    return run < other ? -1 : run > other;
}

static void meet_all(struct meeting *m)
{
    const struct fairness_input *in = m->plan->in;
    const char *last = "";
    size_t id = SIZE_MAX;
    for (size_t i = 0; i < in->environments_n; i++) {
        const struct run_environment *row = &in->environments[i];
        const struct digests_row *run =
            bsearch(&row->run, in->runs, in->runs_n, sizeof *in->runs, by_id);
        if (strcmp(row->text, last) != 0)
            id = number_of(m, row->text);
        last = row->text;
        if (run != NULL && id != SIZE_MAX)
            meet(m, (size_t)(run - in->runs), id);
    }
}

static const char *text_in(const struct meeting *m, size_t id, const char *key)
{
    const char *text = json_string_value(json_object_get(json_array_get(m->known, id), key));
    return text != NULL ? text : "unknown";
}

static void say_mixed(const struct meeting *m, size_t mixed, struct buf *to)
{
    size_t said = 0;
    if (m->one == m->other)
        buf_addf(to, "run %" PRId64 " (%s, seed %" PRId64 ") went on in another environment: ",
                 m->one->run, m->one->arm, m->one->seed);
    else
        buf_addf(to,
                 "in %zu of %zu seeds runs were trained in several environments: run %" PRId64
                 " (%s, seed %" PRId64 ") and run %" PRId64 " (%s) differ in ",
                 mixed, m->plan->layout.seeds_n, m->one->run, m->one->arm, m->one->seed,
                 m->other->run, m->other->arm);
    for (int i = 0; i < PARTS; i++) {
        const char *key, *name;
        part_of(i, &key, &name);
        if (recompute_agrees(json_array_get(m->known, m->of_one),
                             json_array_get(m->known, m->of_other), key))
            continue;
        /* of a program its version says more than its digest */
        const char *shown = strcmp(key, "binary_sha256") == 0 ? "version" : key;
        buf_addf(to, "%s%s (%.80s, %.80s)", said++ > 0 ? ", " : "", name,
                 text_in(m, m->of_one, shown), text_in(m, m->of_other, shown));
    }
    buf_adds(to, "; times compare within one environment alone");
}

static void conclude(struct plan *p, const struct meeting *m)
{
    struct buf text;
    size_t mixed = 0, told = json_array_size(m->known);
    json_t *seeds = json_array(), *parts = json_array();
    for (size_t seed = 0; seed < p->layout.seeds_n; seed++) {
        if (!m->mixed[seed])
            continue;
        if (mixed++ < FAIRNESS_ROWS)
            json_array_append_new(seeds, json_integer((json_int_t)p->layout.seeds[seed]));
    }
    for (int i = 0; i < PARTS; i++) {
        const char *key, *name;
        part_of(i, &key, &name);
        if (m->parts[i])
            json_array_append_new(parts, json_string(key));
    }
    buf_init(&text, 0);
    if (mixed > 0)
        say_mixed(m, mixed, &text);
    else if (told == 0)
        buf_adds(&text, "no run has told what it was trained in");
    else if (told == 1)
        buf_adds(&text, "all runs were trained in one environment");
    else
        buf_addf(&text, "%zu environments, but the runs of each seed were trained in one", told);
    json_t *first = json_array();
    for (size_t i = 0; i < told && i < FAIRNESS_ROWS; i++)
        json_array_append(first, json_array_get(m->known, i));
    plan_add(p, AUDIT_SAME_ENVIRONMENT,
             mixed > 0  ? AUDIT_WARN
             : told > 0 ? AUDIT_PASS
                        : AUDIT_SKIPPED,
             NULL, NULL, &text,
             json_pack("{s:o, s:I, s:I, s:o, s:o}", "environments", first, "attempts",
                       (json_int_t)m->told, "seeds_mixed", (json_int_t)mixed, "seeds", seeds,
                       "differ", parts));
}

int fairness_same_environment(struct plan *p, struct err *err)
{
    size_t n = p->layout.seeds_n + 1;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_SAME_ENVIRONMENT, "there is one arm: nothing to compare");
        return 0;
    }
    struct meeting m = { .plan = p,
                         .known = json_array(),
                         .ids = json_object(),
                         .first = calloc(n, sizeof *m.first),
                         .whose = calloc(n, sizeof *m.whose),
                         .mixed = calloc(n, 1) };
    int status = 0;
    if (m.known == NULL || m.ids == NULL || m.first == NULL || m.whose == NULL || m.mixed == NULL)
        status = err_no_memory(err, "a comparison of %zu runs", p->in->runs_n);
    if (status == 0) {
        meet_all(&m);
        conclude(p, &m);
    }
    json_decref(m.known);
    json_decref(m.ids);
    free(m.first);
    free(m.whose);
    free(m.mixed);
    return status;
}
