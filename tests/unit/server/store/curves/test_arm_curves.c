/* Curves of arms against brute force over the same rows: steps and buckets, ragged and diverging
 * seeds, ranges; and that what is new since a moment makes of the old answer the new one. */
#include "server/store/curves/rollup.h"
#include "server/store/curves/store_arm_curves.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

enum { RUNS = 12, ROWS = 3000, NAME = 1 };

struct base {
    struct fixture_base base;
    struct rollup_row rows[RUNS][ROWS];
    size_t n[RUNS];
    int64_t experiment;
    uint64_t random;
};

static const char *const arms[] = { "dense", "dsa" };
static const char *const grids[] = { "{\"data.seq_len\":128}", "{\"data.seq_len\":64}" };

static uint64_t draw(struct base *b, uint64_t below)
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return (b->random >> 33) % below;
}

/* Runs 1 … 12: run i is of arm i % 2, of grid point i / 2 % 2. */
static int set_up(void **state)
{
    struct base *b = fixture_base_new(sizeof *b);
    struct new_run runs[RUNS];
    struct err err;
    b->random = 7;
    assert_ok(store_run_sql(b->base.store, SQL_NAME_ADD, NULL, &err, "t", "train/loss"), err);
    for (int i = 0; i < RUNS; i++)
        runs[i] = (struct new_run){ .arm = arms[i % 2],
                                    .grid = grids[i / 2 % 2],
                                    .spec = "{}",
                                    .digest = "d",
                                    .seed = i,
                                    .max_attempts = 1,
                                    .steps = ROWS };
    struct new_experiment experiment = fixture_plain(runs, RUNS);
    experiment.name = "test";
    experiment.spec = "{}";
    b->experiment = fixture_add(b->base.store, &experiment);
    *state = b;
    return 0;
}

