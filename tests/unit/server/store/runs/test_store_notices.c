/* Notices: each end of an experiment makes one of each channel, and each is tried as often as it
 * may, no matter when the daemon dies. */
#include "tests/unit/server/fixture.h"

#include "server/store/runs/store_notices.h"
#include "server/store/runs/store_purge.h"
#include "server/store/store_priv.h"

enum { AGAIN = 1000 };

static void ended(struct store *store, int64_t experiment, int64_t at)
{
    char text[200];
    struct err err;
    snprintf(text, sizeof text,
             "UPDATE runs SET state = 'succeeded', ended_at = %lld WHERE experiment = %lld",
             (long long)at, (long long)experiment);
    assert_ok(store_execute(store, text, &err), err);
    assert_ok(store_notice_add(store, experiment, NOTICE_WEBHOOK, &err), err);
}

static struct notice claim(struct store *store, int64_t now)
{
    struct notice notice;
    struct err err;
    assert_ok(store_notice_claim(store, NOTICE_WEBHOOK, now, AGAIN, &notice, &err), err);
    return notice;
}

static void settle(struct store *store, int64_t id, int64_t next)
{
    struct err err;
    assert_ok(store_notice_settle(store, id, next, "said", &err), err);
}

static void test_once(void **state)
{
    char folder[64];
    struct err err;
    (void)state;
    fixture_folder(folder);
    struct store *store = fixture_store(folder);
    int64_t id = fixture_experiment(store, 2, 0, 3, false), now = clock_wall_ms();
    assert_int_equal(claim(store, now).id, 0);
    assert_int_equal(claim(store, now).next_at, 0);
    ended(store, id, 5);
    ended(store, id, 5); /* the same end */
    assert_ok(store_notice_add(store, id, NOTICE_COMMAND, &err), err);
    now = clock_wall_ms();
    struct notice one = claim(store, now);
    assert_int_equal(one.experiment, id);
    assert_int_equal(one.ended_at, 5);
    assert_int_equal(one.attempts, 1);
    settle(store, one.id, 0);
    assert_int_equal(claim(store, INT64_MAX / 2).id, 0); /* the other channel's isn't ours */
    ended(store, id, 6);                                 /* it was retried, and has ended again */
    struct notice two = claim(store, clock_wall_ms());
    assert_int_equal(two.ended_at, 6);
    assert_true(two.id > one.id);
    store_close(store);
    fixture_remove_folder(folder);
}

static void test_again(void **state)
{
    char folder[64];
    struct err err;
    (void)state;
    fixture_folder(folder);
    struct store *store = fixture_store(folder);
    int64_t first = fixture_experiment(store, 1, 0, 3, false),
            second = fixture_experiment(store, 1, 0, 3, false);
    ended(store, first, 5);
    int64_t now = clock_wall_ms();
    struct notice one = claim(store, now);
    assert_int_equal(claim(store, now).id, 0); /* it is under way */
    assert_int_equal(claim(store, now).next_at, now + AGAIN);
    ended(store, second, 5);
    now = clock_wall_ms();
    assert_int_equal(claim(store, now).experiment, second); /* one that waits holds up no other */
    /* Nobody has settled it: the daemon has died. The next one doesn't wait. */
    assert_ok(store_notices_hurry(store, NOTICE_COMMAND, now, &err), err);
    assert_int_equal(claim(store, now).id, 0);
    assert_ok(store_notices_hurry(store, NOTICE_WEBHOOK, now, &err), err);
    struct notice again = claim(store, now);
    assert_int_equal(again.id, one.id);
    assert_int_equal(again.attempts, 2);
    settle(store, one.id, now + 7);
    assert_int_equal(claim(store, now + 6).experiment, second);
    again = claim(store, now + 7);
    assert_int_equal(again.id, one.id);
    assert_int_equal(again.attempts, 3);
    /* A clock that was set back doesn't keep it for ever. */
    settle(store, one.id, now + NOTICE_HORIZON_MS);
    settle(store, again.id + 1, 0);
    assert_int_equal(claim(store, now).id, one.id);
    store_close(store);
    fixture_remove_folder(folder);
}

static void test_purged(void **state)
{
    char folder[64];
    struct err err;
    (void)state;
    fixture_folder(folder);
    struct store *store = fixture_store(folder);
    int64_t id = fixture_experiment(store, 1, 0, 3, false);
    ended(store, id, 5);
    assert_ok(store_execute(store, "DELETE FROM runs", &err), err);
    assert_ok(store_purge_experiment(store, id, &err), err);
    assert_int_equal(claim(store, clock_wall_ms()).id, 0);
    store_close(store);
    fixture_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_purged),
    };
    return cmocka_run_group_tests_name("notices", tests, NULL, NULL);
}
