/* What is computed again is compared: bits, the first difference, environments, and what becomes of
 * a verification, whatever its end. */
#include "server/store/curves/store_replay.h"
#include "server/store/runs/store_audits.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

struct base {
    struct fixture_base base;
    int64_t seq[16]; /* by attempt */
};

static int set_up(void **state)
{
    struct base *b = fixture_base_new(sizeof *b);
    fixture_experiment(b->base.store, 1, 0, 3, false);
    *state = b;
    return 0;
}

/* Claims the next attempt of run 1 and starts it in an environment of that digest. */
static void begin(struct base *b, int64_t attempt, bool verify, const char *digest)
{
    struct claim claim;
    struct err err;
    int status = verify ? store_verify_claim(b->base.store, 1, "t", &claim, &err)
                        : store_run_claim(b->base.store, 1, "t", &claim, &err);
    assert_ok(status, err);
    assert_int_equal(claim.attempt, attempt);
    assert_int_equal(claim.verify, verify);
    claim_done(&claim);
    assert_int_equal(fixture_event(b->base.store, 1, attempt,
                                   "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{"
                                   "\"digest\":\"%s\",\"blas_core\":\"%s\"}}",
                                   digest, digest),
                     0);
    b->seq[attempt] = 1;
}

/* One event of an attempt: the line's rest, after its seq. */
static int event(struct base *b, int64_t attempt, const char *type, const char *rest)
{
    return fixture_event(b->base.store, 1, attempt, "{\"type\":\"%s\",\"seq\":%lld,%s}", type,
                         (long long)++b->seq[attempt], rest);
}

static void say(struct base *b, int64_t attempt, const char *type, const char *rest)
{
    assert_int_equal(event(b, attempt, type, rest), 0);
}

static void train(struct base *b, int64_t attempt)
{
    say(b, attempt, "metrics",
        "\"names\":[\"train/loss\",\"time/step_s\"],"
        "\"rows\":[[1,5.5,0.1],[2,\"nan\",0.2],[3,-0.0,0.3]]");
    say(b, attempt, "eval", "\"step\":3,\"values\":{\"val/loss\":4.25}");
    say(b, attempt, "checkpoint", "\"step\":3,\"file\":\"f\",\"bytes\":1,\"sha256\":\"aa\"");
}

static void finish(struct base *b, int64_t attempt, const char *sha256)
{
    char rest[200];
    snprintf(rest, sizeof rest,
             "\"step\":3,\"artifacts\":[{\"name\":\"final.safetensors\",\"bytes\":1,\"sha256\":"
             "\"%s\"},{\"name\":\"batches.jsonl\",\"bytes\":1,\"sha256\":\"%s\"}]",
             sha256, sha256);
    say(b, attempt, "finished", rest);
}

static struct run_row run_of(struct base *b)
{
    struct run_row row;
    struct err err;
    assert_ok(store_run_get(b->base.store, 1, &row, &err), err);
    return row;
}

/* The newest of the replay audits; status "" when there are not n of them. */
static void check_audit(struct base *b, size_t n, const char *status, const char *detail,
                        const char *evidence)
{
    struct audit_row *rows = NULL;
    size_t all = 0, found = 0, last = 0;
    struct err err;
    assert_ok(store_audit_list(b->base.store, 1, &rows, &all, &err), err);
    for (size_t i = 0; i < all; i++)
        if (strcmp(rows[i].name, "replay") == 0) {
            found++;
            last = i;
        }
    assert_int_equal(found, n);
    if (n > 0) {
        assert_string_equal(rows[last].status, status);
        assert_string_equal(rows[last].arm, "a0");
        assert_int_equal(rows[last].run, 1);
        if (strstr(rows[last].detail, detail) == NULL)
            fail_msg("%s", rows[last].detail);
        if (strstr(rows[last].evidence, evidence) == NULL)
            fail_msg("%s", rows[last].evidence);
    }
    for (size_t i = 0; i < all; i++)
        audit_row_done(&rows[i]);
    free(rows);
}

static void check_verify(struct base *b, enum verify_state state, int64_t attempt, int64_t compared,
                         const char *reason)
{
    struct run_row row = run_of(b);
    if (row.verify.state != state || strstr(row.verify.reason, reason) == NULL)
        fail_msg("%s: %s", verify_state_names[row.verify.state], row.verify.reason);
    assert_int_equal(row.verify.attempt, attempt);
    assert_int_equal(row.verify.compared, compared);
    run_row_done(&row);
}

