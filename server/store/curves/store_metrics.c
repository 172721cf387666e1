/* Applying a worker's events; store_series.c reads what they leave.
 *
 * Each event type is one row of `appliers`: a function from the event's body to rows. All of an
 * event goes in with the advance of acked_seq, inside the caller's savepoint: wholly or not at all.
 */
#include "server/store/curves/store_metrics.h"

#include "common/audit/audits.h"
#include "common/base/clock.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/store/curves/rollup.h"
#include "server/store/curves/store_digests.h"
#include "server/store/curves/store_replay.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_audits.h"
#include "server/store/runs/store_runs.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where an event belongs. */
struct place {
    struct store *store;
    int64_t experiment, run, attempt;
    bool verify;           /* its values are only compared */
    bool stored;           /* the attempt is known to have stored some */
    struct replay *replay; /* what this event brings */
};

enum { LOG_BYTES = 4096 }; /* of a line, that readers of the events are told */

static int kind_of(double value)
{
    if (isnan(value))
        return 1;
    return isinf(value) ? (value > 0 ? 2 : 3) : 0;
}

/* A metric's. */
struct name {
    int64_t id;
    const char *text; /* borrowed */
};

static int name_get(struct store *store, const char *text, struct name *ret, struct err *err)
{
    int64_t id = 0;
    int status = store_get_int(store, SQL_NAME_GET, 0, &id, err, "t", text);
    if (status == 0 && id == 0) {
        status = store_run_sql(store, SQL_NAME_ADD, NULL, err, "t", text);
        id = sqlite3_last_insert_rowid(store->db);
    }
    if (status == 0)
        *ret = (struct name){ id, text };
    return status;
}

/* Inserts one value and adds it to rows when it is new; compares it when it is not. */
static int add_value(const struct place *at, const struct name *name, int64_t step, double value,
                     struct rollup_row *rows, size_t *n, struct err *err)
{
    int64_t changes = 0;
    int kind = kind_of(value), status = 0;
    double stored = kind == 1 ? 0 : value;
    if (!at->verify)
        status = store_run_sql(at->store, SQL_METRIC_ADD, &changes, err, "iiidi", at->run, name->id,
                               step, stored, (int64_t)kind);
    if (status == 0 && changes == 0)
        return replay_value(at->store, at->run, name->id, name->text, step, value, at->replay, err);
    if (status == 0) {
        at->replay->inserted = true;
        rows[(*n)++] =
            (struct rollup_row){ .step = step, .value = kind == 0 ? value : 0, .kind = kind };
    }
    return status;
}

static int series_added(const struct place *at, int64_t name, const struct rollup_row *rows,
                        size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    store_touch_metrics(at->store, at->experiment, at->run, name, rows[0].step, rows[n - 1].step);
    return rollup_add(at->store, at->run, name, rows, n, err);
}

static int set_step(const struct place *at, int64_t step, struct err *err)
{
    return at->verify ? 0 : store_run_sql(at->store, SQL_RUN_STEP, NULL, err, "ii", at->run, step);
}

static int64_t int_of(const json_t *body, const char *key)
{
    return json_integer_value(json_object_get(body, key));
}

static const char *text_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    return text != NULL ? text : "";
}

