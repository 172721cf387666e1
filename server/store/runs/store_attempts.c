/* Attempts and the queue: claiming, ending, settling. */
#include "server/store/runs/store_attempts.h"

#include "common/base/clock.h"
#include "server/store/curves/store_replay.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_identity.h"
#include "server/store/store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void queued_from(sqlite3_stmt *s, void *row)
{
    *(struct queued_run *)row = (struct queued_run){
        .id = sqlite3_column_int64(s, 0),
        .memory_bytes = sqlite3_column_int64(s, 1),
        .priority = sqlite3_column_int64(s, 2),
        .exclusive = sqlite3_column_int(s, 3) != 0,
        .verify = sqlite3_column_int(s, 4) != 0,
    };
}

int store_queue_head(struct store *store, size_t limit, struct queued_run **ret, size_t *ret_n,
                     struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, queued_from, NULL };
    return store_all(store, SQL_QUEUE_HEAD, &rows, (void **)ret, ret_n, err, "i", (int64_t)limit);
}

void claim_done(struct claim *claim)
{
    free(claim->spec);
    free(claim->artifacts);
    *claim = (struct claim){ 0 };
}

static int derive(struct store *store, const char *key, int64_t run, int64_t attempt,
                  const char *digest, char ret[DIGEST_HEX], struct err *err)
{
    struct store_identity identity;
    char text[STORE_IDENTITY_HEX + DIGEST_HEX + 64];
    uint8_t secret[DIGEST_BYTES];
    int status = store_identity(store, &identity, err);
    if (status != 0)
        return status;
    snprintf(text, sizeof text, "attempt %s %lld %lld %s", identity.id, (long long)run,
             (long long)attempt, digest);
    digest_hmac(key, strlen(key), text, strlen(text), secret);
    digest_hex(secret, DIGEST_BYTES, ret);
    return 0;
}

int store_attempt_secret(struct store *store, const char *key, int64_t run, int64_t attempt,
                         char ret[DIGEST_HEX], struct err *err)
{
    char digest[DIGEST_HEX];
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_RUN_DIGEST, run, &s, err);
    if (status != 0)
        return status;
    store_text_into(s, 0, digest, sizeof digest);
    sqlite3_reset(s);
    return derive(store, key, run, attempt, digest, ret, err);
}

/* take: the UPDATE that takes it out of the queue, RUN_CLAIM or VERIFY_CLAIM. */
static int claim(struct store *store, enum sql take, int64_t run, const char *key,
                 struct claim *ret, struct err *err)
{
    int64_t now = clock_wall_ms();
    bool verify = take == SQL_VERIFY_CLAIM;
    sqlite3_stmt *s = NULL;
    int status = store_first(store, take, &s, err, verify ? "i" : "ii", run, now);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "run %lld is not queued any more", (long long)run);
    struct claim claimed = {
        .run = run,
        .attempt = sqlite3_column_int64(s, 0),
        .experiment = sqlite3_column_int64(s, 1),
        .memory_bytes = sqlite3_column_int64(s, 2),
        .steps = sqlite3_column_int64(s, 3),
        .verify = verify,
    };
    store_text_into(s, 4, claimed.dataset_digest, sizeof claimed.dataset_digest);
    /* An UPDATE … RETURNING takes effect when it is stepped to its end. */
    while ((status = store_step(store, s, err)) == 1)
        ;
    int64_t audits = 0;
    if (status == 0)
        status = store_run_origin(store, run, &claimed.origin, &claimed.spec, err);
    memcpy(claimed.digest, claimed.origin.digest, sizeof claimed.digest);
    if (status == 0 && !verify)
        status = store_get_int(store, SQL_RUN_AUDITS, 0, &audits, err, "i", run);
    if (status == 0 && verify)
        status = store_artifact_list(store, run, &claimed.artifacts, &claimed.artifacts_n, err);
    claimed.audits = audits > 0;  /* the first of its cell that could */
    claimed.replays = audits > 1; /* and of its arm */
    if (status == 0)
        status = derive(store, key, run, claimed.attempt, claimed.digest, claimed.token, err);
    if (status == 0)
        status = store_run_sql(store, SQL_ATTEMPT_ADD, NULL, err, "iiit", run, claimed.attempt, now,
                               verify ? "verify" : "train");
    if (status != 0) {
        claim_done(&claimed);
        return status;
    }
    store_touch_run(store, claimed.experiment, run);
    store_touch_experiment(store, claimed.experiment);
    store_touch_queue(store);
    *ret = claimed;
    return 0;
}

