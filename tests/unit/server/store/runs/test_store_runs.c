/* A run's states, every transition from every state; claims; lists by filter, order and page. */
#include "server/store/runs/store_acts.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

static void claim(struct store *store, int64_t run, int64_t attempt)
{
    struct claim claimed;
    struct err err;
    assert_ok(store_run_claim(store, run, "0123", &claimed, &err), err);
    assert_int_equal(claimed.attempt, attempt);
    assert_int_equal(claimed.memory_bytes, 100 << 20);
    assert_string_equal(claimed.dataset_digest, "");
    claim_done(&claimed);
}

static enum run_state state_of(struct store *store, int64_t id)
{
    struct run_row row;
    struct err err;
    assert_ok(store_run_get(store, id, &row, &err), err);
    enum run_state state = row.state;
    assert_int_equal(row.ended_at > 0, state >= RUN_SUCCEEDED);
    run_row_done(&row);
    return state;
}

/* Brings a new run (id is the next one) into a state. */
static int64_t make(struct store *store, enum run_state wanted)
{
    struct err err;
    int64_t experiment = fixture_experiment(store, 1, 0, 3, false);
    struct run_list list;
    const struct run_query query = {
        .experiment = experiment, .filter = "", .order_by = "", .page_token = "", .page_size = 1
    };
    assert_ok(store_run_list(store, &query, &list, &err), err);
    int64_t id = list.items[0].id;
    run_list_done(&list);
    if (wanted == RUN_QUEUED)
        return id;
    claim(store, id, 1);
    if (wanted != RUN_RUNNING)
        assert_ok(store_attempt_end(store, id, 1, wanted, "x", "because", &err), err);
    assert_int_equal(state_of(store, id), wanted);
    return id;
}

enum action { CLAIM, CANCEL, RETRY, PRIORITY, END_SUCCEEDED, END_FAILED, END_QUEUED, ACTIONS };

static int act(struct store *store, int64_t id, enum action action, struct err *err)
{
    struct claim claimed = { 0 };
    int status;
    switch (action) {
    case CLAIM:
        status = store_run_claim(store, id, "t", &claimed, err);
        claim_done(&claimed);
        return status;
    case CANCEL:
        return store_run_cancel(store, id, err);
    case RETRY:
        return store_run_retry(store, id, err);
    case PRIORITY:
        return store_run_priority(store, id, 7, err);
    case END_SUCCEEDED:
        return store_attempt_end(store, id, 1, RUN_SUCCEEDED, "finished", "", err);
    case END_FAILED:
        return store_attempt_end(store, id, 1, RUN_FAILED, "failed", "x", err);
    default:
        return store_attempt_end(store, id, 1, RUN_QUEUED, "lost", "x", err);
    }
}

/* [from][action] = status and the state afterwards */
static const struct {
    enum err_code code;
    enum run_state to;
} table[RUN_STATES][ACTIONS] = {
    [RUN_QUEUED] = { { 0, RUN_RUNNING },
                     { 0, RUN_CANCELLED },
                     { ERR_CONFLICT, RUN_QUEUED },
                     { 0, RUN_QUEUED },
                     { 0, RUN_QUEUED },
                     { 0, RUN_QUEUED },
                     { 0, RUN_QUEUED } },
    [RUN_RUNNING] = { { ERR_NOT_FOUND, RUN_RUNNING },
                      { 0, RUN_RUNNING },
                      { ERR_CONFLICT, RUN_RUNNING },
                      { ERR_CONFLICT, RUN_RUNNING },
                      { 0, RUN_SUCCEEDED },
                      { 0, RUN_FAILED },
                      { 0, RUN_QUEUED } },
    [RUN_SUCCEEDED] = { { ERR_NOT_FOUND, RUN_SUCCEEDED },
                        { ERR_CONFLICT, RUN_SUCCEEDED },
                        { ERR_CONFLICT, RUN_SUCCEEDED },
                        { ERR_CONFLICT, RUN_SUCCEEDED },
                        { 0, RUN_SUCCEEDED },
                        { 0, RUN_SUCCEEDED },
                        { 0, RUN_SUCCEEDED } },
    [RUN_FAILED] = { { ERR_NOT_FOUND, RUN_FAILED },
                     { ERR_CONFLICT, RUN_FAILED },
                     { 0, RUN_QUEUED },
                     { ERR_CONFLICT, RUN_FAILED },
                     { 0, RUN_FAILED },
                     { 0, RUN_FAILED },
                     { 0, RUN_FAILED } },
    [RUN_CANCELLED] = { { ERR_NOT_FOUND, RUN_CANCELLED },
                        { ERR_CONFLICT, RUN_CANCELLED },
                        { 0, RUN_QUEUED },
                        { ERR_CONFLICT, RUN_CANCELLED },
                        { 0, RUN_CANCELLED },
                        { 0, RUN_CANCELLED },
                        { 0, RUN_CANCELLED } },
};