static void check_outcome(struct base *b, int64_t attempt, const char *outcome)
{
    struct attempt_row row;
    struct err err;
    assert_ok(store_attempt_get(b->base.store, 1, attempt, &row, &err), err);
    assert_string_equal(row.outcome, outcome);
    attempt_row_done(&row);
}

/* A run that has succeeded in its first attempt. */
static void succeed(struct base *b)
{
    begin(b, 1, false, "x");
    train(b, 1);
    finish(b, 1, "bb");
    check_audit(b, 0, "", "", "");
}

static void verify_begins(struct base *b, int64_t attempt, const char *digest)
{
    struct err err;
    assert_ok(store_run_verify(b->base.store, 1, &err), err);
    check_verify(b, VERIFY_QUEUED, 0, 0, "");
    begin(b, attempt, true, digest);
    check_verify(b, VERIFY_RUNNING, attempt, 0, "");
}

static void test_a_resumed_attempt_that_agrees(void **state)
{
    struct base *b = *state;
    struct err err;
    begin(b, 1, false, "x");
    train(b, 1);
    assert_ok(store_attempt_end(b->base.store, 1, 1, RUN_QUEUED, "lost", "x", &err), err);
    check_audit(b, 0, "", "", ""); /* nothing came twice */
    begin(b, 2, false, "x");
    train(b, 2);
    say(b, 2, "metrics", "\"names\":[\"train/loss\"],\"rows\":[[4,1]]");
    assert_ok(store_attempt_end(b->base.store, 1, 2, RUN_FAILED, "lost", "x", &err), err);
    /* Three losses, one evaluation, one checkpoint; not the clock's metrics. */
    check_audit(b, 1, "pass", "Attempt 2 computed 5 stored values again",
                "{\"attempt\":2,\"kind\":\"train\",\"compared\":5,\"first_difference\":null,"
                "\"environments\":[{\"attempt\":1,\"digest\":\"x\",\"blas_core\":\"x\"},{"
                "\"attempt\":2,");
    struct run_row row = run_of(b);
    assert_int_equal(row.verify.state, VERIFY_NONE);
    assert_int_equal(row.step, 4);
    run_row_done(&row);
}

static const struct {
    const char *type, *rest; /* what the second attempt says otherwise */
    const char *difference;
} differences[] = {
    { "metrics", "\"names\":[\"train/loss\"],\"rows\":[[1,5.500000000000001]]",
      "{\"step\":1,\"metric\":\"train/loss\",\"stored\":5.5,\"got\":5.500000000000001}" },
    { "metrics", "\"names\":[\"train/loss\"],\"rows\":[[2,0]]",
      "{\"step\":2,\"metric\":\"train/loss\",\"stored\":\"nan\",\"got\":0}" },
    { "metrics", "\"names\":[\"train/loss\"],\"rows\":[[2,\"inf\"]]",
      "{\"step\":2,\"metric\":\"train/loss\",\"stored\":\"nan\",\"got\":\"inf\"}" },
    /* Of several the one of the least step, whatever its column or event. */
    { "metrics", "\"names\":[\"new\",\"train/loss\"],\"rows\":[[1,1,5.5],[2,1,7],[3,1,8]]",
      "{\"step\":2,\"metric\":\"train/loss\",\"stored\":\"nan\",\"got\":7}" },
    { "metrics", "\"names\":[\"train/loss\",\"new\"],\"rows\":[[1,5.5,1],[2,\"nan\",2],[3,1,1]]",
      "{\"step\":2,\"metric\":\"new\",\"stored\":1,\"got\":2}" },
    { "eval", "\"step\":3,\"values\":{\"val/loss\":4}",
      "{\"step\":3,\"metric\":\"val/loss\",\"stored\":4.25,\"got\":4}" },
    { "checkpoint", "\"step\":3,\"file\":\"f\",\"bytes\":1,\"sha256\":\"ab\"",
      "{\"step\":3,\"metric\":\"checkpoint\",\"stored\":\"aa\",\"got\":\"ab\"}" },
};