static double nats_of(const json_t *guess, const char *key)
{
    const json_t *value = json_object_get(guess, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int apply_started(const struct place *at, const json_t *body, struct err *err)
{
    const json_t *init = json_object_get(body, "init"), *guess = json_object_get(body, "guess");
    char *environment = jsonx_text(json_object_get(body, "environment"), JSONX_CANONICAL);
    char *weights = init != NULL ? jsonx_text(init, JSONX_CANONICAL) : NULL;
    int status = environment == NULL || (init != NULL && weights == NULL)
                     ? err_no_memory(err, "an environment")
                     : store_run_sql(at->store, SQL_ATTEMPT_ENVIRONMENT, NULL, err, "iit", at->run,
                                     at->attempt, environment);
    if (status == 0 && weights != NULL)
        status = store_digests_put(at->store, at->run, at->attempt, weights, NULL, NULL, err);
    if (status == 0 && guess != NULL)
        status = store_digests_guess(at->store, at->run, at->attempt, nats_of(guess, "unigram"),
                                     nats_of(guess, "bigram"), err);
    free(environment);
    free(weights);
    store_touch_run(at->store, at->experiment, at->run);
    return status;
}

/* Column by column: rows of one series are neighbours in the table, and a rollup wants them
 * together. */
static int apply_metrics(const struct place *at, const json_t *body, struct err *err)
{
    const json_t *names = json_object_get(body, "names"), *lines = json_object_get(body, "rows");
    size_t lines_n = json_array_size(lines);
    if (lines_n == 0)
        return 0;
    struct rollup_row *rows = malloc(lines_n * sizeof *rows);
    if (rows == NULL)
        return err_no_memory(err, "an event's values");
    int status = 0;
    for (size_t c = 0; c < json_array_size(names) && status == 0; c++) {
        struct name name;
        size_t n = 0;
        status = name_get(at->store, json_string_value(json_array_get(names, c)), &name, err);
        for (size_t i = 0; i < lines_n && status == 0; i++) {
            const json_t *line = json_array_get(lines, i);
            double value;
            if (jsonx_to_double(json_array_get(line, c + 1), &value) != 0)
                status = err_set(err, ERR_INTERNAL, "a metrics event holds what is no number");
            else
                status = add_value(at, &name, json_integer_value(json_array_get(line, 0)), value,
                                   rows, &n, err);
        }
        if (status == 0)
            status = series_added(at, name.id, rows, n, err);
    }
    free(rows);
    const json_t *last = json_array_get(lines, lines_n - 1);
    return status == 0 ? set_step(at, json_integer_value(json_array_get(last, 0)), err) : status;
}

/* Files that the event says the attempt has written; one of the same name was written over. */
static int put_artifacts(const struct place *at, const json_t *body, struct err *err)
{
    size_t i;
    json_t *artifact;
    int status = 0;
    json_array_foreach(json_object_get(body, "artifacts"), i, artifact)
    {
        if (status == 0)
            status = store_run_sql(at->store, SQL_ARTIFACT_PUT, NULL, err, "ititi", at->run,
                                   text_of(artifact, "name"), int_of(artifact, "bytes"),
                                   text_of(artifact, "sha256"), clock_wall_ms());
    }
    return status;
}

/* A verification's files are compared at its end. */
static int compare_eval(const struct place *at, const json_t *body, struct err *err)
{
    int64_t step = int_of(body, "step");
    const char *key;
    json_t *item;
    json_object_foreach(json_object_get(body, "values"), key, item)
    {
        struct rollup_row row;
        size_t n = 0;
        double value;
        struct name name;
        if (jsonx_to_double(item, &value) != 0)
            return err_set(err, ERR_INTERNAL, "an eval event holds what is no number");
        int status = name_get(at->store, key, &name, err);
        if (status == 0)
            status = add_value(at, &name, step, value, &row, &n, err);
        if (status == 0)
            status = series_added(at, name.id, &row, n, err);
        if (status != 0)
            return status;
    }
    store_touch_run(at->store, at->experiment, at->run);
    store_touch_experiment(at->store, at->experiment);
    return set_step(at, step, err);
}

static int apply_eval(const struct place *at, const json_t *body, struct err *err)
{
    int status = put_artifacts(at, body, err);
    return status == 0 ? compare_eval(at, body, err) : status;
}

/* audit: NULL = none, any more. */
static int set_auditing(const struct place *at, const char *audit, struct err *err)
{
    int64_t changes = 0;
    int status = store_run_sql(at->store, SQL_RUN_AUDITING, &changes, err, "it", at->run, audit);
    if (status == 0 && changes > 0)
        store_touch_run(at->store, at->experiment, at->run);
    return status;
}

static int apply_audit(const struct place *at, const json_t *body, struct err *err)
{
    char *evidence = jsonx_text(json_object_get(body, "evidence"), JSONX_CANONICAL);
    struct audit_row row = {
        .run = at->run,
        .name = (char *)text_of(body, "name"),
        .status = (char *)text_of(body, "status"),
        .detail = (char *)text_of(body, "detail"),
        .evidence = evidence,
    };
    int status = evidence != NULL ? store_audit_of_run(at->store, &row, err)
                                  : err_no_memory(err, "an audit");
    free(evidence);
    return status == 0 ? set_auditing(at, NULL, err) : status;
}

static int compare_checkpoint(const struct place *at, const json_t *body, struct err *err)
{
    return replay_checkpoint(at->store, at->run, int_of(body, "step"), text_of(body, "sha256"),
                             at->replay, err);
}

/* The file of the attempt before has been written over, so the row follows. */
static int apply_checkpoint(const struct place *at, const json_t *body, struct err *err)
{
    int status = compare_checkpoint(at, body, err);
    return status != 0
               ? status
               : store_run_sql(at->store, SQL_CHECKPOINT_PUT, NULL, err, "iiititi", at->run,
                               int_of(body, "step"), at->attempt, text_of(body, "file"),
                               int_of(body, "bytes"), text_of(body, "sha256"), clock_wall_ms());
}

/* A line with the member `audit` says that this audit begins; "": what began is over. */
static int apply_log(const struct place *at, const json_t *body, struct err *err)
{
    const char *message = text_of(body, "message");
    json_t *line = json_pack("{s:s, s:s%}", "level", text_of(body, "level"), "message", message,
                             jsonx_prefix(message, LOG_BYTES));
    char *text = jsonx_text(line, JSONX_CANONICAL);
    json_decref(line);
    if (text == NULL)
        return err_no_memory(err, "a log line");
    store_touch_log(at->store, at->experiment, at->run, text);
    free(text);
    const char *audit = json_string_value(json_object_get(body, "audit"));
    if (audit == NULL || at->verify)
        return 0;
    return set_auditing(at, audit_find(audit) != NULL ? audit : NULL, err);
}

/* A failed attempt tells of it, too: the rows that it stored stay. */
static int keep_interference(const struct place *at, const json_t *body, struct err *err)
{
    const json_t *told = json_object_get(body, "interference");
    const json_t *steal = json_object_get(told, "steal_share");
    const json_t *other = json_object_get(told, "other_cores");
    return json_is_number(steal) && json_is_number(other)
               ? store_run_sql(at->store, SQL_ATTEMPT_INTERFERENCE, NULL, err, "iidd", at->run,
                               at->attempt, json_number_value(steal), json_number_value(other))
               : 0;
}

static int apply_finished(const struct place *at, const json_t *body, struct err *err)
{
    int status = set_step(at, int_of(body, "step"), err);
    if (status == 0)
        status = keep_interference(at, body, err);
    if (status == 0)
        status = put_artifacts(at, body, err);
    if (status == 0)
        status = store_digests_put(at->store, at->run, at->attempt, NULL,
                                   json_string_value(json_object_get(body, "consumed_sha256")),
                                   json_string_value(json_object_get(body, "eval_sha256")), err);
    return status == 0 ? store_attempt_end(at->store, at->run, at->attempt, RUN_SUCCEEDED,
                                           "finished", "", err)
                       : status;
}

static int compare_finished(const struct place *at, const json_t *body, struct err *err)
{
    size_t i;
    json_t *artifact;
    int status = 0;
    json_array_foreach(json_object_get(body, "artifacts"), i, artifact)
    {
        if (status == 0)
            status =
                replay_artifact(at->store, at->run, int_of(body, "step"), text_of(artifact, "name"),
                                text_of(artifact, "sha256"), at->replay, err);
    }
    if (status == 0)
        status = replay_keep(at->store, at->run, at->attempt, at->stored, at->replay, err);
    return status == 0 ? store_attempt_end(at->store, at->run, at->attempt, RUN_SUCCEEDED,
                                           "finished", "", err)
                       : status;
}

/* What another attempt may not meet again: a folder that was away, a disk that failed. */
static bool may_pass(const char *reason)
{
    static const char *const reasons[] = { "storage", "disk_full", "unavailable", "not_found" };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

static int apply_failed(const struct place *at, const json_t *body, struct err *err)
{
    struct run_row run = { 0 };
    int status = keep_interference(at, body, err);
    if (status == 0)
        status = store_run_get(at->store, at->run, &run, err);
    if (status != 0)
        return status;
    const char *reason = text_of(body, "reason"), *detail = text_of(body, "detail");
    bool stopped = strcmp(reason, "stopped") == 0,
         cancel = at->verify ? run.verify.cancel : run.cancel;
    bool follows = !at->verify && may_pass(reason) && at->attempt < run.max_attempts;
    long long max_attempts = (long long)run.max_attempts;
    enum run_state next = cancel ? RUN_CANCELLED : stopped || follows ? RUN_QUEUED : RUN_FAILED;
    run_row_done(&run);
    if (stopped && next == RUN_QUEUED && !at->verify &&
        (status = store_run_forgive(at->store, at->run, err)) != 0)
        return status;
    char text[700];
    int len = snprintf(text, sizeof text, "%.*s%s%.*s", (int)jsonx_prefix(reason, 80), reason,
                       detail[0] != '\0' ? ": " : "", (int)jsonx_prefix(detail, 512), detail);
    if (follows)
        snprintf(text + len, sizeof text - (size_t)len, "; attempt %lld of %lld follows",
                 (long long)at->attempt + 1, max_attempts);
    return store_attempt_end(at->store, at->run, at->attempt, next, stopped ? "stopped" : "failed",
                             next == RUN_CANCELLED ? "cancelled" : text, err);
}

/* What an audit finds has been told by the attempt that trained. */
static int pass_over(const struct place *at, const json_t *body, struct err *err)
{
    (void)at;
    (void)body;
    (void)err;
    return 0;
}

static const struct {
    int (*train)(const struct place *, const json_t *, struct err *);
    int (*verify)(const struct place *, const json_t *, struct err *);
} appliers[WIRE_TYPES] = {
    [WIRE_STARTED] = { apply_started, apply_started },
    [WIRE_METRICS] = { apply_metrics, apply_metrics },
    [WIRE_EVAL] = { apply_eval, compare_eval },
    [WIRE_AUDIT] = { apply_audit, pass_over },
    [WIRE_LOG] = { apply_log, apply_log },
    [WIRE_FINISHED] = { apply_finished, compare_finished },
    [WIRE_CHECKPOINT] = { apply_checkpoint, compare_checkpoint },
    [WIRE_FAILED] = { apply_failed, apply_failed },
};

static int apply(const struct place *at, const struct wire_message *message, struct err *err)
{
    int status = at->verify ? appliers[message->type].verify(at, message->body, err)
                            : appliers[message->type].train(at, message->body, err);
    if (status == 0)
        status = replay_keep(at->store, at->run, at->attempt, at->stored, at->replay, err);
    replay_done(at->replay);
    return status;
}

int store_event_apply(struct store *store, int64_t run, int64_t attempt,
                      const struct wire_message *message, uint64_t *ret_acked, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_attempt(store, SQL_ATTEMPT_ACKED, run, attempt, &s, err);
    if (status != 0)
        return status;
    uint64_t acked = (uint64_t)sqlite3_column_int64(s, 0);
    struct replay replay = { 0 };
    const struct place at = {
        .store = store,
        .experiment = sqlite3_column_int64(s, 1),
        .run = run,
        .attempt = attempt,
        .verify = strcmp((const char *)sqlite3_column_text(s, 3), "verify") == 0,
        .stored = sqlite3_column_int(s, 4) != 0,
        .replay = &replay,
    };
    bool ended = sqlite3_column_int64(s, 2) != 0;
    sqlite3_reset(s);
    if (message->seq <= acked) {
        *ret_acked = acked;
        return 0;
    }
    if (ended)
        return err_set(err, ERR_PROTOCOL, "attempt %lld of run %lld has ended", (long long)attempt,
                       (long long)run);
    if (message->seq != acked + 1)
        return err_set(err, ERR_CONFLICT, "event %llu came after %llu",
                       (unsigned long long)message->seq, (unsigned long long)acked);
    if (appliers[message->type].train == NULL)
        return err_set(err, ERR_PROTOCOL, "a %s message is no event",
                       wire_type_name(message->type));
    status = store_run_sql(store, SQL_ATTEMPT_ACK, NULL, err, "iii", run, attempt,
                           (int64_t)message->seq);
    if (status == 0)
        status = apply(&at, message, err);
    if (status == 0)
        *ret_acked = message->seq;
    return status;
}