static void test_every_transition(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    for (int from = 0; from < RUN_STATES; from++)
        for (int action = 0; action < ACTIONS; action++) {
            struct err err;
            int64_t id = make(store, (enum run_state)from);
            int status = act(store, id, (enum action)action, &err);
            if (status != -(int)table[from][action].code ||
                state_of(store, id) != table[from][action].to)
                fail_msg("%s, action %d: %d, %s", run_state_names[from], action, status,
                         run_state_names[state_of(store, id)]);
        }
}

static void test_the_first_terminal_commit_wins(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct run_row row;
    int64_t id = make(store, RUN_RUNNING);
    assert_ok(store_attempt_end(store, id, 1, RUN_SUCCEEDED, "finished", "", &err), err);
    assert_ok(store_attempt_end(store, id, 1, RUN_FAILED, "lost", "late", &err), err);
    assert_ok(store_run_get(store, id, &row, &err), err);
    assert_int_equal(row.state, RUN_SUCCEEDED);
    assert_string_equal(row.reason, "");
    run_row_done(&row);

    /* An end of a former attempt doesn't touch the run's present one. */
    id = make(store, RUN_RUNNING);
    assert_ok(store_attempt_end(store, id, 1, RUN_QUEUED, "lost", "", &err), err);
    claim(store, id, 2);
    assert_ok(store_run_sql(store, SQL_ATTEMPT_ADD, NULL, &err, "iiit", id, (int64_t)9, (int64_t)1,
                            "train"),
              err);
    assert_ok(store_attempt_end(store, id, 9, RUN_FAILED, "lost", "", &err), err);
    assert_int_equal(state_of(store, id), RUN_RUNNING);
}

static void test_retry_gives_another_attempt(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct run_row row;
    int64_t id = make(store, RUN_QUEUED);
    for (int64_t attempt = 1; attempt <= 3; attempt++) {
        claim(store, id, attempt);
        assert_ok(store_attempt_end(store, id, attempt, attempt < 3 ? RUN_QUEUED : RUN_FAILED,
                                    "lost", "x", &err),
                  err);
    }
    assert_ok(store_run_retry(store, id, &err), err);
    assert_ok(store_run_get(store, id, &row, &err), err);
    assert_int_equal(row.max_attempts, 4);
    assert_int_equal(row.attempt, 3);
    assert_false(row.cancel);
    assert_string_equal(row.reason, "");
    run_row_done(&row);
    claim(store, id, 4);
    struct attempt_row *attempts = NULL;
    size_t n = 0;
    assert_ok(store_attempt_list(store, id, &attempts, &n, &err), err);
    assert_int_equal(n, 4);
    assert_string_equal(attempts[2].outcome, "lost");
    assert_int_equal(attempts[3].ended_at, 0);
    for (size_t i = 0; i < n; i++)
        free(attempts[i].environment);
    free(attempts);
}