int store_run_claim(struct store *store, int64_t run, const char *key, struct claim *ret,
                    struct err *err)
{
    return claim(store, SQL_RUN_CLAIM, run, key, ret, err);
}

int store_verify_claim(struct store *store, int64_t run, const char *key, struct claim *ret,
                       struct err *err)
{
    return claim(store, SQL_VERIFY_CLAIM, run, key, ret, err);
}

static int settle(struct store *store, const struct attempt_row *row, enum run_state next,
                  const char *reason, const struct replay_verdict *verdict, struct err *err)
{
    if (attempt_verifies(row))
        return store_run_sql(store, SQL_VERIFY_SETTLE, NULL, err, "iitt", row->run, row->attempt,
                             verify_state_names[verdict->verify], verdict->detail);
    const char *state = run_state_names[next];
    return next == RUN_QUEUED ? store_run_sql(store, SQL_RUN_SETTLE, NULL, err, "ittni", row->run,
                                              state, reason, row->attempt)
                              : store_run_sql(store, SQL_RUN_SETTLE, NULL, err, "ittii", row->run,
                                              state, reason, clock_wall_ms(), row->attempt);
}

static int end(struct store *store, const struct attempt_row *row, enum run_state next,
               const char *outcome, const char *reason, struct err *err)
{
    int64_t experiment = 0;
    struct replay_verdict verdict;
    int status = replay_judge(store, row, next, reason, &verdict, err);
    if (status != 0)
        return status;
    status = store_run_sql(store, SQL_ATTEMPT_END, NULL, err, "iiit", row->run, row->attempt,
                           clock_wall_ms(), verdict.outcome[0] != '\0' ? verdict.outcome : outcome);
    if (status == 0)
        status = settle(store, row, next, reason, &verdict, err);
    if (status == 0)
        status = store_get_int(store, SQL_RUN_PLACE, 0, &experiment, err, "i", row->run);
    if (status == 0)
        status = replay_audit(store, row->run, &verdict, err);
    replay_verdict_done(&verdict);
    if (status != 0)
        return status;
    if (next == RUN_QUEUED || attempt_verifies(row))
        store_touch_run(store, experiment, row->run);
    else
        store_touch_ended(store, experiment, row->run);
    store_touch_experiment(store, experiment);
    store_touch_queue(store);
    return 0;
}

int store_attempt_end(struct store *store, int64_t run, int64_t attempt, enum run_state next,
                      const char *outcome, const char *reason, struct err *err)
{
    struct attempt_row row = { 0 };
    int status = store_attempt_get(store, run, attempt, &row, err);
    if (status == -ERR_NOT_FOUND)
        return 0;
    if (status == 0 && row.ended_at == 0)
        status = end(store, &row, next, outcome, reason, err);
    attempt_row_done(&row);
    return status;
}

int store_run_forgive(struct store *store, int64_t run, struct err *err)
{
    return store_run_sql(store, SQL_RUN_FORGIVE, NULL, err, "i", run);
}

int store_run_ids_last(struct store *store, int64_t *ret, struct err *err)
{
    return store_get_int(store, SQL_RUN_IDS_LAST, 0, ret, err, "");
}

int store_run_ids_pass(struct store *store, int64_t last, struct err *err)
{
    int status = store_run_sql(store, SQL_RUN_IDS_PASS, NULL, err, "i", last);
    return status == 0 ? store_run_sql(store, SQL_RUN_IDS_BEGIN, NULL, err, "i", last) : status;
}

