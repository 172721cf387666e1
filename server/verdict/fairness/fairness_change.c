/* one_change: whether an arm differs from the baseline in one thing, or in several, of which the
 * comparison can't say which one did it.
 *
 * What an arm differs in is what the two arms set, and to other values: what follows from that (the
 * steps that equal FLOPs buy, a ratio in counts) is no difference of its own, and what the grid sets
 * is set for both. Attention is compared as it was frozen, since its fields have defaults by kind
 * and may be set whole or one by one. A field's concern stands in its row
 * (common/spec/spec_fields.c). */
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/spec/spec_fields.h"
#include "common/spec/spec_json.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <stdio.h>
#include <string.h>

static const char attention[] = "model.attention", layers[] = "model.attention_layers";

enum { SHOWN = 64 }; /* bytes of a value in a sentence, at most */

static bool is_within(const char *path, const char *whole)
{
    size_t len = strlen(whole);
    return strncmp(path, whole, len) == 0 && (path[len] == '\0' || path[len] == '.');
}

/* An arm's difference to the baseline, as rows of evidence. */
struct change {
    const struct plan *plan;
    size_t arm;
    json_t *rows;      /* [{path, concern, value, baseline, allowed}] */
    unsigned concerns; /* bit set of 1u << enum concern, of those that count */
};

static const json_t *compare_of(const struct plan *p, const char *key)
{
    return json_object_get(json_object_get(p->in->spec, "compare"), key);
}

static bool is_allowed(const struct plan *p, const char *path, enum concern concern)
{
    size_t i;
    const json_t *one;
    json_array_foreach((json_t *)(uintptr_t)compare_of(p, "allow"), i, one)
    {
        const char *name = json_string_value(one);
        if (name != NULL && (is_within(path, name) || strcmp(name, concern_names[concern]) == 0))
            return true;
    }
    return concern == CONCERN_NONE || plan_tunes(p, path);
}

static void add(struct change *c, const char *path, const json_t *value, const json_t *baseline)
{
    enum concern concern = CONCERN_NONE;
    spec_path_find(path, &concern);
    bool allowed = is_allowed(c->plan, path, concern);
    c->concerns |= allowed ? 0 : 1u << concern;
    json_t *row = json_pack("{s:s, s:s, s:b}", "path", path, "concern", concern_names[concern],
                            "allowed", (int)allowed);
    json_object_set(row, "value", (json_t *)(uintptr_t)value);
    json_object_set(row, "baseline", (json_t *)(uintptr_t)baseline);
    json_array_append_new(c->rows, row);
}

/* By value: 1 is 1.0. */
static bool are_same(const json_t *a, const json_t *b)
{
    struct buf one, other;
    bool same = a == b;
    if (a == NULL || b == NULL)
        return same;
    buf_init(&one, 0);
    buf_init(&other, 0);
    jsonx_dump(a, JSONX_CANONICAL, &one);
    jsonx_dump(b, JSONX_CANONICAL, &other);
    same = !one.failed && !other.failed && strcmp(one.data, other.data) == 0;
    buf_done(&one);
    buf_done(&other);
    return same;
}

/* Of two attentions of one kind the fields that differ, else the kinds. */
static void compare_kinds(struct change *c, const json_t *own, const json_t *base)
{
    const char *key;
    json_t *value;
    if (!json_equal(json_object_get(own, "kind"), json_object_get(base, "kind"))) {
        add(c, attention, json_object_get(own, "kind"), json_object_get(base, "kind"));
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)own, key, value)
    {
        char path[128];
        snprintf(path, sizeof path, "%s.%s", attention, key);
        if (!are_same(value, json_object_get(base, key)))
            add(c, path, value, json_object_get(base, key));
    }
}

static void compare_attention(struct change *c)
{
    const struct plan *p = c->plan;
    for (size_t point = 0; point < p->layout.points_n; point++) {
        const struct planned_cell *cell = plan_cell(p, point, c->arm),
                                  *base = plan_cell(p, point, p->baseline);
        if (!cell->known || !base->known)
            continue;
        json_t *one = run_spec_encode(&cell->spec), *other = run_spec_encode(&base->spec);
        const json_t *own = json_object_get(one, "model"), *its = json_object_get(other, "model");
        compare_kinds(c, json_object_get(own, "attention"), json_object_get(its, "attention"));
        if (!are_same(json_object_get(own, "attention_layers"),
                      json_object_get(its, "attention_layers")))
            add(c, layers, json_object_get(own, "attention_layers"),
                json_object_get(its, "attention_layers"));
        json_decref(one);
        json_decref(other);
        return;
    }
}

static const json_t *overrides_of(const struct plan *p, size_t arm)
{
    return json_object_get(json_object_get(p->in->spec, "arms"), p->layout.arms[arm]);
}

