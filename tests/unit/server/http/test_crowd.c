/* What is asked of an experiment of thousands of runs: done in slices, none of which costs more for
 * the runs that others have dealt with. The shape is what is guarded here, by rows and steps that
 * are counted; the seconds are `make bench-server`'s. */
#include "server/store/curves/store_digests.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_purge.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

enum { CROWD = 5 * RUN_SLICE / 2 }; /* two slices and a half */

struct base {
    struct fixture_base base;
    int64_t crowd, beside;
};

static int set_up(void **state)
{
    struct base *b = fixture_base_new(sizeof *b);
    b->crowd = fixture_experiment(b->base.store, CROWD, 0, 3, false);
    b->beside = fixture_experiment(b->base.store, 1, 0, 3, false);
    *state = b;
    return 0;
}

static int64_t number(struct store *store, const char *sql)
{
    int64_t value = -1;
    assert_int_equal(store_read_int(store, sql, &value, NULL), 0);
    return value;
}

/* Commits, and returns how many events of a kind that made. */
static size_t commit(struct store *store, enum event_kind kind)
{
    struct event_row *rows = NULL;
    struct err err;
    size_t n = 0, found = 0;
    assert_ok(store_events_flush(store, &rows, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        found += rows[i].kind == kind;
        event_row_done(&rows[i]);
    }
    free(rows);
    assert_ok(store_commit(store, &err), err);
    assert_ok(store_begin(store, &err), err);
    return found;
}

static void claim_first(struct store *store, int64_t run)
{
    struct claim claim;
    struct err err;
    assert_ok(store_run_claim(store, run, "t", &claim, &err), err);
    claim_done(&claim);
}

static void test_cancel_goes_in_slices(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct run_slice slice = { 0 };
    struct err err;
    size_t told[3], n = 0;
    claim_first(store, 1); /* it is asked to stop */
    commit(store, EVENT_RUN);
    do {
        assert_ok(store_experiment_cancel(store, b->crowd, &slice, &err), err);
        assert_true(n < 3);
        told[n++] = commit(store, EVENT_RUN);
        assert_int_equal(number(store, "SELECT count(*) FROM runs WHERE state = 'cancelled'"),
                         slice.more ? (int64_t)n * RUN_SLICE - 1 : CROWD - 1);
    } while (slice.more);
    assert_int_equal(n, 3);
    assert_int_equal(told[0], RUN_SLICE); /* each run is told of once */
    assert_int_equal(told[2], CROWD - 2 * RUN_SLICE);
    assert_int_equal(number(store, "SELECT cancel FROM runs WHERE id = 1 AND state = 'running'"),
                     1);
    assert_int_equal(number(store, "SELECT count(*) FROM history WHERE what = 'cancelled'"),
                     CROWD - 1);
    assert_int_equal(number(store, "SELECT count(*) FROM runs WHERE state = 'queued'"), 1);
    assert_int_equal(store_experiment_cancel(store, 99, &slice, &err), -ERR_NOT_FOUND);
}

static void need_head(struct store *store, int64_t run)
{
    struct queued_run *head = NULL;
    struct err err;
    size_t n = 0;
    assert_ok(store_queue_head(store, 10, &head, &n, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(head[0].id, run);
    free(head);
}

/* Whatever moment the daemon dies at, nothing of it is begun, and the next one finishes. */
static void test_deletion_hides_first(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct run_slice slice = { 0 };
    struct experiment_row row;
    struct err err;
    bool more = true;
    assert_ok(store_experiment_delete(store, b->crowd, &slice, &err), err);
    assert_true(slice.more);
    assert_int_equal(store_experiment_get(store, b->crowd, &row, &err), -ERR_NOT_FOUND);
    need_head(store, CROWD + 1);
    for (int i = 0; i < 2; i++) { /* that daemon is dead */
        assert_ok(store_deleted_cancel(store, &more, &err), err);
        assert_true(more);
    }
    assert_int_equal(number(store, "SELECT count(*) FROM runs WHERE state = 'queued'"), 1);
    assert_ok(store_deleted_cancel(store, &more, &err), err);
    assert_false(more);
    assert_ok(store_experiment_restore(store, b->crowd, &err), err);
    assert_ok(store_experiment_get(store, b->crowd, &row, &err), err);
    assert_int_equal(row.counts[RUN_CANCELLED], CROWD);
    experiment_row_done(&row);
    /* Asked for once more from the beginning, it says what it met. */
    slice = (struct run_slice){ 0 };
    claim_first(store, CROWD + 1);
    assert_int_equal(store_experiment_delete(store, b->beside, &slice, &err), -ERR_CONFLICT);
    assert_ok(store_experiment_delete(store, b->crowd, &slice, &err), err);
    assert_false(slice.more);
    assert_int_equal(store_experiment_delete(store, b->crowd, &slice, &err), -ERR_NOT_FOUND);
}

static void test_purge_takes_many_runs_together(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct purge_part part;
    struct err err;
    int64_t calls = 0, asked = 0;
    struct run_slice slice = { 0 };
    do
        assert_ok(store_experiment_delete(store, b->crowd, &slice, &err), err);
    while (slice.more);
    assert_ok(store_purge_expired(store, INT64_MAX, &asked, &err), err);
    for (;; calls++) {
        assert_ok(store_purge_next(store, &part, &err), err);
        if (part.runs_n == 0)
            break;
        assert_ok(store_purge_runs(store, &part, &err), err);
        assert_int_equal(part.gone, part.runs_n);
    }
    assert_int_equal(calls, (CROWD + PURGE_RUNS - 1) / PURGE_RUNS);
    assert_int_equal(number(store, "SELECT count(*) FROM runs"), 1);
}

/* Steps of SQLite's machine that a prepared statement has taken since it was asked last. */
static int steps_of(struct store *store, enum sql id)
{
    assert_non_null(store->statements[id]);
    return sqlite3_stmt_status(store->statements[id], SQLITE_STMTSTATUS_VM_STEP, 1);
}

static void test_what_has_ended_costs_nothing(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct run_slice slice = { 0 };
    struct err err;
    int64_t ended = 0;
    assert_ok(store_experiment_cancel(store, b->crowd, &slice, &err), err);
    int first = steps_of(store, SQL_EXPERIMENT_ACTIVE);
    assert_ok(store_get_int(store, SQL_EXPERIMENT_ENDED, 0, &ended, &err, "i", b->crowd), err);
    int ended_first = steps_of(store, SQL_EXPERIMENT_ENDED);
    assert_ok(store_experiment_cancel(store, b->crowd, &slice, &err), err);
    assert_true(steps_of(store, SQL_EXPERIMENT_ACTIVE) <= first + 10);
    assert_ok(store_get_int(store, SQL_EXPERIMENT_ENDED, 0, &ended, &err, "i", b->crowd), err);
    assert_int_equal(ended, 0);
    assert_true(steps_of(store, SQL_EXPERIMENT_ENDED) <= ended_first + 10);
    while (slice.more)
        assert_ok(store_experiment_cancel(store, b->crowd, &slice, &err), err);
    assert_ok(store_get_int(store, SQL_EXPERIMENT_ENDED, 0, &ended, &err, "i", b->crowd), err);
    assert_int_equal(ended, 1);
    assert_true(steps_of(store, SQL_EXPERIMENT_ENDED) <= ended_first + 10);
}

/* What a statement's plan says of a table. */
static void need_plan(struct store *store, enum sql id, const char *wanted)
{
    static const char *const texts[SQL_COUNT] = {
#define SQL_ROW(name, text) [SQL_##name] = text,
        SQL_TABLE(SQL_ROW)
#undef SQL_ROW
    };
    char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", texts[id]);
    sqlite3_stmt *s = NULL;
    bool found = false;
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        found |= strstr((const char *)sqlite3_column_text(s, 3), wanted) != NULL;
    sqlite3_finalize(s);
    sqlite3_free(sql);
    if (!found)
        fail_msg("%s isn't in the plan of %s", wanted, texts[id]);
}

static void test_plans(void **state)
{
    struct store *store = ((struct base *)*state)->base.store;
    static const struct {
        enum sql id;
        const char *wanted;
    } rows[] = {
        { SQL_EXPERIMENT_GET, "COVERING INDEX runs_counted" },
        { SQL_EXPERIMENT_ACTIVE, "INDEX runs_open" },
        { SQL_EXPERIMENT_ENDED, "INDEX runs_counted" },
        { SQL_DELETED_ACTIVE, "INDEX runs_open" },
        { SQL_RUNS_CANCEL_QUEUED, "SEARCH runs USING INTEGER PRIMARY KEY" },
        { SQL_RUNS_RETRY, "SEARCH runs USING INTEGER PRIMARY KEY" },
        { SQL_RUNS_PRIORITY, "SEARCH runs USING INTEGER PRIMARY KEY" },
        { SQL_PURGE_NEXT_RUNS, "INDEX runs_by_experiment" },
        { SQL_PURGE_RUN_AUDITS, "INDEX audits_by_run" },
        { SQL_QUEUE_HEAD, "INDEX runs_queue" },
        { SQL_QUEUE_HEAD, "INDEX runs_verify_queue" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        need_plan(store, rows[i].id, rows[i].wanted);
}

static size_t longest_chain(const struct touches *all)
{
    size_t longest = 0;
    for (size_t i = 0; i < all->size; i++) {
        size_t n = 0;
        for (size_t at = all->heads[i]; at != 0; at = all->of[at - 1].next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* A thing that is touched is found among ten thousand others at once, and once. */
static void test_touches(void **state)
{
    struct store *store = ((struct base *)*state)->base.store;
    enum { MANY = 10000 };
    struct err err;
    commit(store, EVENT_RUN);
    for (int again = 0; again < 2; again++)
        for (int64_t run = 1; run <= MANY; run++) {
            store_touch_run(store, 1 + run % 3, run);
            store_touch_experiment(store, 1 + run % 3);
        }
    assert_int_equal(store->touches.n, MANY + 3);
    assert_true(longest_chain(&store->touches) < 16);
    /* What a savepoint gives up, it gives up alone; in another one a thing is marked anew. */
    assert_ok(store_savepoint(store, &err), err);
    store_touch_ended(store, 2, 1);
    store_touch_run(store, 1, MANY + 1);
    assert_int_equal(store->touches.n, MANY + 5);
    assert_ok(store_release(store, false, &err), err);
    assert_int_equal(store->touches.n, MANY + 3);
    assert_ok(store_savepoint(store, &err), err);
    store_touch_run(store, 2, 1);
    assert_ok(store_release(store, true, &err), err);
    assert_int_equal(store->touches.n, MANY + 4);
    assert_int_equal(commit(store, EVENT_RUN), MANY); /* and is told once */
    assert_int_equal(store->touches.n, 0);
    assert_int_equal(longest_chain(&store->touches), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_base_tear_down)
        TEST(test_cancel_goes_in_slices),
        TEST(test_deletion_hides_first),
        TEST(test_purge_takes_many_runs_together),
        TEST(test_what_has_ended_costs_nothing),
        TEST(test_plans),
        TEST(test_touches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