static void test_the_queue_is_by_priority_then_age(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct queued_run *head = NULL;
    size_t n = 0;
    fixture_experiment(store, 2, 0, 1, false);
    fixture_experiment(store, 2, 5, 1, true);
    assert_ok(store_run_priority(store, 2, 9, &err), err);
    assert_ok(store_queue_head(store, 10, &head, &n, &err), err);
    const int64_t wanted[] = { 2, 3, 4, 1 };
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(head[i].id, wanted[i]);
    assert_true(head[1].exclusive && !head[0].exclusive);
    free(head);
    head = NULL;
    n = 0;
    assert_ok(store_queue_head(store, 1, &head, &n, &err), err);
    assert_int_equal(n, 1);
    free(head);
    struct queue_counts counts;
    claim(store, 3, 1);
    assert_ok(store_queue_pause(store, true, &err), err);
    assert_ok(store_queue_counts(store, &counts, &err), err);
    assert_int_equal(counts.queued, 3);
    assert_int_equal(counts.running, 1);
    assert_true(counts.paused);
    struct running_run *running = NULL;
    n = 0;
    assert_ok(store_attempt_pid(store, 3, 1, 4711, &err), err);
    assert_ok(store_run_cancel(store, 3, &err), err);
    assert_ok(store_run_running(store, &running, &n, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(running[0].run, 3);
    assert_int_equal(running[0].pid, 4711);
    assert_true(running[0].cancel && running[0].exclusive);
    free(running);
}

/* 30 runs in two experiments with losses, one without any, one that is not finite. */
static void fill(struct store *store)
{
    struct err err;
    for (int e = 0; e < 2; e++)
        fixture_experiment(store, 15, 0, 1, false);
    for (int64_t id = 1; id <= 30; id++) {
        claim(store, id, 1);
        if (id == 7)
            continue;
        const char *value = id == 8 ? "\"nan\"" : NULL;
        char number[32];
        snprintf(number, sizeof number, "%d.5", (int)(id * 7 % 10));
        assert_int_equal(
            fixture_event(store, id, 1,
                          "{\"type\":\"eval\",\"seq\":1,\"step\":%d,\"values\":{\"val/loss\":%s}}",
                          (int)id, value != NULL ? value : number),
            0);
        if (id % 3 == 0)
            assert_ok(
                store_attempt_end(store, id, 1, RUN_FAILED, "lost", "why: or not (really)", &err),
                err);
    }
}

/* Pages through a query and returns the ids in order. */
static size_t list(struct store *store, int64_t experiment, const char *filter, const char *order,
                   size_t page, int64_t *ids)
{
    char token[STORE_TOKEN_BYTES] = "";
    size_t n = 0;
    do {
        struct run_list got;
        struct err err;
        const struct run_query query = { experiment, filter, order, token, page };
        assert_ok(store_run_list(store, &query, &got, &err), err);
        assert_true(got.n <= page);
        for (size_t i = 0; i < got.n; i++)
            ids[n++] = got.items[i].id;
        assert_true(n <= 30);
        strcpy(token, got.next_page_token);
        run_list_done(&got);
    } while (token[0] != '\0');
    return n;
}

static void test_pages_hold_everything_once(void **state)
{
    static const char *const orders[] = { "",
                                          "-id",
                                          "metrics.val/loss",
                                          "-metrics.val/loss",
                                          "reason",
                                          "-reason desc",
                                          "state",
                                          "arm",
                                          "grid.data.seq_len",
                                          "tags.topic",
                                          "created_at",
                                          "step desc",
                                          "-metrics.val/loss,state,-id",
                                          "metrics.val/loss , seed desc",
                                          "state,-seed,arm desc" };
    struct store *store = ((struct fixture_base *)*state)->store;
    fill(store);
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        int64_t whole[32], paged[32];
        if (o == 5) { /* both "-" and " desc": refused */
            struct run_list got;
            struct err err;
            const struct run_query query = { 0, "", orders[o], "", 5 };
            assert_int_equal(store_run_list(store, &query, &got, &err), -ERR_BAD_PARAMETER);
            continue;
        }
        assert_int_equal(list(store, 0, "", orders[o], 100, whole), 30);
        for (size_t page = 1; page <= 7; page += 3) {
            assert_int_equal(list(store, 0, "", orders[o], page, paged), 30);
            assert_memory_equal(whole, paged, 30 * sizeof *whole);
        }
        bool seen[31] = { false };
        for (int i = 0; i < 30; i++)
            seen[whole[i]] = true;
        for (int i = 1; i <= 30; i++)
            assert_true(seen[i]);
        if (strstr(orders[o], "metrics") != NULL) /* without a finite value: last, both ways */
            assert_true((whole[28] == 7 && whole[29] == 8) || (whole[28] == 8 && whole[29] == 7));
    }
}

static void test_long_texts_page_too(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    char reason[300];
    fixture_experiment(store, 6, 0, 1, false);
    memset(reason, 'r', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    for (int64_t id = 1; id <= 6; id++) {
        reason[200] = (char)('a' + id);
        claim(store, id, 1);
        assert_ok(store_attempt_end(store, id, 1, RUN_FAILED, "x", reason, &err), err);
    }
    int64_t ids[32];
    assert_int_equal(list(store, 0, "", "reason", 1, ids), 6);
    assert_int_equal(list(store, 0, "", "-reason", 4, ids), 6);
}

static const struct {
    const char *filter;
    size_t n;
} filters[] = {
    { "", 30 },
    { "  ", 30 },
    { "state = failed", 10 },
    { "state = \"failed\" or state=running", 30 },
    { "not state = failed", 20 },
    { "not (state = failed and experiment = 1)", 25 },
    { "state = failed AND experiment = 2 Or id = 1", 6 },
    { "arm = a0", 2 },
    { "arm != 'a0'", 28 },
    { "seed >= 10 and seed < 12", 4 },
    { "metrics.val/loss < 1", 3 },
    { "metrics.val/loss.min < 1", 3 },
    { "metrics.val/loss.mean <= 0.5", 3 },
    { "metrics.val/accuracy > 0", 0 },
    { "grid.data.seq_len = 64", 30 },
    { "grid.data.seq_len != 64", 0 },
    { "tags.topic = dsa", 30 },
    { "tags.other != dsa", 30 },
    { "reason ~ \"or not (\"", 10 },
    { "reason ~ 'WHY'", 0 },
    { "created_at > 2020-01-01", 30 },
    { "created_at < 2020-01-01T00:00:00", 0 },
    { "arm = \"x' OR 1=1 --\"", 0 },
    { "arm = '\"; DROP TABLE runs; --'", 0 },
};

static void test_filters(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    fill(store);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        int64_t ids[32];
        size_t n = list(store, 0, filters[i].filter, "", 9, ids);
        if (n != filters[i].n)
            fail_msg("%s: %zu runs, not %zu", filters[i].filter, n, filters[i].n);
    }
    int64_t ids[32];
    assert_int_equal(list(store, 2, "state = failed", "-metrics.val/loss", 2, ids), 5);
}

/* However runs are found, by an index of the filter, along a metric or one by one: all of them, of
 * those of one experiment the same in the same order. */
static void test_every_way_finds_the_same(void **state)
{
    static const char *const orders[] = { "", "-id", "metrics.val/loss",
                                          "-metrics.val/loss,-seed,-id", "-state,seed" };
    struct store *store = ((struct fixture_base *)*state)->store;
    struct err err;
    struct run_row row;
    fill(store);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
            int64_t all[32], of[3][32];
            size_t n = list(store, 0, filters[i].filter, orders[o], 4, all), seen[3] = { 0 };
            for (int e = 1; e <= 2; e++)
                seen[0] += list(store, e, filters[i].filter, orders[o], 3, of[e]);
            assert_int_equal(seen[0], n);
            for (size_t k = 0; k < n; k++) {
                assert_ok(store_run_get(store, all[k], &row, &err), err);
                if (of[row.experiment][seen[row.experiment]++] != all[k])
                    fail_msg("%s by %s: run %lld", filters[i].filter, orders[o], (long long)all[k]);
                run_row_done(&row);
            }
        }
}