static void test_a_resumed_attempt_that_differs(void **state)
{
    struct base *b = *state;
    struct err err;
    begin(b, 1, false, "x");
    train(b, 1);
    int64_t attempt = 1;
    size_t n = sizeof differences / sizeof *differences;
    for (size_t i = 0; i < n; i++) {
        char evidence[300];
        assert_ok(store_run_sql(b->base.store, SQL_RUN_FORGIVE, NULL, &err, "i", (int64_t)1), err);
        assert_ok(store_attempt_end(b->base.store, 1, attempt, RUN_QUEUED, "lost", "", &err), err);
        begin(b, ++attempt, false, "x");
        say(b, attempt, differences[i].type, differences[i].rest);
        say(b, attempt, "eval", "\"step\":3,\"values\":{\"val/loss\":4.125}"); /* comes later */
        assert_ok(store_attempt_end(b->base.store, 1, attempt, RUN_QUEUED, "lost", "", &err), err);
        snprintf(evidence, sizeof evidence, "\"first_difference\":%s,", differences[i].difference);
        check_audit(b, i + 1, "fail", "The first difference among ", evidence);
    }
    /* What is stored stayed, but for the checkpoint: its file is the newer one. */
    int64_t stored = 0;
    assert_ok(store_get_int(b->base.store, SQL_METRIC_COUNT, 0, &stored, &err, "iiiii", (int64_t)1,
                            (int64_t)1, (int64_t)0, (int64_t)9, (int64_t)100),
              err);
    assert_int_equal(stored, 3);
    struct run_row row = run_of(b);
    for (size_t i = 0; i < row.finals_n; i++)
        if (strcmp(row.finals[i].name, "val/loss") == 0)
            assert_true(row.finals[i].value == 4.25);
    run_row_done(&row);
}

static void test_another_environment(void **state)
{
    struct base *b = *state;
    struct err err;
    begin(b, 1, false, "x");
    assert_ok(store_attempt_end(b->base.store, 1, 1, RUN_QUEUED, "lost", "", &err), err);
    begin(b, 2, false, "y"); /* the first has stored nothing, so its environment doesn't matter */
    train(b, 2);
    assert_ok(store_attempt_end(b->base.store, 1, 2, RUN_QUEUED, "lost", "", &err), err);
    begin(b, 3, false, "y");
    train(b, 3);
    assert_ok(store_attempt_end(b->base.store, 1, 3, RUN_FAILED, "lost", "", &err), err);
    check_audit(b, 1, "pass", "", "");
    assert_ok(store_run_retry(b->base.store, 1, &err), err);
    begin(b, 4, false, "z");
    say(b, 4, "metrics", "\"names\":[\"train/loss\"],\"rows\":[[1,5]]");
    assert_ok(store_attempt_end(b->base.store, 1, 4, RUN_FAILED, "lost", "", &err), err);
    check_audit(b, 2, "skipped",
                "another BLAS core than what is stored, so that bits may differ. Of 1 values the "
                "first that does is train/loss at step 1: 5.5 is stored, 5 came out",
                "{\"attempt\":4,\"digest\":\"z\",\"blas_core\":\"z\"}");
}

static void test_a_verification_that_agrees(void **state)
{
    struct base *b = *state;
    struct err err;
    succeed(b);
    struct run_row before = run_of(b);
    verify_begins(b, 2, "x");
    train(b, 2);
    say(b, 2, "metrics", "\"names\":[\"new\"],\"rows\":[[9,1]]"); /* stored it is not */
    say(b, 2, "audit", "\"name\":\"finite\",\"status\":\"pass\",\"detail\":\"ok\",\"evidence\":{}");
    finish(b, 2, "bb");
    check_verify(b, VERIFY_IDENTICAL, 2, 6,
                 "The verification (attempt 2) computed 6 stored values");
    check_outcome(b, 2, "identical");
    check_audit(b, 1, "pass", "every bit is the same", "\"kind\":\"verify\",\"compared\":6,");
    struct run_row after = run_of(b);
    assert_int_equal(after.state, before.state);
    assert_int_equal(after.attempt, before.attempt);
    assert_int_equal(after.max_attempts, before.max_attempts);
    assert_int_equal(after.step, before.step);
    assert_int_equal(after.ended_at, before.ended_at);
    assert_int_equal(after.started_at, before.started_at);
    assert_int_equal(after.finals_n, before.finals_n);
    run_row_done(&before);
    run_row_done(&after);
    struct audit_row *rows = NULL;
    size_t n = 0;
    assert_ok(store_audit_list(b->base.store, 1, &rows, &n, &err), err);
    assert_int_equal(n, 1); /* its own audits aren't told twice */
    audit_row_done(rows);
    free(rows);
}

