/* What the arms cost: stated for each, and a warning when one has more of anything than another.
 *
 * Arms are compared at equal steps, or at equal compute: each as many steps as the same FLOPs buy,
 * to within one. Then steps and tokens differ because a step's FLOPs do, and none of these counts.
 */
#include "common/json/jsonx.h"
#include "common/spec/cost.h"
#include "common/spec/point.h"
#include "common/sweep/sweep.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <math.h>

static const double tolerance = 0.05;

enum { PARAMETERS, FLOPS_STEP, FLOPS_TOTAL, TOKENS, STEPS, QUANTITIES };
static const struct {
    const char *key, *words; /* no words: no basis counts it */
} quantities[QUANTITIES] = {
    [PARAMETERS] = { "parameters", "parameters" },
    [FLOPS_STEP] = { "flops_per_step", "training FLOPs a step" },
    [FLOPS_TOTAL] = { "flops_total", "training FLOPs in total" },
    [TOKENS] = { "tokens", "tokens trained" },
    [STEPS] = { "steps", NULL },
};

enum basis { EQUAL_STEPS, EQUAL_FLOPS, UNEQUAL };
static const struct {
    const char *name, *words;
    unsigned counts; /* bit set of 1u << quantity */
} bases[] = {
    [EQUAL_STEPS] = { "steps", "at equal steps",
                      1u << PARAMETERS | 1u << FLOPS_STEP | 1u << FLOPS_TOTAL | 1u << TOKENS },
    [EQUAL_FLOPS] = { "flops", "at equal training FLOPs", 1u << PARAMETERS | 1u << FLOPS_TOTAL },
    [UNEQUAL] = { "unequal", "at neither equal steps nor equal training FLOPs",
                  1u << PARAMETERS | 1u << FLOPS_STEP | 1u << FLOPS_TOTAL | 1u << TOKENS },
};

static void measure(const struct run_spec *spec, double ret[QUANTITIES])
{
    struct cost cost;
    cost_estimate(spec, &cost);
    ret[PARAMETERS] = (double)cost.parameters;
    ret[FLOPS_STEP] = cost.flops_per_step;
    ret[FLOPS_TOTAL] = cost.flops_total;
    ret[TOKENS] = (double)(spec->train.steps * spec->train.batch_size * spec->data.seq_len);
    ret[STEPS] = (double)spec->train.steps;
}

/* The grid point where the arms are furthest apart in one quantity. */
struct gap {
    double share; /* most / least − 1 */
    size_t point, most, least;
    double values[2]; /* most, least */
};

static json_t *cell_json(const struct plan *p, size_t point, size_t arm,
                         const double values[QUANTITIES])
{
    json_t *row = json_pack("{s:s, s:o}", "arm", p->layout.arms[arm], "grid",
                            objects_embed(p->layout.points[point]));
    for (int q = 0; q < QUANTITIES; q++)
        json_object_set_new(row, quantities[q].key, jsonx_number(values[q]));
    return row;
}

static void widen(struct gap gaps[QUANTITIES], size_t point, size_t arms_n,
                  double (*values)[QUANTITIES], const bool *known)
{
    for (int q = 0; q < QUANTITIES; q++) {
        size_t most = SIZE_MAX, least = SIZE_MAX;
        for (size_t arm = 0; arm < arms_n; arm++) {
            if (!known[arm])
                continue;
            most = most == SIZE_MAX || values[arm][q] > values[most][q] ? arm : most;
            least = least == SIZE_MAX || values[arm][q] < values[least][q] ? arm : least;
        }
        if (most == SIZE_MAX || values[most][q] / values[least][q] - 1 <= gaps[q].share)
            continue;
        gaps[q] = (struct gap){ .share = values[most][q] / values[least][q] - 1,
                                .point = point,
                                .most = most,
                                .least = least,
                                .values = { values[most][q], values[least][q] } };
    }
}

/* What the arms of a point have in common; the worst point's counts. */
static enum basis basis_of(size_t arms_n, double (*values)[QUANTITIES], const bool *known)
{
    double least[QUANTITIES], most[QUANTITIES];
    for (int q = 0; q < QUANTITIES; q++) {
        least[q] = INFINITY;
        most[q] = 0;
        for (size_t arm = 0; arm < arms_n; arm++) {
            least[q] = known[arm] ? fmin(least[q], values[arm][q]) : least[q];
            most[q] = known[arm] ? fmax(most[q], values[arm][q]) : most[q];
        }
    }
    if (most[STEPS] <= least[STEPS])
        return EQUAL_STEPS;
    return most[FLOPS_TOTAL] - least[FLOPS_TOTAL] <= most[FLOPS_STEP] ? EQUAL_FLOPS : UNEQUAL;
}