/* n more rows of a run, `every` apart. */
static void fill(struct base *b, size_t run, size_t n, int64_t every)
{
    struct err err;
    struct rollup_row *rows = b->rows[run] + b->n[run];
    for (size_t i = 0; i < n; i++) {
        int64_t before = b->n[run] + i > 0 ? rows[(int64_t)i - 1].step : 0;
        int kind = draw(b, 40) == 0 ? 1 + (int)draw(b, 3) : 0;
        double value = ldexp((double)draw(b, 1 << 20), -10) - 300;
        rows[i] = (struct rollup_row){ before + every, kind == 0 ? value : 0, kind };
        assert_ok(store_run_sql(b->base.store, SQL_METRIC_ADD, NULL, &err, "iiidi",
                                (int64_t)run + 1, (int64_t)NAME, rows[i].step, rows[i].value,
                                (int64_t)kind),
                  err);
    }
    assert_ok(rollup_add(b->base.store, (int64_t)run + 1, NAME, rows, n, &err), err);
    b->n[run] += n;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

/* What the cell of the steps first…last should be, but for `alone`, which stands by itself. */
static void assert_cell(const struct base *b, const struct arm_curve *curve,
                        const struct arm_cell *cell, int64_t first, int64_t last, int64_t alone)
{
    double means[RUNS], sum = 0, m2 = 0, min = INFINITY, max = -INFINITY;
    int64_t seeds = 0, count = 0, nonfinite = 0, complete = 0;
    for (size_t r = 0; r < curve->runs_n; r++) {
        size_t run = (size_t)curve->runs[r].id - 1;
        double of_run = 0;
        int64_t finite = 0;
        for (size_t i = 0; i < b->n[run]; i++) {
            const struct rollup_row *row = &b->rows[run][i];
            if (row->step < first || row->step > last || (row->step == alone && first != last))
                continue;
            nonfinite += row->kind != 0;
            finite += row->kind == 0;
            of_run += row->value;
            if (row->kind == 0 && row->value < min)
                min = row->value;
            if (row->kind == 0 && row->value > max)
                max = row->value;
        }
        count += finite;
        if (finite > 0)
            means[seeds++] = of_run / (double)finite;
        complete += b->n[run] > 0 && b->rows[run][b->n[run] - 1].step >= cell->last;
    }
    for (int64_t i = 0; i < seeds; i++)
        sum += means[i];
    for (int64_t i = 0; i < seeds; i++)
        m2 += pow(means[i] - sum / (double)seeds, 2);
    assert_int_equal(cell->count, count);
    assert_int_equal(cell->nonfinite, nonfinite);
    assert_int_equal(cell->seeds, seeds);
    assert_int_equal(cell->complete, complete);
    if (seeds == 0)
        return;
    assert_true(near(cell->mean, sum / (double)seeds));
    assert_true(near(cell->m2, m2));
    assert_true(cell->min == min && cell->max == max);
}

static void assert_curve(const struct base *b, const struct arm_curves *curves,
                         const struct arm_curve *curve, int64_t from, int64_t to)
{
    int64_t w = curves->width, rows = 0, counted = 0;
    bool ends = w > 1 && curve->last >= from && (to < 0 || curve->last <= to);
    for (size_t r = 0; r < curve->runs_n; r++) {
        size_t run = (size_t)curve->runs[r].id - 1;
        for (size_t i = 0; i < b->n[run]; i++)
            rows += b->rows[run][i].step >= from && (to < 0 || b->rows[run][i].step <= to);
    }
    for (size_t i = 0; i < curve->n; i++) {
        const struct arm_cell *cell = &curve->cells[i];
        bool alone = ends && cell->first == curve->last;
        int64_t first = alone ? cell->first : cell->first / w * w;
        int64_t last = alone ? cell->first : first + w - 1;
        assert_true(cell->first <= cell->last && cell->last - cell->first < w);
        assert_true(i == 0 || cell->first > curve->cells[i - 1].last);
        assert_true(i < curve->n - 1 || !ends || alone);
        assert_cell(b, curve, cell, first > from ? first : from, to >= 0 && last > to ? to : last,
                    ends ? curve->last : -1);
        counted += cell->count + cell->nonfinite;
    }
    assert_int_equal(counted, rows); /* none is left out, none counts twice */
}

static struct arm_curves read_all(struct base *b, int64_t from, int64_t to, int64_t points)
{
    struct arm_curves curves;
    struct err err;
    struct store *store = b->base.store;
    assert_ok(arm_curves_plan(store, b->experiment, "train/loss", NULL, 0, &curves, &err), err);
    assert_ok(arm_curves_lay(store, &curves, from, to, points, &err), err);
    assert_ok(arm_curves_read(store, &curves, from, to, NULL, 0, &err), err);
    return curves;
}

static void assert_all(struct base *b, int64_t from, int64_t to, int64_t points, bool exact)
{
    struct arm_curves curves = read_all(b, from, to, points);
    assert_int_equal(curves.n, 4);
    assert_true((curves.width == 1) == exact);
    for (size_t i = 0; i < curves.n; i++) {
        assert_string_equal(curves.of[i].arm, arms[i / 2]);
        assert_string_equal(curves.of[i].grid, grids[i % 2]);
        assert_int_equal(curves.of[i].runs_n, 3);
        assert_curve(b, &curves, &curves.of[i], from, to);
        assert_true(exact || (int64_t)curves.of[i].n <= points);
    }
    arm_curves_done(&curves);
}

static void test_brute_force(void **state)
{
    struct base *b = *state;
    assert_all(b, 0, -1, 10, true);             /* nothing yet */
    for (size_t run = 0; run < RUNS - 1; run++) /* the last one never began */
        fill(b, run, 900 + 40 * run, run % 2 == 0 ? 1 : 3);
    assert_all(b, 0, -1, 2000, true);
    assert_all(b, 300, 900, 2000, true);
    for (int64_t points = 2; points < 1200; points = points * 3 / 2 + 1) {
        assert_all(b, 0, -1, points, false);
        assert_all(b, 33, 3000, points < 900 ? points : 900, false);
    }
    assert_all(b, 500, 519, 20, true);
    assert_all(b, 1200, -1, 2000, true);
    assert_all(b, 100000, -1, 20, true);
}

static void test_named_arms(void **state)
{
    struct base *b = *state;
    const char *names[] = { "nosuch", "dsa" };
    struct arm_curves curves;
    struct err err;
    fill(b, 0, 10, 1);
    assert_ok(arm_curves_plan(b->base.store, b->experiment, "train/loss", names, 2, &curves, &err),
              err);
    assert_int_equal(curves.n, 2);
    assert_int_equal(curves.runs_n, 6);
    assert_string_equal(curves.of[1].arm, "dsa");
    assert_int_equal(curves.of[0].open_n, 3);
    arm_curves_done(&curves);
    assert_ok(arm_curves_plan(b->base.store, b->experiment, "no/such", NULL, 0, &curves, &err),
              err);
    assert_ok(arm_curves_read(b->base.store, &curves, 0, -1, NULL, 0, &err), err);
    assert_int_equal(curves.n, 4);
    assert_int_equal(curves.of[0].n, 0);
    arm_curves_done(&curves);
}

/* The cells of `now` behind those of `before` that it leaves. */
static void assert_replaces(const struct arm_curve *before, const struct arm_curve *tail,
                            const struct arm_curve *now)
{
    size_t n = 0;
    while (n < before->n && before->cells[n].last < tail->first)
        n++;
    assert_int_equal(n + tail->n, now->n);
    if (n > 0)
        assert_memory_equal(before->cells, now->cells, n * sizeof *before->cells);
    if (tail->n > 0)
        assert_memory_equal(tail->cells, now->cells + n, tail->n * sizeof *tail->cells);
}

static void test_news(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct err err;
    for (size_t run = 0; run < RUNS; run++)
        fill(b, run, 1000 + 7 * run, 1);
    for (int round = 0; round < 30; round++) {
        for (int64_t points = 40; points < 5000; points *= 10) {
            struct arm_curves before = read_all(b, 0, -1, points), tail, now;
            size_t run = draw(b, RUNS), n = 1 + draw(b, 8);
            int64_t from = b->rows[run][b->n[run] - 1].step + 1;
            fill(b, run, n, 1);
            const struct arm_news news[] = { { (int64_t)run + 1, 0, 0 },
                                             { (int64_t)run + 1, NAME, from } };
            now = read_all(b, 0, -1, points);
            assert_int_equal(now.width, before.width);
            assert_ok(arm_curves_plan(store, b->experiment, "train/loss", NULL, 0, &tail, &err),
                      err);
            assert_ok(arm_curves_lay(store, &tail, 0, -1, points, &err), err);
            assert_ok(arm_curves_read(store, &tail, 0, -1, news, 2, &err), err);
            for (size_t i = 0; i < 4; i++) {
                bool mine = run % 2 == i / 2 && run / 2 % 2 == i % 2;

                assert_true(tail.of[i].told == mine);
                if (mine)
                    assert_replaces(&before.of[i], &tail.of[i], &now.of[i]);
            }
            arm_curves_done(&before);
            arm_curves_done(&tail);
            arm_curves_done(&now);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_brute_force, set_up, fixture_base_tear_down),
        cmocka_unit_test_setup_teardown(test_named_arms, set_up, fixture_base_tear_down),
        cmocka_unit_test_setup_teardown(test_news, set_up, fixture_base_tear_down),
    };
    return cmocka_run_group_tests_name("arm_curves", tests, NULL, NULL);
}
