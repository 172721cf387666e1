/* Curves through rollups against brute force over the same rows, whatever the batches, the gaps,
 * the range and the number of points. */
#include "server/store/curves/rollup.h"
#include "server/store/curves/store_series.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

enum { ROWS = 6000, RUN = 1, NAME = 1 };

struct base {
    struct fixture_base base;
    struct rollup_row rows[ROWS];
    size_t n;
    uint64_t random;
};

static uint64_t draw(struct base *b, uint64_t below)
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return (b->random >> 33) % below;
}

static int set_up(void **state)
{
    struct base *b = fixture_base_new(sizeof *b);
    struct err err;
    b->random = 42;
    assert_ok(store_run_sql(b->base.store, SQL_NAME_ADD, NULL, &err, "t", "train/loss"), err);
    *state = b;
    return 0;
}

/* n rows from a step on, up to `gap` apart, in batches of up to `batch`. */
static void fill(struct base *b, size_t n, int64_t step, uint64_t gap, size_t batch)
{
    struct err err;
    for (size_t i = 0; i < n; i++) {
        int kind = draw(b, 20) == 0 ? 1 + (int)draw(b, 3) : 0;
        double value = ldexp((double)draw(b, 1 << 20), -10) - 300;
        b->rows[b->n + i] = (struct rollup_row){ step, kind == 0 ? value : 0, kind };
        step += 1 + (int64_t)draw(b, gap);
        assert_ok(store_run_sql(b->base.store, SQL_METRIC_ADD, NULL, &err, "iiidi", (int64_t)RUN,
                                (int64_t)NAME, b->rows[b->n + i].step, b->rows[b->n + i].value,
                                (int64_t)kind),
                  err);
    }
    for (size_t i = 0; i < n;) {
        size_t part = 1 + draw(b, batch);
        part = part < n - i ? part : n - i;
        assert_ok(rollup_add(b->base.store, RUN, NAME, b->rows + b->n + i, part, &err), err);
        i += part;
    }
    b->n += n;
}

static bool near(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (1 + fabs(b));
}

/* Every bucket says the truth about its own span, spans ascend, and together they are the range. */
static void check(struct base *b, int64_t from, int64_t to, int64_t points)
{
    struct metric_bucket *got = NULL;
    size_t n = 0, in_range = 0, covered = 0;
    struct err err;
    assert_ok(rollup_get(b->base.store, RUN, NAME, from, to, points, &got, &n, &err), err);
    assert_true((int64_t)n <= points);
    for (size_t i = 0; i < b->n; i++)
        in_range += b->rows[i].step >= from && b->rows[i].step <= to;
    for (size_t k = 0; k < n; k++) {
        struct metric_bucket is = { .min = NAN, .max = NAN, .first_step = -1 };
        double sum = 0;
        assert_true(k == 0 || got[k].first_step > got[k - 1].last_step);
        assert_true(got[k].first_step >= from && got[k].last_step <= to);
        for (size_t i = 0; i < b->n; i++) {
            const struct rollup_row *row = &b->rows[i];
            if (row->step < got[k].first_step || row->step > got[k].last_step)
                continue;
            is.first_step = is.first_step < 0 ? row->step : is.first_step;
            is.last_step = row->step;
            covered++;
            if (row->kind != 0) {
                is.nonfinite++;
                continue;
            }
            is.min = is.count == 0 || row->value < is.min ? row->value : is.min;
            is.max = is.count == 0 || row->value > is.max ? row->value : is.max;
            is.count++;
            sum += row->value;
        }
        assert_int_equal(got[k].first_step, is.first_step);
        assert_int_equal(got[k].last_step, is.last_step);
        assert_int_equal(got[k].count, is.count);
        assert_int_equal(got[k].nonfinite, is.nonfinite);
        assert_true(near(got[k].min, is.min) && near(got[k].max, is.max));
        assert_true(near(got[k].mean, is.count > 0 ? sum / (double)is.count : NAN));
    }
    assert_int_equal(covered, in_range);
    free(got);
}

static void test_ranges_against_brute_force(void **state)
{
    struct base *b = *state;
    fill(b, ROWS, 1, 1, 500);
    check(b, 0, ROWS, 100);
    check(b, 0, ROWS, 1);
    check(b, 16, 31, 3);
    check(b, 15, 32, 2);
    check(b, 4096, 4096, 1);
    for (int i = 0; i < 150; i++) {
        int64_t from = (int64_t)draw(b, ROWS + 10), to = from + (int64_t)draw(b, ROWS);
        check(b, from, to, 1 + (int64_t)draw(b, 300));
    }
}

static void test_sparse_steps(void **state)
{
    struct base *b = *state;
    fill(b, 2000, 0, 5000, 40); /* up to 5 million steps: high levels */
    int64_t last = b->rows[b->n - 1].step;
    check(b, 0, last, 50);
    for (int i = 0; i < 60; i++) {
        int64_t from = (int64_t)draw(b, (uint64_t)last),
                to = from + (int64_t)draw(b, (uint64_t)last);
        check(b, from, to, 1 + (int64_t)draw(b, 100));
    }
}