/* Counts as they are while a person still reads them. */
static void say_amount(const char *arm, double value, struct buf *to)
{
    buf_addf(to, value < 1e7 ? "%s %.0f" : "%s %.4g", arm, value);
}

static void say_gap(const struct plan *p, const struct gap *gap, int quantity, struct buf *to)
{
    buf_addf(to, "%s differ by %.3g %% (", quantities[quantity].words, 100 * gap->share);
    say_amount(p->layout.arms[gap->most], gap->values[0], to);
    buf_adds(to, ", ");
    say_amount(p->layout.arms[gap->least], gap->values[1], to);
    json_t *grid = objects_embed(p->layout.points[gap->point]);
    point_say(grid, " at ", to);
    json_decref(grid);
    buf_addc(to, ')');
}

static json_t *gap_json(const struct plan *p, const struct gap *gap, int quantity)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:o}", "quantity", quantities[quantity].key, "grid",
                     objects_embed(p->layout.points[gap->point]), "most", p->layout.arms[gap->most],
                     "least", p->layout.arms[gap->least], "share", jsonx_number(gap->share));
}

static void conclude_budget(struct plan *p, const struct gap gaps[QUANTITIES], enum basis basis,
                            json_t *rows, size_t cells)
{
    json_t *unequal = json_array();
    struct buf text;
    double greatest = 0;
    size_t said = 0;
    buf_init(&text, 0);
    for (int q = 0; q < QUANTITIES; q++) {
        if ((bases[basis].counts & 1u << q) == 0)
            continue;
        greatest = gaps[q].share > greatest ? gaps[q].share : greatest;
        if (gaps[q].share <= tolerance)
            continue;
        if (said++ == 0)
            buf_addf(&text, "%s, ", bases[basis].words);
        else
            buf_adds(&text, "; ");
        say_gap(p, &gaps[q], q, &text);
        json_array_append_new(unequal, gap_json(p, &gaps[q], q));
    }
    if (said == 0)
        buf_addf(&text, "%s, parameters%s of the arms differ by at most %.2g %%",
                 bases[basis].words,
                 basis == EQUAL_FLOPS ? " and training FLOPs" : ", training FLOPs and tokens",
                 100 * greatest);
    plan_add(p, AUDIT_BUDGET, said > 0 ? AUDIT_WARN : AUDIT_PASS, NULL, NULL, &text,
             json_pack("{s:s, s:o, s:I, s:o, s:f}", "basis", bases[basis].name, "cells", rows,
                       "cells_n", (json_int_t)cells, "unequal", unequal, "tolerance", tolerance));
}

int fairness_budget(struct plan *p, struct err *err)
{
    struct gap gaps[QUANTITIES] = { 0 };
    double values[SWEEP_MAX_ARMS][QUANTITIES];
    bool known[SWEEP_MAX_ARMS];
    json_t *rows = json_array();
    size_t cells = 0;
    enum basis basis = EQUAL_STEPS;
    (void)err;
    for (size_t point = 0; point < p->layout.points_n && p->layout.arms_n <= SWEEP_MAX_ARMS;
         point++) {
        for (size_t arm = 0; arm < p->layout.arms_n; arm++) {
            const struct planned_cell *cell = plan_cell(p, point, arm);
            if (!(known[arm] = cell->known))
                continue;
            measure(&cell->spec, values[arm]);
            if (cells++ < FAIRNESS_ROWS)
                json_array_append_new(rows, cell_json(p, point, arm, values[arm]));
        }
        widen(gaps, point, p->layout.arms_n, values, known);
        enum basis here = basis_of(p->layout.arms_n, values, known);
        basis = here > basis ? here : basis;
    }
    if (p->layout.arms_n >= 2 && cells > 0) {
        conclude_budget(p, gaps, basis, rows, cells);
        return 0;
    }
    json_decref(rows);
    plan_skip(p, AUDIT_BUDGET,
              p->layout.arms_n < 2 ? "there is one arm: nothing to compare"
                                   : "no run's specification can be read");
    return 0;
}