static void test_a_verification_that_differs(void **state)
{
    struct base *b = *state;
    bool differs = true;
    struct err err;
    succeed(b);
    verify_begins(b, 2, "x");
    assert_ok(replay_differs(b->base.store, 1, 2, &differs, &err), err);
    assert_false(differs);
    say(b, 2, "metrics", "\"names\":[\"train/loss\"],\"rows\":[[1,5.5],[2,\"nan\"],[3,1]]");
    assert_ok(replay_differs(b->base.store, 1, 2, &differs, &err), err);
    assert_true(differs);
    say(b, 2, "failed", "\"reason\":\"stopped\",\"detail\":\"a difference was found\"");
    check_verify(b, VERIFY_DIFFERS, 2, 3,
                 "The first difference among 3 values is train/loss at step");
    check_outcome(b, 2, "differs at step 3");
    check_audit(b, 1, "fail", "0 is stored, 1 came out", "\"stored\":0,\"got\":1}");

    verify_begins(b, 3, "x"); /* an artifact; a list of batches is no subject */
    train(b, 3);
    finish(b, 3, "cc");
    check_outcome(b, 3, "differs at step 3");
    check_audit(b, 2, "fail", "final.safetensors at step 3", "\"got\":\"cc\"");

    verify_begins(b, 4, "other");
    say(b, 4, "metrics", "\"names\":[\"train/loss\"],\"rows\":[[1,5]]");
    finish(b, 4, "bb");
    check_verify(b, VERIFY_SKIPPED, 4, 2, "another BLAS core");
    check_outcome(b, 4, "finished"); /* nothing follows from a difference */
    check_audit(b, 3, "skipped", "", "");
}

static void test_a_verification_that_breaks_off(void **state)
{
    struct base *b = *state;
    struct err err;
    succeed(b);
    verify_begins(b, 2, "x");
    train(b, 2);
    assert_ok(store_attempt_end(b->base.store, 1, 2, RUN_FAILED, "signal SIGKILL",
                                "killed by SIGKILL (Killed)", &err),
              err);
    check_verify(b, VERIFY_FAILED, 2, 5, "killed by SIGKILL (Killed)");
    check_outcome(b, 2, "signal SIGKILL");
    check_audit(b, 1, "skipped", "killed by SIGKILL", "\"compared\":5,");

    verify_begins(b, 3, "x");
    say(b, 3, "failed", "\"reason\":\"storage\",\"detail\":\"no room\"");
    check_verify(b, VERIFY_FAILED, 3, 0, "storage: no room");
    check_audit(b, 2, "skipped", "no room", "\"compared\":0,");

    verify_begins(b, 4, "x"); /* a daemon that stops its workers: another attempt follows */
    train(b, 4);
    say(b, 4, "failed", "\"reason\":\"stopped\",\"detail\":\"the daemon is ending\"");
    check_verify(b, VERIFY_QUEUED, 4, 5, "");
    check_outcome(b, 4, "stopped");
    check_audit(b, 2, "skipped", "", "");
    begin(b, 5, true, "x");
    check_verify(b, VERIFY_RUNNING, 5, 0, "");
    struct run_row row = run_of(b);
    assert_int_equal(row.max_attempts, 3);
    assert_int_equal(row.attempt, 1);
    run_row_done(&row);
}

