/* What is believed of folders: whose a run's is, which ids they take, whether the data folder is
 * still the daemon's, and that a fault of theirs is neither a death nor an end. */
#include "common/base/files.h"
#include "server/feed/event_ids.h"
#include "server/retention/compact.h"
#include "server/retention/purge.h"
#include "server/runs/attempt.h"
#include "server/runs/forgotten.h"
#include "server/runs/owner.h"
#include "server/store/store_priv.h"
#include "tests/unit/server/fixture.h"

#include <sys/stat.h>

struct base {
    struct fixture_base base; /* the store, in the folder's ablate.db */
    struct datadir datadir;
};

static int set_up(void **state)
{
    struct base *b = fixture_base_new(sizeof *b);
    struct err err;
    assert_ok(datadir_open(b->base.folder, &b->datadir, &err), err);
    fixture_experiment(b->base.store, 2, 0, 3, false);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    datadir_done(&((struct base *)*state)->datadir);
    return fixture_base_tear_down(state);
}

static const char *path(const struct base *b, const char *name)
{
    static char text[PATH_MAX];
    snprintf(text, sizeof text, "%s/%s", b->base.folder, name);
    return text;
}

static void put(const struct base *b, const char *name, const char *text)
{
    struct err err;
    assert_ok(files_write(path(b, name), text, strlen(text), 0600, &err), err);
}

static void make(const struct base *b, const char *name)
{
    struct err err;
    assert_ok(files_make_folder(path(b, name), &err), err);
}

static enum owner owner_of(const struct base *b, const struct run_origin *run)
{
    enum owner found;
    struct err err;
    assert_ok(owner_look(&b->datadir, run, &found, &err), err);
    return found;
}

static const struct run_origin run_1 = {
    .database = { .id = "0123456789abcdef0123456789abcdef", .made_at = 1000 },
    .run = 1,
    .created_at = 2000,
    .digest = "d",
    .spec = "{\"a\":1}",
};

static void test_a_folder_says_whose_it_is(void **state)
{
    const struct base *b = *state;
    struct run_origin others[4] = { run_1, run_1, run_1, run_1 };
    char aside[PATH_MAX];
    struct err err;
    assert_int_equal(owner_of(b, &run_1), OWNER_NOBODY);
    assert_ok(owner_take(&b->datadir, &run_1, aside, &err), err);
    assert_string_equal(aside, "");
    assert_int_equal(owner_of(b, &run_1), OWNER_RUN);
    assert_ok(owner_take(&b->datadir, &run_1, aside, &err), err);
    assert_string_equal(aside, "");
    others[0].database.id[0] = 'f';
    others[1].digest[0] = 'e';
    others[2].created_at++;
    others[3].created_at = 500; /* as old as folders that say nothing: this one does */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(owner_of(b, &others[i]), OWNER_STRANGER);
    put(b, "runs/1/kept", "x");
    assert_ok(owner_take(&b->datadir, &others[0], aside, &err), err);
    assert_non_null(strstr(aside, "/runs/1.stranger-"));
    strcat(aside, "/kept");
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(access(path(b, "runs/1/kept"), F_OK), -1);
    assert_int_equal(owner_of(b, &others[0]), OWNER_RUN);
}

/* Of before there were identities, or from a backup. */
static void test_a_folder_that_says_nothing(void **state)
{
    const struct base *b = *state;
    struct run_origin old = run_1;
    char aside[PATH_MAX];
    struct err err;
    old.created_at = 1000;
    make(b, "runs/1");
    put(b, "runs/1/owner.json.tmp", "{"); /* a daemon died over it */
    assert_int_equal(owner_of(b, &run_1), OWNER_NOBODY);
    put(b, "runs/1/spec.json", old.spec);
    assert_int_equal(owner_of(b, &run_1), OWNER_STRANGER);
    assert_int_equal(owner_of(b, &old), OWNER_RUN);
    old.spec = "{\"a\":2}";
    assert_int_equal(owner_of(b, &old), OWNER_STRANGER);
    old.spec = run_1.spec;
    assert_ok(owner_take(&b->datadir, &old, aside, &err), err);
    assert_string_equal(aside, "");
    assert_int_equal(access(path(b, "runs/1/owner.json"), F_OK), 0); /* from now on it does */
    assert_int_equal(owner_of(b, &old), OWNER_RUN);
    old.spec = "{\"a\":2}";
    assert_int_equal(owner_of(b, &old), OWNER_RUN);
}