/* What an arm has at a path; new reference, NULL: nothing (steps beside flops). */
static json_t *value_of(const struct plan *p, size_t arm, const char *path)
{
    const char *dot = strchr(path, '.');
    json_t *set = json_object_get(overrides_of(p, arm), path);
    enum concern ignored;
    char section[16];
    if (set == NULL && dot != NULL) {
        snprintf(section, sizeof section, "%.*s", (int)(dot - path), path);
        set = json_object_get(json_object_get(p->in->spec, section), dot + 1);
    }
    const struct jsonx_field *row = spec_path_find(path, &ignored);
    if (set == NULL && row != NULL && row->sparse && row->preset != NULL)
        return json_loads(row->preset, JSON_DECODE_ANY, NULL);
    return json_incref(set);
}

static bool is_of_grid(const struct plan *p, const char *path)
{
    return json_object_get(json_object_get(p->in->spec, "grid"), path) != NULL;
}

/* The paths that one of the two arms sets; those of `but` were looked at. */
static void compare_paths(struct change *c, size_t of, const json_t *but, bool *ret_attention)
{
    const char *path;
    json_t *ignored;
    json_object_foreach((json_t *)(uintptr_t)overrides_of(c->plan, of), path, ignored)
    {
        if (is_within(path, attention) || is_within(path, layers)) {
            *ret_attention = true;
            continue;
        }
        if (json_object_get(but, path) != NULL || is_of_grid(c->plan, path))
            continue;
        json_t *own = value_of(c->plan, c->arm, path),
               *base = value_of(c->plan, c->plan->baseline, path);
        if (!are_same(own, base))
            add(c, path, own, base);
        json_decref(own);
        json_decref(base);
    }
}

static void say_value(const json_t *value, struct buf *to)
{
    size_t before = to->len;
    if (json_is_string(value))
        buf_adds(to, json_string_value(value));
    else if (value != NULL)
        jsonx_dump(value, JSONX_CANONICAL, to);
    else
        buf_adds(to, "unset");
    if (to->len - before > SHOWN) {
        buf_cut(to, before);
        buf_adds(to, "another");
    }
}

/* "train.lr 0.001, not 0.003; train.eps …": the rows of a concern, or those that are allowed. */
static size_t say_rows(const struct change *c, const char *concern, bool allowed, struct buf *to)
{
    size_t i, said = 0;
    const json_t *row;
    json_array_foreach(c->rows, i, row)
    {
        const char *of = json_string_value(json_object_get(row, "concern"));
        if (json_is_true(json_object_get(row, "allowed")) != allowed ||
            (concern != NULL && strcmp(of, concern) != 0))
            continue;
        buf_addf(to, "%s%s ", said++ > 0 ? "; " : "",
                 json_string_value(json_object_get(row, "path")));
        say_value(json_object_get(row, "value"), to);
        buf_adds(to, ", not ");
        say_value(json_object_get(row, "baseline"), to);
    }
    return said;
}

static void say_change(const struct change *c, size_t concerns, struct buf *to)
{
    size_t said = 0;
    buf_addf(to, "it differs from %s in ", c->plan->layout.arms[c->plan->baseline]);
    for (int i = 0; i < CONCERNS; i++) {
        if ((c->concerns & 1u << i) == 0)
            continue;
        buf_addf(to, "%s%s (",
                 said == 0              ? ""
                 : said + 1 == concerns ? " and "
                                        : ", ",
                 concern_names[i]);
        said++;
        say_rows(c, concern_names[i], false, to);
        buf_addc(to, ')');
    }
    if (said == 0)
        buf_adds(to, "nothing that counts");
    if (said > 1)
        buf_adds(to, ": what comes out can't be put down to one of them");
    size_t before = to->len;
    buf_adds(to, said > 0 ? "; besides, allowed or of no concern: " : ": ");
    if (say_rows(c, NULL, true, to) == 0)
        buf_cut(to, before);
}

static void look_at_arm(struct plan *p, size_t arm)
{
    struct change c = { .plan = p, .arm = arm, .rows = json_array() };
    struct buf text;
    bool of_attention = false;
    json_t *named = json_array();
    compare_paths(&c, arm, NULL, &of_attention);
    compare_paths(&c, p->baseline, overrides_of(p, arm), &of_attention);
    if (of_attention)
        compare_attention(&c);
    for (int i = 0; i < CONCERNS; i++)
        if ((c.concerns & 1u << i) != 0)
            json_array_append_new(named, json_string(concern_names[i]));
    size_t concerns = json_array_size(named);
    buf_init(&text, 0);
    say_change(&c, concerns, &text);
    plan_add(p, AUDIT_ONE_CHANGE, concerns > 1 ? AUDIT_WARN : AUDIT_PASS, p->layout.arms[arm], NULL,
             &text,
             json_pack("{s:s, s:o, s:o}", "baseline", p->layout.arms[p->baseline], "differences",
                       c.rows, "concerns", named));
}

int fairness_one_change(struct plan *p, struct err *err)
{
    (void)err;
    for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
        struct buf text;
        if (arm != p->baseline) {
            look_at_arm(p, arm);
            continue;
        }
        buf_init(&text, 0);
        buf_adds(&text, p->layout.arms_n < 2 ? "there is one arm: nothing to compare"
                                             : "the others are compared with it");
        plan_add(p, AUDIT_ONE_CHANGE, AUDIT_SKIPPED, p->layout.arms[arm], NULL, &text,
                 json_object());
    }
    return 0;
}