static void test_cancel_ends_the_verification_alone(void **state)
{
    struct base *b = *state;
    struct err err;
    struct queued_run *head = NULL;
    size_t n = 0;
    succeed(b);
    assert_int_equal(store_run_cancel(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_ok(store_run_verify(b->base.store, 1, &err), err);
    assert_int_equal(store_run_verify(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_non_null(strstr(err.message, "a verification of run 1 is queued"));
    assert_ok(store_run_cancel(b->base.store, 1, &err), err);
    check_verify(b, VERIFY_SKIPPED, 0, 0, "cancelled");
    assert_ok(store_queue_head(b->base.store, 9, &head, &n, &err), err);
    assert_int_equal(n, 0);
    free(head);

    verify_begins(b, 2, "x");
    train(b, 2);
    assert_ok(store_run_cancel(b->base.store, 1, &err), err);
    struct run_row row = run_of(b);
    assert_true(row.verify.cancel && !row.cancel);
    assert_int_equal(row.state, RUN_SUCCEEDED);
    run_row_done(&row);
    say(b, 2, "failed", "\"reason\":\"stopped\",\"detail\":\"cancelled\"");
    check_verify(b, VERIFY_SKIPPED, 2, 5, "cancelled");
    check_audit(b, 0, "", "", ""); /* a wish is no finding */
    assert_int_equal(store_run_cancel(b->base.store, 1, &err), -ERR_CONFLICT);
}

/* A run's own file differs in any environment, and before anything was trained. */
static void evaluated(struct base *b, int64_t attempt, const char *sha256)
{
    char rest[200];
    snprintf(rest, sizeof rest,
             "\"step\":3,\"values\":{},\"artifacts\":[{\"name\":\"attention-3.safetensors\","
             "\"bytes\":1,\"sha256\":\"%s\"}]",
             sha256);
    say(b, attempt, "eval", rest);
}

static void check_artifact(struct base *b, size_t n, const char *sha256)
{
    struct artifact_row *rows;
    struct err err;
    size_t found;
    assert_ok(store_artifact_list(b->base.store, 1, &rows, &found, &err), err);
    assert_int_equal(found, n);
    assert_string_equal(rows[0].name, "attention-3.safetensors");
    assert_string_equal(rows[0].sha256, sha256);
    free(rows);
}

/* A file of an evaluation is known before the run has ended, and once, however often it is told; a
 * verification's isn't the run's. */
static void test_files_of_evaluations(void **state)
{
    struct base *b = *state;
    begin(b, 1, false, "x");
    evaluated(b, 1, "dd");
    check_artifact(b, 1, "dd");
    evaluated(b, 1, "ee");
    check_artifact(b, 1, "ee");
    train(b, 1);
    finish(b, 1, "aa");
    check_artifact(b, 3, "ee");
    verify_begins(b, 2, "x");
    evaluated(b, 2, "ff");
    check_artifact(b, 3, "ee");
}

static void test_a_file_that_changed(void **state)
{
    struct base *b = *state;
    struct claim claim;
    struct err err;
    begin(b, 1, false, "x");
    train(b, 1);
    finish(b, 1, "aa");
    for (int64_t attempt = 2; attempt <= 3; attempt++) {
        const char *got = attempt == 2 ? "bb" : "";
        assert_ok(store_run_verify(b->base.store, 1, &err), err);
        assert_ok(store_verify_claim(b->base.store, 1, "t", &claim, &err), err);
        assert_int_equal(claim.artifacts_n, 2);
        assert_string_equal(claim.artifacts[1].name, "final.safetensors");
        assert_string_equal(claim.artifacts[1].sha256, "aa");
        claim_done(&claim);
        assert_ok(replay_file(b->base.store, 1, attempt, 3, "final.safetensors", "aa", got, &err),
                  err);
        assert_ok(store_attempt_end(b->base.store, 1, attempt, RUN_SUCCEEDED, "", "", &err), err);
        check_verify(b, VERIFY_DIFFERS, attempt, 1,
                     attempt == 2 ? "has the digest bb, aa was stored" : "no file, aa was stored");
        check_audit(b, (size_t)attempt - 1, "fail", "artifact final.safetensors isn't what was",
                    "\"file\":true");
        struct attempt_row row = { 0 };
        assert_ok(store_attempt_get(b->base.store, 1, attempt, &row, &err), err);
        assert_string_equal(row.outcome, "differs: final.safetensors");
        attempt_row_done(&row);
    }
    struct run_row row = run_of(b);
    assert_int_equal(row.state, RUN_SUCCEEDED);
    run_row_done(&row);
}

static void test_when_a_run_can_be_verified(void **state)
{
    struct base *b = *state;
    struct err err;
    assert_int_equal(store_run_verify(b->base.store, 9, &err), -ERR_NOT_FOUND);
    assert_int_equal(store_run_verify(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_string_equal(err.message, "run 1 is queued; only runs that have ended are verified");
    begin(b, 1, false, "x");
    assert_int_equal(store_run_verify(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_ok(store_attempt_end(b->base.store, 1, 1, RUN_FAILED, "lost", "", &err), err);
    assert_int_equal(store_run_verify(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_non_null(strstr(err.message, "before its first step"));
    assert_ok(store_run_retry(b->base.store, 1, &err), err);
    begin(b, 2, false, "x");
    train(b, 2);
    assert_ok(store_attempt_end(b->base.store, 1, 2, RUN_FAILED, "lost", "", &err), err);

    /* A failed run: as many steps as are stored; meanwhile there is no retry, and no tidying up. */
    struct claim claim;
    assert_ok(store_run_verify(b->base.store, 1, &err), err);
    assert_int_equal(store_run_retry(b->base.store, 1, &err), -ERR_CONFLICT);
    assert_ok(store_verify_claim(b->base.store, 1, "t", &claim, &err), err);
    assert_int_equal(claim.attempt, 3);
    assert_int_equal(claim.steps, 3);
    claim_done(&claim);
    assert_int_equal(store_run_retry(b->base.store, 1, &err), -ERR_CONFLICT);
    struct run_slice slice = { 0 };
    assert_int_equal(store_experiment_delete(b->base.store, 1, &slice, &err), -ERR_CONFLICT);
    assert_string_equal(
        err.message, "1 run is being verified in experiment 1; wait for the end, or cancel: that "
                     "ends verifications and leaves what is stored");
    struct running_run *running = NULL;
    size_t n = 0;
    assert_ok(store_run_running(b->base.store, &running, &n, &err), err);
    assert_int_equal(n, 1);
    assert_int_equal(running[0].attempt, 3);
    assert_false(running[0].cancel);
    free(running);
    running = NULL;
    n = 0;
    assert_ok(store_experiment_cancel(b->base.store, 1, &slice, &err), err);
    assert_ok(store_run_running(b->base.store, &running, &n, &err), err);
    assert_true(running[0].cancel);
    free(running);
    assert_ok(store_attempt_end(b->base.store, 1, 3, RUN_CANCELLED, "stopped", "", &err), err);

    /* Numbers go on over both kinds; the verification took none of the run's tries. */
    assert_ok(store_run_retry(b->base.store, 1, &err), err);
    struct run_row row = run_of(b);
    int64_t left = row.max_attempts - row.attempt;
    run_row_done(&row);
    begin(b, 4, false, "x");
    row = run_of(b);
    assert_int_equal(row.attempt, 4);
    assert_int_equal(row.max_attempts - row.attempt, left - 1);
    run_row_done(&row);
}

static void test_its_place_in_the_queue(void **state)
{
    struct base *b = *state;
    struct err err;
    struct queued_run *head = NULL;
    struct queue_counts counts;
    size_t n = 0;
    succeed(b);
    fixture_experiment(b->base.store, 1, 0, 1, false); /* run 2 */
    fixture_experiment(b->base.store, 1, 5, 1, false); /* run 3 */
    assert_ok(store_run_verify(b->base.store, 1, &err), err);
    assert_ok(store_queue_head(b->base.store, 9, &head, &n, &err), err);
    assert_int_equal(n, 3);
    assert_true(head[0].id == 3 && head[1].id == 1 && head[2].id == 2);
    assert_true(!head[0].verify && head[1].verify && !head[2].verify);
    assert_int_equal(head[1].memory_bytes, 100 << 20);
    free(head);
    assert_ok(store_queue_counts(b->base.store, &counts, &err), err);
    assert_true(counts.queued == 2 && counts.running == 0 && counts.verifying == 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_base_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_resumed_attempt_that_agrees),
        TEST(test_a_resumed_attempt_that_differs),
        TEST(test_another_environment),
        TEST(test_a_verification_that_agrees),
        TEST(test_a_verification_that_differs),
        TEST(test_a_verification_that_breaks_off),
        TEST(test_cancel_ends_the_verification_alone),
        TEST(test_files_of_evaluations),
        TEST(test_a_file_that_changed),
        TEST(test_when_a_run_can_be_verified),
        TEST(test_its_place_in_the_queue),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