static void test_single_rows_at_a_time(void **state)
{
    struct base *b = *state;
    fill(b, 700, 3, 30, 1);
    check(b, 0, b->rows[b->n - 1].step, 17);
    check(b, 100, 5000, 9);
}

static void test_the_summary(void **state)
{
    struct base *b = *state;
    struct err err;
    fill(b, 1000, 1, 1, 7);
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_prepare_v2(
                         b->base.store->db,
                         "SELECT count, nonfinite, last_step, last_kind, min, max, sum, min_step, "
                         "max_step FROM series WHERE run = 1 AND name = 1",
                         -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(store_step(b->base.store, s, &err), 1);
    int64_t count = 0, min_step = 0, max_step = 0;
    double min = INFINITY, max = -INFINITY, sum = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct rollup_row *row = &b->rows[i];
        if (row->kind != 0)
            continue;
        count++;
        sum += row->value;
        if (row->value < min) {
            min = row->value;
            min_step = row->step;
        }
        if (row->value > max) {
            max = row->value;
            max_step = row->step;
        }
    }
    assert_int_equal(sqlite3_column_int64(s, 0), count);
    assert_int_equal(sqlite3_column_int64(s, 1), (int64_t)b->n - count);
    assert_int_equal(sqlite3_column_int64(s, 2), 1000);
    assert_int_equal(sqlite3_column_int64(s, 3), b->rows[b->n - 1].kind);
    assert_true(near(sqlite3_column_double(s, 4), min) && near(sqlite3_column_double(s, 5), max));
    assert_true(near(sqlite3_column_double(s, 6), sum));
    assert_int_equal(sqlite3_column_int64(s, 7), min_step);
    assert_int_equal(sqlite3_column_int64(s, 8), max_step);
    sqlite3_finalize(s);
}

static void test_a_series_of_nothing_finite(void **state)
{
    struct base *b = *state;
    struct err err;
    for (int64_t step = 0; step < 100; step++) {
        b->rows[b->n] = (struct rollup_row){ step, 0, 1 };
        assert_ok(store_run_sql(b->base.store, SQL_METRIC_ADD, NULL, &err, "iiidi", (int64_t)RUN,
                                (int64_t)NAME, step, 0.0, (int64_t)1),
                  err);
        assert_ok(rollup_add(b->base.store, RUN, NAME, &b->rows[b->n++], 1, &err), err);
    }
    check(b, 0, 99, 5);
}

/* As it is asked for: how many rows a reply stands for, whole, in points, in buckets. */
static void test_what_a_reply_stands_for(void **state)
{
    struct base *b = *state;
    fill(b, 3000, 1, 3, 200);
    sqlite3_exec(b->base.store->db, "INSERT OR IGNORE INTO metric_names (id, name) VALUES (1, 'm')",
                 NULL, NULL, NULL);
    int64_t last = b->rows[b->n - 1].step;
    for (int i = 0; i < 100; i++) {
        struct metric_query query = { .run = RUN,
                                      .from = (int64_t)draw(b, (uint64_t)last),
                                      .points = (int64_t)draw(b, 400) };
        struct metric_series *series = NULL;
        struct err err;
        size_t n = 0;
        int64_t in_range = 0;
        query.to = i % 5 == 0 ? -1 : query.from + (int64_t)draw(b, (uint64_t)last);
        for (size_t k = 0; k < b->n; k++)
            in_range +=
                b->rows[k].step >= query.from && (query.to < 0 || b->rows[k].step <= query.to);
        assert_ok(store_metrics_get(b->base.store, &query, &series, &n, &err), err);
        assert_int_equal(n, 1);
        assert_int_equal(series->raw, in_range);
        assert_int_equal(series->buckets != NULL, query.points > 0 && in_range > query.points);
        const struct rollup_row *end = &b->rows[b->n - 1];
        if (series->buckets != NULL && query.points > 1 && (query.to < 0 || query.to >= last)) {
            const struct metric_bucket *at = &series->buckets[series->n - 1];
            assert_true(at->first_step == last && at->last_step == last);
            assert_int_equal(at->count, end->kind == 0);
            assert_true(end->kind != 0 || at->mean == end->value);
        }
        assert_true(series->buckets == NULL || (int64_t)series->n <= query.points);
        metric_series_free(series, n);
    }
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_base_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(test_ranges_against_brute_force), UNIT(test_sparse_steps),
        UNIT(test_single_rows_at_a_time),      UNIT(test_the_summary),
        UNIT(test_a_series_of_nothing_finite), UNIT(test_what_a_reply_stands_for),
    };
    return cmocka_run_group_tests_name("rollup", tests, NULL, NULL);
}