static void running_from(sqlite3_stmt *s, void *row)
{
    *(struct running_run *)row = (struct running_run){
        .run = sqlite3_column_int64(s, 0),
        .attempt = sqlite3_column_int64(s, 1),
        .memory_bytes = sqlite3_column_int64(s, 2),
        .exclusive = sqlite3_column_int(s, 3) != 0,
        .cancel = sqlite3_column_int(s, 4) != 0,
        .pid = sqlite3_column_int64(s, 5),
        .experiment = sqlite3_column_int64(s, 6),
    };
}

int store_run_running(struct store *store, struct running_run **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, running_from, NULL };
    return store_all(store, SQL_RUNS_RUNNING, &rows, (void **)ret, ret_n, err, "");
}

static void attempt_from(sqlite3_stmt *s, void *of)
{
    struct attempt_row *row = of;
    row->run = sqlite3_column_int64(s, 0);
    row->attempt = sqlite3_column_int64(s, 1);
    store_text_into(s, 2, row->kind, sizeof row->kind);
    store_text_into(s, 3, row->token, sizeof row->token);
    row->pid = sqlite3_column_int64(s, 4);
    row->acked_seq = sqlite3_column_int64(s, 5);
    row->started_at = sqlite3_column_int64(s, 6);
    row->ended_at = sqlite3_column_int64(s, 7);
    store_text_into(s, 8, row->outcome, sizeof row->outcome);
    row->environment = store_text(s, 9, true);
    row->compared = sqlite3_column_int64(s, 10);
    row->difference = store_text(s, 11, true);
    row->steal_share = store_real(s, 12);
    row->other_cores = store_real(s, 13);
}

void attempt_row_done(struct attempt_row *row)
{
    free(row->environment);
    free(row->difference);
    *row = (struct attempt_row){ 0 };
}

bool attempt_verifies(const struct attempt_row *row)
{
    return strcmp(row->kind, "verify") == 0;
}

int store_attempt_get(struct store *store, int64_t run, int64_t attempt, struct attempt_row *ret,
                      struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_attempt(store, SQL_ATTEMPT_GET, run, attempt, &s, err);
    if (status != 0)
        return status;
    attempt_from(s, ret);
    sqlite3_reset(s);
    return 0;
}

static void attempt_done(void *row)
{
    attempt_row_done(row);
}

int store_attempt_list(struct store *store, int64_t run, struct attempt_row **ret, size_t *ret_n,
                       struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, attempt_from, attempt_done };
    return store_all(store, SQL_ATTEMPT_LIST, &rows, (void **)ret, ret_n, err, "i", run);
}

int store_attempt_token(struct store *store, int64_t run, int64_t attempt, const char *digest,
                        struct err *err)
{
    return store_run_sql(store, SQL_ATTEMPT_TOKEN, NULL, err, "iit", run, attempt, digest);
}

int store_attempt_pid(struct store *store, int64_t run, int64_t attempt, int64_t pid,
                      struct err *err)
{
    return store_run_sql(store, SQL_ATTEMPT_PID, NULL, err, "iii", run, attempt, pid);
}

int store_queue_paused(struct store *store, bool *ret, struct err *err)
{
    char value[8];
    int status = store_setting_get(store, "queue_paused", value, sizeof value, err);
    if (status == 0)
        *ret = strcmp(value, "1") == 0;
    return status;
}

int store_queue_counts(struct store *store, struct queue_counts *ret, struct err *err)
{
    bool paused = false;
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_QUEUE_COUNTS, &s, err, "");
    if (status < 0)
        return status;
    int64_t queued = sqlite3_column_int64(s, 0), running = sqlite3_column_int64(s, 1),
            verifying = sqlite3_column_int64(s, 2);
    sqlite3_reset(s);
    if ((status = store_queue_paused(store, &paused, err)) != 0)
        return status;
    *ret = (struct queue_counts){
        .queued = queued, .running = running, .verifying = verifying, .paused = paused
    };
    return 0;
}

int store_queue_pause(struct store *store, bool paused, struct err *err)
{
    int status = store_setting_put(store, "queue_paused", paused ? "1" : "0", err);
    if (status == 0)
        store_touch_queue(store);
    return status;
}
