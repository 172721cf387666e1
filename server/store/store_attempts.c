/* Attempts and the queue: claiming, ending, settling. */
#include "common/clock.h"
#include "server/store/store_priv.h"
#include "server/store/store_runs.h"

#include <stdlib.h>
#include <string.h>

int store_queue_head(struct store *store, size_t limit, struct queued_run **ret, size_t *ret_n,
                     struct err *err)
{
    struct queued_run *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *s = store_statement(store, SQL_QUEUE_HEAD, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "i", (int64_t)limit);
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        struct queued_run *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        *row = (struct queued_run){
            .id = sqlite3_column_int64(s, 0),
            .memory_bytes = sqlite3_column_int64(s, 1),
            .priority = sqlite3_column_int64(s, 2),
            .exclusive = sqlite3_column_int(s, 3) != 0,
        };
    }
    if (status < 0) {
        sqlite3_reset(s);
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

int store_run_claim(struct store *store, int64_t run, const char *token, struct claim *ret,
                    struct err *err)
{
    int64_t now = clock_wall_ms();
    sqlite3_stmt *s = store_statement(store, SQL_RUN_CLAIM, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "ii", run, now);
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "run %lld is not queued any more", (long long)run);
    struct claim claim = {
        .run = run,
        .attempt = sqlite3_column_int64(s, 0),
        .experiment = sqlite3_column_int64(s, 1),
        .memory_bytes = sqlite3_column_int64(s, 2),
        .steps = sqlite3_column_int64(s, 3),
        .spec = store_text(s, 6, false),
    };
    store_text_into(s, 4, claim.digest, sizeof claim.digest);
    store_text_into(s, 5, claim.dataset_digest, sizeof claim.dataset_digest);
    /* An UPDATE … RETURNING takes effect when it is stepped to its end. */
    while ((status = store_step(store, s, err)) == 1)
        ;
    int64_t audits = 0;
    if (status == 0)
        status = store_get_int(store, SQL_RUN_AUDITS, 0, &audits, err, "i", run);
    claim.audits = audits != 0;
    strncpy(claim.token, token, sizeof claim.token - 1);
    char token_digest[DIGEST_HEX];
    digest_of_hex(token, strlen(token), token_digest);
    if (status == 0)
        status = store_run_sql(store, SQL_ATTEMPT_ADD, NULL, err, "iiti", run, claim.attempt,
                               token_digest, now);
    if (status != 0) {
        free(claim.spec);
        return status;
    }
    store_touch_run(store, claim.experiment, run);
    store_touch_experiment(store, claim.experiment);
    store_touch_queue(store);
    *ret = claim;
    return 0;
}

int store_attempt_end(struct store *store, int64_t run, int64_t attempt, enum run_state next,
                      const char *outcome, const char *reason, struct err *err)
{
    int64_t changes = 0, experiment = 0, now = clock_wall_ms();
    int status =
        store_run_sql(store, SQL_ATTEMPT_END, &changes, err, "iiit", run, attempt, now, outcome);
    if (status != 0 || changes == 0)
        return status;
    status = store_get_int(store, SQL_RUN_PLACE, 0, &experiment, err, "i", run);
    if (status != 0)
        return status;
    const char *state = run_state_names[next];
    if (next == RUN_QUEUED)
        status =
            store_run_sql(store, SQL_RUN_SETTLE, NULL, err, "ittni", run, state, reason, attempt);
    else
        status = store_run_sql(store, SQL_RUN_SETTLE, NULL, err, "ittii", run, state, reason, now,
                               attempt);
    if (status == 0) {
        store_touch_run(store, experiment, run);
        store_touch_experiment(store, experiment);
        store_touch_queue(store);
    }
    return status;
}

int store_run_forgive(struct store *store, int64_t run, struct err *err)
{
    return store_run_sql(store, SQL_RUN_FORGIVE, NULL, err, "i", run);
}

int store_run_running(struct store *store, struct running_run **ret, size_t *ret_n, struct err *err)
{
    struct running_run *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *s = store_statement(store, SQL_RUNS_RUNNING, err);
    if (s == NULL)
        return -ERR_STORAGE;
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        struct running_run *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            sqlite3_reset(s);
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        *row = (struct running_run){
            .run = sqlite3_column_int64(s, 0),
            .attempt = sqlite3_column_int64(s, 1),
            .memory_bytes = sqlite3_column_int64(s, 2),
            .exclusive = sqlite3_column_int(s, 3) != 0,
            .cancel = sqlite3_column_int(s, 4) != 0,
            .pid = sqlite3_column_int64(s, 5),
            .experiment = sqlite3_column_int64(s, 6),
        };
    }
    if (status < 0) {
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

static void attempt_from(sqlite3_stmt *s, struct attempt_row *row)
{
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
}

int store_attempt_get(struct store *store, int64_t run, int64_t attempt, struct attempt_row *ret,
                      struct err *err)
{
    sqlite3_stmt *s = store_statement(store, SQL_ATTEMPT_GET, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "ii", run, attempt);
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "run %lld has no attempt %lld", (long long)run,
                       (long long)attempt);
    attempt_from(s, ret);
    sqlite3_reset(s);
    return 0;
}

int store_attempt_list(struct store *store, int64_t run, struct attempt_row **ret, size_t *ret_n,
                       struct err *err)
{
    struct attempt_row *rows = NULL;
    size_t n = 0;
    sqlite3_stmt *s = store_statement(store, SQL_ATTEMPT_LIST, err);
    if (s == NULL)
        return -ERR_STORAGE;
    store_bind(s, "i", run);
    int status;
    while ((status = store_step(store, s, err)) == 1) {
        struct attempt_row *row = store_grow((void **)&rows, &n, sizeof *rows);
        if (row == NULL) {
            status = err_set(err, ERR_INTERNAL, "out of memory");
            break;
        }
        attempt_from(s, row);
    }
    if (status < 0) {
        sqlite3_reset(s);
        for (size_t i = 0; i < n; i++)
            free(rows[i].environment);
        free(rows);
        return status;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

int store_attempt_pid(struct store *store, int64_t run, int64_t attempt, int64_t pid,
                      struct err *err)
{
    return store_run_sql(store, SQL_ATTEMPT_PID, NULL, err, "iii", run, attempt, pid);
}

int store_queue_counts(struct store *store, struct queue_counts *ret, struct err *err)
{
    char paused[8];
    sqlite3_stmt *s = store_statement(store, SQL_QUEUE_COUNTS, err);
    if (s == NULL)
        return -ERR_STORAGE;
    int status = store_step(store, s, err);
    if (status < 0)
        return status;
    int64_t queued = sqlite3_column_int64(s, 0), running = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    if ((status = store_setting_get(store, "queue_paused", paused, sizeof paused, err)) != 0)
        return status;
    *ret = (struct queue_counts){ .queued = queued,
                                  .running = running,
                                  .paused = strcmp(paused, "1") == 0 };
    return 0;
}

int store_queue_pause(struct store *store, bool paused, struct err *err)
{
    int status = store_setting_put(store, "queue_paused", paused ? "1" : "0", err);
    if (status == 0)
        store_touch_queue(store);
    return status;
}