static void test_ids_of_folders_are_passed_over(void **state)
{
    const struct base *b = *state;
    static const char *const stray[] = { "runs/9223372036854775807",
                                         "runs/9223372036854775808",
                                         "runs/4294967299",
                                         "runs/007",
                                         "runs/8x",
                                         "runs/5.stranger-00" };
    int64_t last = -1;
    struct err err;
    for (size_t i = 0; i < sizeof stray / sizeof *stray; i++)
        make(b, stray[i]);
    make(b, "runs/2");
    put(b, "runs/6", "a file");
    assert_ok(forgotten_runs(b->base.store, &b->datadir, &last, &err), err);
    assert_int_equal(last, 0);
    make(b, "runs/4");
    assert_ok(forgotten_runs(b->base.store, &b->datadir, &last, &err), err);
    assert_int_equal(last, 4);
    make(b, "runs/4294967298"); /* 2^32 after the last one given */
    assert_ok(forgotten_runs(b->base.store, &b->datadir, &last, &err), err);
    assert_int_equal(last, 4294967298);
}

static struct event_ids given_at_start(const struct base *b)
{
    struct event_ids given;
    struct err err;
    assert_ok(event_ids_look(b->base.store, &b->datadir, false, &given, &err), err);
    return given;
}

static void leap(const struct base *b, int64_t by)
{
    struct err err;
    assert_ok(store_events_leap(b->base.store, by, &err), err);
}

static void test_ids_of_events_are_given_once(void **state)
{
    const struct base *b = *state;
    struct store *store = b->base.store;
    struct event_ids given = given_at_start(b);
    struct err err;
    int64_t newest = 0;
    assert_int_equal(given.past, 0); /* a new folder */
    leap(b, 100);
    assert_int_equal(given_at_start(b).past, STORE_LEAP_LOST + 100); /* one that says nothing */
    assert_false(given_at_start(b).strange);
    assert_ok(event_ids_note(&given, store, &b->datadir, &err), err);
    assert_int_equal(given.id, EVENT_IDS_STEP);
    leap(b, EVENT_IDS_STEP - 101);
    assert_ok(event_ids_note(&given, store, &b->datadir, &err), err);
    assert_int_equal(given.id, EVENT_IDS_STEP);
    leap(b, 1);
    assert_ok(event_ids_note(&given, store, &b->datadir, &err), err);
    assert_int_equal(given.id, 2 * EVENT_IDS_STEP);
    assert_int_equal(given_at_start(b).past,
                     2 * EVENT_IDS_STEP); /* a death: beyond all that was given */
    event_ids_end(&given, &b->datadir);
    assert_int_equal(given_at_start(b).past, 0); /* a clean end */
    leap(b, -40);
    given = given_at_start(b); /* an older state */
    assert_int_equal(given.past, EVENT_IDS_STEP + 1);
    assert_false(given.strange);
    event_ids_end(&given, &b->datadir); /* that ended before it was passed over */
    assert_int_equal(given_at_start(b).past, EVENT_IDS_STEP + 1);
    for (int i = 0; i < 2; i++) /* before every commit, but once is enough */
        assert_ok(event_ids_pass(&given, store, &err), err);
    assert_ok(event_ids_note(&given, store, &b->datadir, &err), err);
    assert_int_equal(given.newest, EVENT_IDS_STEP + 1);
    leap(b, EVENT_IDS_STEP);
    given = given_at_start(b); /* beyond all that a daemon of this folder gave */
    assert_true(given.strange);
    assert_int_equal(given.past, STORE_LEAP_LOST + 2 * EVENT_IDS_STEP + 1);
    assert_ok(event_ids_note(&given, store, &b->datadir, &err), err);
    leap(b, -1000);
    assert_ok(store_execute(store, "UPDATE identity SET id = 'another'", &err), err);
    given = given_at_start(b);
    assert_true(given.strange);
    assert_ok(event_ids_pass(&given, store, &err), err);
    assert_ok(store_as_of(store, &newest, &err), err);
    assert_int_equal(newest, given.id + STORE_LEAP_LOST);
}

