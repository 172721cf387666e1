/* Queue and store together: exclusive runs go one by one in the order of their arms, beside
 * nothing, whatever else waits, and nobody waits for ever. */
#include "server/runs/queue.h"
#include "tests/unit/server/fixture.h"

enum { SLOTS = 3, RUNS = 24 };

struct going {
    struct queued_run run;
    int64_t attempt;
};

struct rig {
    char folder[64];
    struct store *store;
    struct going going[SLOTS];
    size_t going_n;
    int64_t order[RUNS]; /* runs as they were claimed; a verification's negative */
    size_t order_n;
};

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct err err;
    fixture_folder(r->folder);
    r->store = fixture_store(r->folder);
    assert_ok(store_begin(r->store, &err), err);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    store_close(r->store);
    fixture_remove_folder(r->folder);
    free(r);
    return 0;
}

/* As the supervisor does it. */
static void claim(struct rig *r)
{
    struct queue_load load = { 0 };
    struct queued_run *head = NULL;
    size_t n = 0, chosen[SLOTS];
    struct err err;
    for (size_t i = 0; i < r->going_n; i++) {
        load.running++;
        load.exclusive |= r->going[i].run.exclusive;
    }
    assert_ok(store_queue_head(r->store, SLOTS, &head, &n, &err), err);
    n = queue_choose(&(struct queue_limits){ SLOTS, INT64_MAX, false }, &load, head, n, chosen);
    for (size_t i = 0; i < n; i++) {
        const struct queued_run *run = &head[chosen[i]];
        struct claim claimed;
        assert_ok((run->verify ? store_verify_claim : store_run_claim)(r->store, run->id, "00",
                                                                       &claimed, &err),
                  err);
        r->going[r->going_n++] = (struct going){ *run, claimed.attempt };
        claim_done(&claimed);
        r->order[r->order_n++] = run->verify ? -run->id : run->id;
    }
    free(head);
    for (size_t i = 0; i < r->going_n; i++)
        assert_true(!r->going[i].run.exclusive || r->going_n == 1);
}

static void end_first(struct rig *r)
{
    struct err err;
    assert_true(r->going_n > 0);
    assert_ok(store_attempt_end(r->store, r->going[0].run.id, r->going[0].attempt, RUN_SUCCEEDED,
                                "finished", "", &err),
              err);
    r->going_n--;
    memmove(r->going, r->going + 1, r->going_n * sizeof *r->going);
}

static void rounds(struct rig *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        claim(r);
        if (r->going_n == 0)
            return;
        end_first(r);
    }
}

/* A step, so that there is something to verify. */
static void one_step(struct rig *r, int64_t run)
{
    static const char line[] =
        "{\"type\":\"metrics\",\"seq\":1,\"names\":[\"train/loss\"],\"rows\":"
        "[[1,2.5]]}";
    struct wire_message message;
    struct err err = { 0 };
    uint64_t acked;
    assert_ok(wire_decode(line, sizeof line - 1, &message, &err), err);
    assert_ok(store_event_apply(r->store, run, 1, &message, &acked, &err), err);
    wire_message_done(&message);
}

static void test_exclusive_runs(void **state)
{
    struct rig *r = *state;
    struct err err;
    fixture_experiment(r->store, 2, 0, 1, false); /* 1, 2 */
    claim(r);
    one_step(r, 1);
    fixture_experiment(r->store, 4, 0, 1, true);  /* 3 … 6 wait for both */
    fixture_experiment(r->store, 2, 0, 1, false); /* 7, 8 don't overtake them */
    rounds(r, 3);
    assert_ok(store_run_verify(r->store, 1, &err), err);
    rounds(r, 1);
    fixture_experiment(r->store, 4, 5, 1, false); /* 9 … 12: a higher priority goes first … */
    rounds(r, RUNS);
    /* … but never beside an exclusive one; the verification stands where its run does */
    static const int64_t want[] = { 1, 2, 3, -1, 9, 10, 11, 12, 4, 5, 6, 7, 8 };
    assert_int_equal(r->order_n, sizeof want / sizeof *want);
    for (size_t i = 0; i < r->order_n; i++)
        assert_int_equal(r->order[i], want[i]);
}

/* A run that failed and is tried again stands in its old place, among the same arms. */
static void test_a_retry_keeps_its_place(void **state)
{
    struct rig *r = *state;
    struct err err;
    fixture_experiment(r->store, 4, 0, 2, true);
    claim(r);
    assert_ok(store_attempt_end(r->store, 1, 1, RUN_QUEUED, "lost", "", &err), err);
    r->going_n = 0;
    rounds(r, RUNS);
    static const int64_t want[] = { 1, 1, 2, 3, 4 };
    assert_int_equal(r->order_n, sizeof want / sizeof *want);
    for (size_t i = 0; i < r->order_n; i++)
        assert_int_equal(r->order[i], want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exclusive_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_retry_keeps_its_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
