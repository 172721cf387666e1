/* Whether each arm was given its own best setting: which configurations of compare.tune's factors
 * were measured, which one each arm chose at each place, and whether it may have chosen one further
 * out, had there been any. */
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/point.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <math.h>
#include <string.h>

static json_t *tuned_list(const struct plan *p)
{
    return json_object_get(json_object_get(p->in->spec, "compare"), "tune");
}

/* "0.003", or "0.001, 0.002" when the grid has several. */
static json_t *rates_of(const struct plan *p, size_t arm)
{
    json_t *rates = json_array();
    for (size_t point = 0; point < p->layout.points_n && json_array_size(rates) < FAIRNESS_ROWS;
         point++) {
        const struct planned_cell *cell = plan_cell(p, point, arm);
        bool seen = !cell->known;
        size_t i;
        json_t *rate;
        json_array_foreach(rates, i, rate)
        {
            seen |= json_real_value(rate) == cell->spec.train.lr;
        }
        if (!seen)
            json_array_append_new(rates, json_real(cell->spec.train.lr));
    }
    return rates;
}

static void say_list(const json_t *list, struct buf *to)
{
    size_t i;
    const json_t *value;
    json_array_foreach((json_t *)(uintptr_t)list, i, value)
    {
        buf_adds(to, i > 0 ? ", " : "");
        jsonx_dump(value, JSONX_CANONICAL, to);
    }
}

/* One rate for all arms, untested: it may suit one of them. */
static void warn_untuned(struct plan *p)
{
    json_t *all = json_object();
    struct buf text;
    bool alike = true;
    buf_init(&text, 0);
    for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
        json_object_set_new(all, p->layout.arms[arm], rates_of(p, arm));
        alike &= json_equal(json_object_get(all, p->layout.arms[arm]),
                            json_object_get(all, p->layout.arms[0]));
    }
    for (size_t arm = 0; arm < (alike ? 1 : p->layout.arms_n); arm++) {
        buf_addf(&text, "%s%s%s lr ", arm > 0 ? ", " : "",
                 alike ? "every arm" : p->layout.arms[arm], arm > 0 ? "" : " used");
        say_list(json_object_get(all, p->layout.arms[arm]), &text);
    }
    buf_adds(&text, "; nothing was tuned");
    plan_add(p, AUDIT_TUNING, AUDIT_WARN, NULL, NULL, &text,
             json_pack("{s:[], s:o}", "tuned", "lr", all));
}

/* Whether value is the least or the greatest number of a factor's list; words have no edge. */
static bool at_edge(const json_t *list, const json_t *value)
{
    bool less = false, more = false;
    size_t i;
    const json_t *other;
    json_array_foreach((json_t *)(uintptr_t)list, i, other)
    {
        if (!json_is_number(other))
            return false;
        less |= json_number_value(other) < json_number_value(value);
        more |= json_number_value(other) > json_number_value(value);
    }
    return json_is_number(value) && !(less && more);
}

struct tuning {
    json_t *chosen; /* evidence */
    struct buf text;
    size_t rows, edges, unequal;
};

static void say_where(const struct plan *p, size_t place, struct buf *to)
{
    json_t *grid = plan_place(p, place);
    point_say(grid, " at ", to);
    json_decref(grid);
}

static json_t *mean_json(const struct plan *p, size_t place, size_t arm)
{
    size_t point = p->chosen[place * p->layout.arms_n + arm];
    if (point == SIZE_MAX)
        return json_null();
    const struct tuning_sum *best = &p->sums[point * p->layout.arms_n + arm];
    return jsonx_number(best->finite > 0 ? best->mean : (double)NAN);
}

/* What an arm chose at a place: a row of the evidence, and what is wrong with it. */
static void look_at_choice(const struct plan *p, size_t place, size_t arm, struct tuning *t)
{
    size_t at = place * p->layout.arms_n + arm, point = p->chosen[at], i;
    json_t *grid =
        objects_embed(p->layout.points[point != SIZE_MAX ? point : p->layout.places[place].point]);
    json_t *values = json_object(), *edges = json_array(), *path;
    json_array_foreach(tuned_list(p), i, path)
    {
        const char *name = json_string_value(path);
        json_t *value = json_object_get(grid, name);
        const json_t *list = json_object_get(json_object_get(p->in->spec, "grid"), name);
        if (point == SIZE_MAX || value == NULL)
            continue;
        json_object_set(values, name, value);
        if (!at_edge(list, value))
            continue;
        json_array_append(edges, path);
        if (t->edges++ == 0) {
            buf_addf(&t->text, "%s%s chose %s ", t->text.len > 0 ? "; " : "", p->layout.arms[arm],
                     name);
            jsonx_dump(value, JSONX_CANONICAL, &t->text);
            say_where(p, place, &t->text);
            buf_adds(&t->text, ", at the edge of what was tried (");
            say_list(list, &t->text);
            buf_addc(&t->text, ')');
        }
    }
    if (t->rows++ < FAIRNESS_ROWS)
        json_array_append_new(t->chosen,
                              json_pack("{s:s, s:o, s:O, s:o, s:I, s:O}", "arm",
                                        p->layout.arms[arm], "grid", plan_place(p, place), "values",
                                        values, "mean", mean_json(p, place, arm), "configurations",
                                        (json_int_t)p->tried[at], "at_edge", edges));
    json_decref(values);
    json_decref(edges);
    json_decref(grid);
}

static void look_at_numbers(const struct plan *p, size_t place, struct tuning *t)
{
    const size_t *tried = &p->tried[place * p->layout.arms_n];
    for (size_t arm = 1; arm < p->layout.arms_n; arm++)
        if (tried[arm] != tried[0] && t->unequal++ == 0) {
            buf_addf(&t->text, "%s%zu configurations of %s were measured, but %zu of %s",
                     t->text.len > 0 ? "; " : "", tried[arm], p->layout.arms[arm], tried[0],
                     p->layout.arms[0]);
            say_where(p, place, &t->text);
        }
}

int fairness_tuning(struct plan *p, struct err *err)
{
    struct tuning t = { 0 };
    size_t most = 0;
    (void)err;
    if (p->layout.arms_n < 2) {
        plan_skip(p, AUDIT_TUNING, "there is one arm: nothing to compare");
        return 0;
    }
    if (json_array_size(tuned_list(p)) == 0) {
        warn_untuned(p);
        return 0;
    }
    t.chosen = json_array();
    buf_init(&t.text, 0);
    for (size_t place = 0; place < p->layout.places_n; place++) {
        look_at_numbers(p, place, &t);
        for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
            size_t tried = p->tried[place * p->layout.arms_n + arm];
            most = tried > most ? tried : most;
            look_at_choice(p, place, arm, &t);
        }
    }
    if (t.edges > 1)
        buf_addf(&t.text, "; %zu choices at an edge in all", t.edges);
    if (most == 0)
        buf_adds(&t.text, "no configuration was measured to its end");
    else if (t.text.len == 0)
        buf_addf(&t.text,
                 "every arm was tried with %zu configurations, and none chose one at the edge",
                 most);
    plan_add(p, AUDIT_TUNING,
             t.edges + t.unequal > 0 ? AUDIT_WARN
             : most > 0              ? AUDIT_PASS
                                     : AUDIT_SKIPPED,
             NULL, NULL, &t.text,
             json_pack("{s:O, s:o, s:I, s:I}", "tuned", tuned_list(p), "chosen", t.chosen,
                       "choices", (json_int_t)t.rows, "at_edge", (json_int_t)t.edges));
    return 0;
}