static void test_the_data_folder_is_the_one_that_was_opened(void **state)
{
    struct base *b = *state;
    char moved[80], runs[100], aside[100];
    struct err err;
    snprintf(moved, sizeof moved, "%s-moved", b->base.folder);
    snprintf(runs, sizeof runs, "%s/runs", b->base.folder);
    snprintf(aside, sizeof aside, "%s/aside", b->base.folder);
    assert_int_equal(datadir_look(&b->datadir), DATADIR_HERE);
    assert_ok(datadir_check(&b->datadir, &err), err);
    assert_int_equal(rename(runs, aside), 0);
    assert_int_equal(datadir_look(&b->datadir), DATADIR_UNREADABLE);
    assert_int_equal(rename(aside, runs), 0);
    assert_int_equal(rename(b->base.folder, moved), 0);
    assert_int_equal(datadir_look(&b->datadir), DATADIR_MOVED);
    /* Another daemon's there. */
    struct datadir other;
    assert_ok(datadir_open(b->base.folder, &other, &err), err);
    assert_int_equal(datadir_look(&b->datadir), DATADIR_MOVED);
    assert_int_equal(datadir_look(&other), DATADIR_HERE);
    assert_int_equal(datadir_check(&b->datadir, &err), -ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "folder_moved: "));
    assert_true(datadir_hold(&b->datadir, &err) < 0);
    assert_ok(datadir_set_address(&other, "http://it", &err), err);
    assert_ok(datadir_set_unclean(&other, true, &err), err);
    assert_ok(datadir_set_address(&b->datadir, NULL, &err), err);
    assert_ok(datadir_set_unclean(&b->datadir, false, &err), err);
    assert_int_equal(access(path(b, "address"), F_OK), 0);
    assert_int_equal(access(path(b, "unclean"), F_OK), 0);
    datadir_done(&other);
    fixture_remove_folder(b->base.folder);
    assert_int_equal(rename(moved, b->base.folder), 0);
    assert_int_equal(datadir_look(&b->datadir), DATADIR_HERE);
}

static struct claim claim(struct base *b)
{
    struct claim claim;
    struct err err;
    char aside[PATH_MAX];
    int log = -1;
    assert_ok(store_run_claim(b->base.store, 1, "00", &claim, &err), err);
    assert_ok(owner_take(&b->datadir, &claim.origin, aside, &err), err);
    assert_ok(attempt_prepare(&b->datadir, &claim, 1, &log, &err), err);
    close(log);
    return claim;
}

static int settle(struct base *b, struct attempt_found *found, struct err *err)
{
    const struct attempt_end end = { 0 };
    *err = (struct err){ 0 };
    return attempt_settle(b->base.store, &b->datadir, 1, 1, &end, found, err);
}

