/* Which runs' checkpoints go, and how: set aside by whom no attempt can meet, through no link, with
 * trouble passed over and tried again. */
#include "tests/unit/server/fixture.h"

#include "common/base/files.h"
#include "server/data/import/import.h"
#include "server/retention/collect.h"
#include "server/runs/owner.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/store_datasets.h"
#include "server/store/store_priv.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { HOUR_MS = 3600000, RUNS = 3 };

struct world {
    struct fixture_base base;
    struct datadir datadir;
    struct collect collect;
};

static int set_up(void **state)
{
    struct world *w = fixture_base_new(sizeof *w);
    struct err err;
    assert_ok(datadir_open(w->base.folder, &w->datadir, &err), err);
    fixture_experiment(w->base.store, RUNS, 0, 1, false);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    datadir_done(&w->datadir);
    fixture_base_free(w);
    return 0;
}

static const char *path(const struct world *w, const char *below)
{
    static char text[4][192];
    static int turn;
    char *to = text[turn++ % 4];
    snprintf(to, sizeof text[0], "%s/%s", w->base.folder, below);
    return to;
}

static bool there(const struct world *w, const char *below)
{
    struct stat info;
    return lstat(path(w, below), &info) == 0;
}

static void make_folder(const struct world *w, const char *below)
{
    struct err err;
    assert_ok(files_make_folder(path(w, below), &err), err);
}

static void make_file(const struct world *w, const char *below)
{
    struct err err;
    assert_ok(files_write(path(w, below), "x", 1, 0600, &err), err);
}

static void make_checkpoints(const struct world *w, int64_t run)
{
    char below[64];
    snprintf(below, sizeof below, "runs/%lld/checkpoints", (long long)run);
    make_folder(w, below);
    snprintf(below, sizeof below, "runs/%lld/checkpoints/step-20.safetensors", (long long)run);
    make_file(w, below);
}

/* An attempt of a run that leaves a checkpoint and ends so. */
static void train(struct world *w, int64_t run, int64_t attempt, enum run_state end)
{
    struct claim claim = { 0 };
    struct err err;
    char aside[PATH_MAX];
    assert_ok(store_run_claim(w->base.store, run, "t", &claim, &err), err);
    assert_ok(owner_take(&w->datadir, &claim.origin, aside, &err), err);
    claim_done(&claim);
    make_checkpoints(w, run);
    assert_int_equal(fixture_event(w->base.store, run, attempt,
                                   "{\"type\":\"checkpoint\",\"seq\":1,\"step\":20,\"file\":"
                                   "\"checkpoints/step-20.safetensors\",\"bytes\":1,\"sha256\":"
                                   "\"%064d\"}",
                                   0),
                     0);
    if (end != RUN_RUNNING)
        assert_ok(store_attempt_end(w->base.store, run, attempt, end, "", "", &err), err);
}

/* Everything that ended before a moment that lies so far ahead. */
static size_t collect(struct world *w, int64_t ahead_ms)
{
    struct err err;
    w->collect = (struct collect){ 0 };
    do
        assert_ok(collect_checkpoints(&w->collect, w->base.store, &w->datadir,
                                      clock_wall_ms() + ahead_ms, &err),
                  err);
    while (w->collect.more);
    return w->collect.n;
}

static int64_t removals(struct world *w)
{
    int64_t n = -1;
    assert_int_equal(store_read_int(w->base.store,
                                    "SELECT count(*) FROM history WHERE what = 'checkpoints "
                                    "removed'",
                                    &n, NULL),
                     0);
    return n;
}

static void test_of_runs_that_ended_some_time_ago(void **state)
{
    struct world *w = *state;
    struct err err;
    size_t left = 9;
    train(w, 1, 1, RUN_SUCCEEDED);
    train(w, 2, 1, RUN_RUNNING);
    train(w, 3, 1, RUN_FAILED);
    assert_int_equal(collect(w, -HOUR_MS), 0); /* as long as they may be retried */
    assert_int_equal(collect(w, HOUR_MS), 2);
    assert_true(!there(w, "runs/1/checkpoints") && !there(w, "runs/3/checkpoints"));
    assert_true(there(w, "runs/2/checkpoints/step-20.safetensors"));
    assert_true(there(w, "tmp/gone-checkpoints-1/step-20.safetensors")); /* the pool's work */
    assert_ok(collect_remove(&w->datadir, &left, &err), err);
    assert_int_equal(left, 0);
    assert_false(there(w, "tmp/gone-checkpoints-1"));
    assert_int_equal(collect(w, HOUR_MS), 0);
    assert_int_equal(removals(w), 2);
}

static void test_a_run_that_is_retried_keeps_what_it_leaves(void **state)
{
    struct world *w = *state;
    struct err err;
    train(w, 1, 1, RUN_FAILED);
    assert_ok(store_run_retry(w->base.store, 1, &err), err);
    assert_int_equal(collect(w, HOUR_MS), 0); /* queued: its next attempt needs them */
    train(w, 1, 2, RUN_FAILED);
    assert_int_equal(collect(w, HOUR_MS), 1);
    assert_ok(collect_remove(&w->datadir, NULL, &err), err);
    assert_ok(store_run_retry(w->base.store, 1, &err), err);
    train(w, 1, 3, RUN_SUCCEEDED); /* brings others, which go in their time */
    assert_int_equal(collect(w, HOUR_MS), 1);
    assert_int_equal(removals(w), 2);
}