static void test_an_arm_that_looks_like_a_number(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    const struct new_run run = {
        .arm = "42", .grid = "{}", .spec = "{}", .digest = "d", .max_attempts = 1, .steps = 1
    };
    const struct new_experiment experiment = fixture_plain(&run, 1);
    int64_t ids[32];
    fixture_add(store, &experiment);
    assert_int_equal(list(store, 0, "arm = 42", "", 9, ids), 1);
    assert_int_equal(list(store, 0, "arm = \"42\"", "", 9, ids), 1);
    assert_int_equal(list(store, 0, "arm = 4.2e1", "", 9, ids), 0); /* a name, not a number */
}

static void test_bad_tokens_and_orders(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    static const struct run_query bad[] = {
        { 0, "", "", "nonsense", 5 },  { 0, "", "", "0123456789abcdef.1.i", 5 },
        { 0, "", "nosuch", "", 5 },    { 0, "", "id sideways", "", 5 },
        { 0, "", "grid.a\"b", "", 5 }, { 0, "", "tags.$[0]", "", 5 },
        { 0, "id =", "", "", 5 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct run_list got;
        struct err err;
        if (store_run_list(store, &bad[i], &got, &err) != -ERR_BAD_PARAMETER)
            fail_msg("%s %s %s: %s", bad[i].filter, bad[i].order_by, bad[i].page_token,
                     err.message);
    }
    /* A token is bound to its query. */
    fill(store);
    struct run_list got, other;
    struct err err;
    const struct run_query query = { 0, "", "-id", "", 5 };
    assert_ok(store_run_list(store, &query, &got, &err), err);
    const struct run_query changed = { 0, "state = failed", "-id", got.next_page_token, 5 };
    assert_int_equal(store_run_list(store, &changed, &other, &err), -ERR_BAD_PARAMETER);
    run_list_done(&got);
}

static int count_updates(unsigned what, void *n, void *statement, void *sql)
{
    (void)what;
    (void)statement;
    if (strncmp(sql, "UPDATE runs", strlen("UPDATE runs")) == 0)
        ++*(int *)n;
    return 0;
}

/* Asks it of the runs 1 to 40; how many statements it took to change them. */
static int ask_all(struct store *store, enum act what, int64_t changed)
{
    struct run_act act = { .act = what, .priority = 7, .n = 40, .key = "", .body_digest = "" };
    struct err err;
    int n = 0;
    act.ids = calloc(act.n, sizeof *act.ids);
    assert_non_null(act.ids);
    for (size_t i = 0; i < act.n; i++)
        act.ids[i] = (int64_t)i + 1;
    sqlite3_trace_v2(store->db, SQLITE_TRACE_STMT, count_updates, &n);
    assert_ok(store_act_slice(store, &act, &err), err);
    sqlite3_trace_v2(store->db, 0, NULL, NULL);
    assert_true(act.over);
    assert_int_equal(act.changed, changed);
    assert_int_equal(act.unchanged, (int64_t)act.n - changed);
    assert_int_equal(json_array_size(act.refused), act.unchanged);
    run_act_done(&act);
    return n;
}

/* What a statement may have to undo is copied page by page: one a run would take as many copies. */
static void test_many_are_changed_by_one_statement(void **state)
{
    struct store *store = ((struct fixture_base *)*state)->store;
    struct event_row *rows = NULL;
    struct err err;
    size_t n = 0, told = 0;
    fixture_experiment(store, 40, 0, 3, false);
    claim(store, 3, 1);
    assert_int_equal(ask_all(store, ACT_PRIORITY, 39), 1);
    assert_int_equal(ask_all(store, ACT_CANCEL, 40), 2); /* of the one that trains by itself */
    assert_int_equal(state_of(store, 3), RUN_RUNNING);
    assert_int_equal(state_of(store, 40), RUN_CANCELLED);
    assert_ok(store_events_flush(store, &rows, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        told += rows[i].kind == EVENT_RUN;
        event_row_done(&rows[i]);
    }
    free(rows);
    assert_int_equal(told, 40);
    assert_int_equal(ask_all(store, ACT_CANCEL, 1), 1);
    assert_int_equal(ask_all(store, ACT_RETRY, 39), 1);
    assert_int_equal(state_of(store, 40), RUN_QUEUED);
}

#define UNIT(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, fixture_base_set_up, fixture_base_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(test_every_transition),
        UNIT(test_many_are_changed_by_one_statement),
        UNIT(test_the_first_terminal_commit_wins),
        UNIT(test_retry_gives_another_attempt),
        UNIT(test_the_queue_is_by_priority_then_age),
        UNIT(test_pages_hold_everything_once),
        UNIT(test_long_texts_page_too),
        UNIT(test_filters),
        UNIT(test_every_way_finds_the_same),
        UNIT(test_an_arm_that_looks_like_a_number),
        UNIT(test_bad_tokens_and_orders),
    };
    return cmocka_run_group_tests_name("store_runs", tests, NULL, NULL);
}