#define FINISHED                                                                                   \
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{}}\n"                             \
    "{\"type\":\"finished\",\"seq\":2,\"step\":100,\"artifacts\":[]}\n"

/* The attempt is settled, and its run is then of this state. */
static void assert_settles(struct base *b, struct attempt_found *found, enum run_state state)
{
    struct run_row row;
    struct err err;
    assert_ok(settle(b, found, &err), err);
    assert_ok(store_run_get(b->base.store, 1, &row, &err), err);
    assert_int_equal(row.state, state);
    run_row_done(&row);
}

/* Who can't be looked at may live: that is no end, and is asked again. */
static void test_what_cannot_be_read_is_not_settled(void **state)
{
    struct base *b = *state;
    struct attempt_found found;
    struct err err;
    struct claim made = claim(b);
    put(b, "runs/1/attempts/1/events.ndjson", FINISHED);
    assert_int_equal(symlink("nowhere", path(b, "runs/1/attempts/1/lock")), 0);
    assert_int_equal(settle(b, &found, &err), -ERR_UNAVAILABLE);
    assert_int_equal(unlink(path(b, "runs/1/attempts/1/lock")), 0);
    char moved[80];
    snprintf(moved, sizeof moved, "%s-moved", b->base.folder);
    assert_int_equal(rename(b->base.folder, moved), 0);
    assert_int_equal(settle(b, &found, &err), -ERR_UNAVAILABLE);
    assert_int_equal(rename(moved, b->base.folder), 0);
    assert_settles(b, &found, RUN_SUCCEEDED);
    claim_done(&made);
}

static void test_a_strangers_events_are_nobodys(void **state)
{
    struct base *b = *state;
    struct attempt_found found;
    struct claim made = claim(b);
    put(b, "runs/1/attempts/1/events.ndjson", FINISHED);
    put(b, "runs/1/owner.json", "{\"database\":\"another\"}\n");
    assert_settles(b, &found, RUN_QUEUED);
    assert_non_null(strstr(found.verdict.reason, "one of another run or database"));
    claim_done(&made);
}

/* The trainer gave up on its storage: another attempt follows while there is one. */
static void test_a_fault_of_the_storage_counts_as_a_crash(void **state)
{
    struct base *b = *state;
    struct run_row row;
    struct err err;
    for (int64_t attempt = 1; attempt <= 3; attempt++) {
        struct claim made;
        assert_ok(store_run_claim(b->base.store, 1, "00", &made, &err), err);
        assert_int_equal(made.attempt, attempt);
        claim_done(&made);
        assert_int_equal(fixture_event(b->base.store, 1, attempt,
                                       "{\"type\":\"failed\",\"seq\":1,\"reason\":\"storage\","
                                       "\"detail\":\"can't create it\"}"),
                         0);
        assert_ok(store_run_get(b->base.store, 1, &row, &err), err);
        assert_int_equal(row.state, attempt < 3 ? RUN_QUEUED : RUN_FAILED);
        assert_string_equal(row.reason, attempt == 1   ? "storage: can't create it; attempt 2 of 3 "
                                                         "follows"
                                        : attempt == 2 ? "storage: can't create it; attempt 3 of "
                                                         "3 follows"
                                                       : "storage: can't create it");
        run_row_done(&row);
    }
}

static bool there(const struct base *b, const char *name)
{
    return access(path(b, name), F_OK) == 0;
}

static int64_t size_of(const struct base *b, const char *name)
{
    struct stat info;
    assert_int_equal(stat(path(b, name), &info), 0);
    return info.st_size;
}

/* Another database's run of the same id lies there: only ours goes. */
static void test_a_purge_leaves_strangers_alone(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct claim ours = { 0 };
    struct err err;
    char aside[PATH_MAX];
    int64_t n = 0;
    make(b, "runs/1");
    put(b, "runs/1/owner.json", "{\"database\":\"another\"}\n");
    assert_ok(store_run_claim(store, 2, "00", &ours, &err), err);
    assert_ok(owner_take(&b->datadir, &ours.origin, aside, &err), err);
    assert_ok(store_attempt_end(store, 2, 1, RUN_SUCCEEDED, "finished", "", &err), err);
    assert_ok(store_experiment_delete(store, 1, &(struct run_slice){ 0 }, &err), err);
    assert_ok(store_commit(store, &err), err);
    assert_ok(purge_all(store, &b->datadir, &n, &err), err);
    assert_ok(store_begin(store, &err), err);
    assert_int_equal(n, 1);
    assert_true(there(b, "runs/1/owner.json"));
    assert_false(there(b, "runs/2"));
    claim_done(&ours);
}

/* The same of files whose events are stored; there is nothing to ask for again. */
static void test_compaction_leaves_strangers_alone(void **state)
{
    struct base *b = *state;
    struct store *store = b->base.store;
    struct compact compact = { 0 };
    struct err err;
    static const char events[] = "{\"type\":\"started\",\"seq\":1}\n";
    char name[64];
    for (int64_t run = 1; run <= 2; run++) {
        struct claim made;
        char aside[PATH_MAX];
        assert_ok(store_run_claim(store, run, "00", &made, &err), err);
        assert_ok(owner_take(&b->datadir, &made.origin, aside, &err), err);
        claim_done(&made);
        assert_int_equal(fixture_event(store, run, 1,
                                       "{\"type\":\"started\",\"seq\":1,\"step\":0,"
                                       "\"environment\":{}}"),
                         0);
        assert_ok(store_attempt_end(store, run, 1, RUN_SUCCEEDED, "", "", &err), err);
        snprintf(name, sizeof name, "runs/%lld/attempts/1", (long long)run);
        make(b, name);
        strcat(name, "/events.ndjson");
        put(b, name, events);
    }
    put(b, "runs/1/owner.json", "{\"database\":\"another\"}\n");
    int64_t later = clock_wall_ms() + 1000;
    assert_ok(compact_list(&compact, store, &b->datadir, later, &err), err);
    assert_int_equal(compact.n, 2);
    assert_ok(compact_files_of(&compact, &b->datadir, &err), err);
    assert_ok(compact_mark(&compact, store, &err), err);
    assert_int_equal(size_of(b, "runs/1/attempts/1/events.ndjson"), sizeof events - 1);
    assert_int_equal(size_of(b, "runs/2/attempts/1/events.ndjson"), 0);
    assert_ok(compact_list(&compact, store, &b->datadir, later, &err), err);
    assert_int_equal(compact.n, 0);
    compact_done(&compact);
}

static void test_a_path_is_utf8(void **state)
{
    const struct base *b = *state;
    struct datadir datadir;
    struct err err;
    char name[80];
    snprintf(name, sizeof name, "%s/tmp/\xff/data", b->base.folder);
    assert_int_equal(datadir_open(name, &datadir, &err), -ERR_USAGE);
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_int_equal(rmdir(path(b, "tmp")), 0); /* nothing is left in it */
    make(b, "tmp/\xc3\xa9");
    assert_ok(datadir_open(path(b, "tmp/\xc3\xa9"), &datadir, &err), err);
    datadir_done(&datadir);
}

/* What a refused start has written beside a database that was there is part of it. */
static void test_a_refused_start_leaves_a_database_whole(void **state)
{
    (void)state;
    struct base b = { 0 };
    struct err err;
    char folder[64];
    fixture_folder(folder);
    snprintf(b.base.folder, sizeof b.base.folder, "%s", folder);
    put(&b, "ablate.db", "x");
    assert_ok(datadir_open(folder, &b.datadir, &err), err);
    put(&b, "ablate.db-wal", "committed");
    assert_true(there(&b, "token"));
    datadir_undo(&b.datadir);
    assert_true(there(&b, "ablate.db") && there(&b, "ablate.db-wal"));
    assert_false(there(&b, "token") || there(&b, "lock"));
    fixture_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(test_a_folder_says_whose_it_is),
        TEST(test_a_folder_that_says_nothing),
        TEST(test_ids_of_folders_are_passed_over),
        TEST(test_ids_of_events_are_given_once),
        TEST(test_the_data_folder_is_the_one_that_was_opened),
        TEST(test_what_cannot_be_read_is_not_settled),
        TEST(test_a_strangers_events_are_nobodys),
        TEST(test_a_fault_of_the_storage_counts_as_a_crash),
        TEST(test_a_purge_leaves_strangers_alone),
        TEST(test_compaction_leaves_strangers_alone),
        TEST(test_a_path_is_utf8),
        cmocka_unit_test(test_a_refused_start_leaves_a_database_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