static void test_no_link_is_followed(void **state)
{
    struct world *w = *state;
    struct err err;
    make_folder(w, "outside/checkpoints");
    make_file(w, "outside/checkpoints/kept");
    for (int64_t run = 1; run <= RUNS; run++)
        train(w, run, 1, RUN_SUCCEEDED);
    assert_int_equal(rename(path(w, "runs/1"), path(w, "away")), 0);
    assert_int_equal(symlink(path(w, "outside"), path(w, "runs/1")), 0);
    fixture_remove_folder(path(w, "runs/2/checkpoints"));
    assert_int_equal(symlink(path(w, "outside/checkpoints"), path(w, "runs/2/checkpoints")), 0);
    assert_int_equal(collect(w, HOUR_MS), 2); /* the link itself, and run 3 behind both */
    assert_ok(collect_remove(&w->datadir, NULL, &err), err);
    assert_true(there(w, "outside/checkpoints/kept"));
    assert_true(!there(w, "runs/2/checkpoints") && !there(w, "runs/3/checkpoints"));
    assert_non_null(strstr(w->collect.trouble.message, "/runs/1"));

    assert_int_equal(unlink(path(w, "runs/1")), 0);
    assert_int_equal(rename(path(w, "away"), path(w, "runs/1")), 0);
    assert_int_equal(collect(w, HOUR_MS), 1); /* tried again */
    assert_int_equal(w->collect.trouble.code, 0);
    assert_false(there(w, "runs/1/checkpoints"));
}

static void test_not_while_a_backup_is_made(void **state)
{
    struct world *w = *state;
    struct err err;
    train(w, 1, 1, RUN_SUCCEEDED);
    int backup = open(path(w, "hold"), O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(backup, LOCK_SH), 0);
    assert_int_equal(collect_checkpoints(&w->collect, w->base.store, &w->datadir,
                                         clock_wall_ms() + HOUR_MS, &err),
                     -ERR_UNAVAILABLE);
    assert_true(there(w, "runs/1/checkpoints"));
    close(backup);
    assert_int_equal(collect(w, HOUR_MS), 1);
}

static void test_a_lost_transaction_is_made_up_for(void **state)
{
    struct world *w = *state;
    struct err err;
    train(w, 1, 1, RUN_SUCCEEDED);
    assert_ok(store_savepoint(w->base.store, &err), err);
    assert_int_equal(collect(w, HOUR_MS), 1);
    assert_ok(store_release(w->base.store, false, &err), err);
    assert_ok(collect_remove(&w->datadir, NULL, &err), err);
    assert_int_equal(removals(w), 0);
    assert_int_equal(collect(w, HOUR_MS), 1); /* there is nothing to rename any more */
    assert_int_equal(w->collect.trouble.code, 0);
    assert_int_equal(removals(w), 1);
}

static void test_what_cannot_be_removed_is_counted(void **state)
{
    struct world *w = *state;
    struct err err;
    size_t left = 0;
    bool root = geteuid() == 0;
    make_folder(w, "tmp/gone-1");
    make_folder(w, "tmp/gone-2");
    make_file(w, "tmp/gone-2/kept");
    make_folder(w, "tmp/upload-1");
    assert_int_equal(chmod(path(w, "tmp/gone-2"), 0500), 0);
    if (root) { /* whom no mode stops */
        assert_int_equal(chmod(path(w, ""), 0755), 0);
        assert_int_equal(chown(path(w, "tmp"), 65534, 65534), 0);
        assert_int_equal(chown(path(w, "tmp/gone-2"), 65534, 65534), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    int status = collect_remove(&w->datadir, &left, &err);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_ok(status, err);
    assert_int_equal(left, 1);
    assert_true(!there(w, "tmp/gone-1") && there(w, "tmp/gone-2/kept") && there(w, "tmp/upload-1"));
    assert_int_equal(chmod(path(w, "tmp/gone-2"), 0700), 0);
    assert_ok(collect_remove(&w->datadir, &left, &err), err);
    assert_int_equal(left, 0);
    assert_false(there(w, "tmp/gone-2"));
}

/* An upload, up to the transaction that names it; the purge may come before that at any time. */
static struct import_result upload(const struct world *w)
{
    struct import_result result;
    struct err err;
    make_file(w, "tmp/upload");
    const struct import_request request = { .upload = path(w, "tmp/upload") };
    assert_ok(import_file(&w->datadir, &request, &result, &err), err);
    return result;
}

static void test_a_corpus_on_its_way_stays(void **state)
{
    struct world *w = *state;
    struct err err;
    char corpus[96];
    for (int again = 0; again < 3; again++) {
        struct import_result result = upload(w);
        struct dataset_row row = { .name = "a", .format = "text" };
        memcpy(row.digest, result.digest, sizeof row.digest);
        snprintf(corpus, sizeof corpus, "datasets/%s/text", result.digest);
        assert_ok(collect_corpora(w->base.store, &w->datadir, &err), err);
        assert_ok(collect_remove(&w->datadir, NULL, &err), err);
        assert_ok(import_place(&w->datadir, &result, &err), err);
        import_drop(&w->datadir, &result);
        assert_ok(store_dataset_put(w->base.store, &row, &err), err);
        assert_ok(collect_corpora(w->base.store, &w->datadir, &err), err);
        assert_true(there(w, corpus));
        if (again > 0) /* so that the last time the same content is there, and nobody's */
            assert_ok(store_dataset_delete(w->base.store, "a", &err), err);
    }
    assert_ok(collect_corpora(w->base.store, &w->datadir, &err), err);
    assert_false(there(w, corpus));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_of_runs_that_ended_some_time_ago, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_run_that_is_retried_keeps_what_it_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_corpus_on_its_way_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_link_is_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_while_a_backup_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_transaction_is_made_up_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_removed_is_counted, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
