/* When the log is emptied: by whom has nothing to do, on whom nobody waits; and what is said of one
 * that a reader keeps large. */
#include "server/jobs/wal.h"
#include "tests/unit/server/fixture.h"

enum { HOUR_MS = 3600000, BIG = 1 << 20 };

struct world {
    struct fixture_base base;
    struct wal wal;
    struct store *reader;
    char *big;
};

static int set_up(void **state)
{
    struct world *w = fixture_base_new(sizeof *w);
    struct err err;
    char path[128];
    assert_ok(store_commit(w->base.store, &err), err);
    snprintf(path, sizeof path, "%s/ablate.db", w->base.folder);
    assert_ok(store_open(path, STORE_READER, &w->reader, &err), err);
    w->big = malloc(BIG);
    memset(w->big, 'x', BIG - 1);
    w->big[BIG - 1] = '\0';
    wal_begin(&w->wal, w->base.store);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    store_close(w->reader);
    free(w->big);
    fixture_base_free(w);
    return 0;
}

static void put(struct world *w, const char *value)
{
    struct err err;
    assert_ok(store_begin(w->base.store, &err), err);
    assert_ok(store_setting_put(w->base.store, "k", value, &err), err);
    assert_ok(store_commit(w->base.store, &err), err);
    wal_committed(&w->wal, w->base.store);
}

/* Every page of it another one. */
static void put_big(struct world *w)
{
    memset(w->big, w->big[0] == 'x' ? 'y' : 'x', BIG - 1);
    put(w, w->big);
}

/* A megabyte a commit, until the log is beyond the bound or was emptied. */
static void put_much(struct world *w)
{
    for (int64_t before = -1; w->wal.bytes > before && w->wal.bytes <= WAL_BOUND;) {
        before = w->wal.bytes;
        put_big(w);
    }
}

static void read_on(struct world *w)
{
    struct err err;
    char value[8];
    assert_ok(store_begin(w->reader, &err), err);
    assert_ok(store_setting_get(w->reader, "k", value, sizeof value, &err), err);
}

static void rest(struct world *w, int64_t later_ms)
{
    clock_shift(0, later_ms);
    wal_rest(&w->wal, w->base.store);
}

static void test_an_idle_log_is_emptied(void **state)
{
    struct world *w = *state;
    put(w, "x");
    rest(w, -HOUR_MS); /* whatever time the test has taken, the clock says that none has passed */
    assert_true(store_wal_bytes(w->base.store) > 0);
    rest(w, HOUR_MS + WAL_IDLE_MS);
    assert_int_equal(store_wal_bytes(w->base.store), 0);
    assert_int_equal(w->wal.bytes, 0);
}

static void test_a_reader_is_not_waited_for(void **state)
{
    struct world *w = *state;
    put(w, "x");
    read_on(w);
    put(w, "y");
    rest(w, WAL_IDLE_MS);
    assert_true(store_wal_bytes(w->base.store) > 0);
    assert_false(w->wal.held); /* it is small */
    store_rollback(w->reader);
    rest(w, WAL_IDLE_MS);
    assert_int_equal(store_wal_bytes(w->base.store), 0);
}

static void test_a_large_log_is_emptied_at_once(void **state)
{
    struct world *w = *state;
    put_much(w);
    assert_int_equal(w->wal.bytes, 0);
    assert_false(w->wal.held);
}

static void test_a_large_log_that_is_held(void **state)
{
    struct world *w = *state;
    put(w, "x");
    read_on(w);
    put_much(w);
    assert_true(w->wal.held);
    assert_true(w->wal.bytes > WAL_BOUND);
    int64_t bytes = w->wal.bytes;
    put_big(w);
    assert_true(w->wal.held && w->wal.bytes > bytes);
    store_rollback(w->reader);
    for (int i = 0; i < 64 && w->wal.held;
         i++) /* while there is work it isn't tried at each commit */
        put(w, "y");
    assert_false(w->wal.held);
    assert_true(store_wal_bytes(w->base.store) <= WAL_BOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_idle_log_is_emptied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reader_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_log_is_emptied_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_log_that_is_held, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("wal", tests, NULL, NULL);
}
