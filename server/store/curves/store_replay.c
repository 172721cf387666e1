/* First comparing, event by event, then judging, once, when the attempt ends: what the audit and
 * the verification's state are, and the sentence that says so. */
#include "server/store/curves/store_replay.h"

#include "common/audit/recompute.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/metrics.h"
#include "server/store/runs/store_audits.h"
#include "server/store/store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* comparing */

void replay_done(struct replay *replay)
{
    json_decref(replay->first);
    *replay = (struct replay){ 0 };
}

static void note(struct replay *replay, int64_t step, const char *what, bool same,
                 json_t *take_stored, json_t *take_got)
{
    replay->compared++;
    if (same || (replay->first != NULL && replay->first_step <= step)) {
        json_decref(take_stored);
        json_decref(take_got);
        return;
    }
    json_decref(replay->first);
    replay->first = json_pack("{s:I, s:s, s:o, s:o}", "step", (json_int_t)step, "metric", what,
                              "stored", take_stored, "got", take_got);
    replay->first_step = step;
    replay->lost |= replay->first == NULL;
}

int replay_value(struct store *store, int64_t run, int64_t name_id, const char *name, int64_t step,
                 double value, struct replay *replay, struct err *err)
{
    if (metric_is_clock(name))
        return 0;
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_METRIC_GET, &s, err, "iii", run, name_id, step);
    if (status != 1)
        return status;
    double stored = store_metric_value(s, 0);
    sqlite3_reset(s);
    bool same = recompute_same(stored, value);
    note(replay, step, name, same, same ? NULL : jsonx_number(stored),
         same ? NULL : jsonx_number(value));
    return 0;
}

/* The row of s is what is stored: a digest, or there is none. */
static int compare_digest(struct store *store, sqlite3_stmt *s, int64_t step, const char *what,
                          const char *sha256, struct replay *replay, struct err *err)
{
    char stored[DIGEST_HEX];
    int status = store_step(store, s, err);
    if (status != 1)
        return status;
    store_text_into(s, 0, stored, sizeof stored);
    sqlite3_reset(s);
    note(replay, step, what, strcmp(stored, sha256) == 0, json_string(stored), json_string(sha256));
    return 0;
}

int replay_checkpoint(struct store *store, int64_t run, int64_t step, const char *sha256,
                      struct replay *replay, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_CHECKPOINT_GET, &s, err, "ii", run, step);
    if (status != 0)
        return status;
    return compare_digest(store, s, step, "checkpoint", sha256, replay, err);
}

int replay_artifact(struct store *store, int64_t run, int64_t step, const char *name,
                    const char *sha256, struct replay *replay, struct err *err)
{
    if (!recompute_takes(name))
        return 0;
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_ARTIFACT_GET, &s, err, "it", run, name);
    if (status != 0)
        return status;
    return compare_digest(store, s, step, name, sha256, replay, err);
}

int replay_keep(struct store *store, int64_t run, int64_t attempt, bool known,
                struct replay *replay, struct err *err)
{
    if (replay->compared == 0 && (known || !replay->inserted))
        return 0;
    char *first = replay->first != NULL ? jsonx_text(replay->first, JSONX_KEEP_ORDER) : NULL;
    if (replay->lost || (replay->first != NULL && first == NULL))
        return err_no_memory(err, "a difference");
    int status =
        store_run_sql(store, SQL_ATTEMPT_REPLAY, NULL, err, "iiiiti", run, attempt,
                      (int64_t)replay->inserted, replay->compared, first, replay->first_step);
    free(first);
    replay_done(replay);
    return status;
}

int replay_file(struct store *store, int64_t run, int64_t attempt, int64_t step, const char *name,
                const char *stored, const char *got, struct err *err)
{
    json_t *first = json_pack("{s:I, s:s, s:s, s:s, s:b}", "step", (json_int_t)step, "metric", name,
                              "stored", stored, "got", got[0] != '\0' ? got : "no file", "file", 1);
    char *text = jsonx_text(first, JSONX_KEEP_ORDER);
    json_decref(first);
    if (text == NULL)
        return err_no_memory(err, "a difference");
    int status = store_run_sql(store, SQL_ATTEMPT_REPLAY, NULL, err, "iiiiti", run, attempt,
                               (int64_t)0, (int64_t)1, text, step);
    free(text);
    return status;
}

int replay_differs(struct store *store, int64_t run, int64_t attempt, bool *ret, struct err *err)
{
    int64_t differs = 0;
    int status = store_get_int(store, SQL_ATTEMPT_DIFFERS, 0, &differs, err, "ii", run, attempt);
    if (status == 0)
        *ret = differs != 0;
    return status;
}

/* judging */

struct environments {
    json_t
        *list; /* those that the stored rows come from, by attempt, and the attempt's own, last */
    bool same; /* all have one digest */
    char what[64]; /* what differs */
};

static json_t *environment_from(sqlite3_stmt *s)
{
    const char *text = (const char *)sqlite3_column_text(s, 1);
    json_t *whole = NULL,
           *brief = json_pack("{s:I}", "attempt", (json_int_t)sqlite3_column_int64(s, 0));
    if (text == NULL || jsonx_load(text, strlen(text), &whole, NULL) != 0)
        whole = NULL;
    json_object_set_new(brief, "digest", json_null());
    json_object_set(brief, "digest", json_object_get(whole, "digest"));
    for (int i = 0; i < RECOMPUTE_PARTS; i++)
        json_object_set(brief, recompute_parts[i].key,
                        json_object_get(whole, recompute_parts[i].key));
    json_decref(whole);
    return brief;
}

static void compare_environments(struct environments *e)
{
    size_t n = json_array_size(e->list);
    const json_t *own = json_array_get(e->list, n - 1);
    bool other[RECOMPUTE_PARTS] = { 0 };
    e->same = json_is_string(json_object_get(own, "digest"));
    for (size_t i = 0; i + 1 < n; i++) {
        const json_t *one = json_array_get(e->list, i);
        if (recompute_agrees(one, own, "digest"))
            continue;
        e->same = false;
        for (int p = 0; p < RECOMPUTE_PARTS; p++)
            other[p] |= !recompute_agrees(one, own, recompute_parts[p].key);
    }
    recompute_name(other, e->what, sizeof e->what);
}

static int read_environments(struct store *store, const struct attempt_row *row,
                             struct environments *ret, struct err *err)
{
    struct environments found = { .list = json_array() };
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_ATTEMPT_SOURCES, &s, err, "ii", row->run, row->attempt);
    while (status == 0 && (status = store_step(store, s, err)) == 1)
        status = json_array_append_new(found.list, environment_from(s)) == 0
                     ? 0
                     : err_no_memory(err, "the attempts' environments");
    sqlite3_reset(s);
    if (status != 0) {
        json_decref(found.list);
        return status;
    }
    compare_environments(&found);
    *ret = found;
    return 0;
}

/* All that a verdict follows from. */
struct case_facts {
    const struct attempt_row *row;
    const struct environments *environments;
    const json_t *difference; /* NULL = none */
    enum run_state next;
    const char *reason;
    bool verify;
    bool whole; /* a verification that can be concluded: to its end, or to a difference */
    bool file;  /* the difference is a file of the run, and no matter of environments */
};

static enum audit_status audit_of(const struct case_facts *f)
{
    if (f->file)
        return AUDIT_FAIL;
    if (f->verify && !f->whole)
        return f->next == RUN_FAILED ? AUDIT_SKIPPED : AUDIT_STATUSES;
    if (f->row->compared == 0)
        return f->verify ? AUDIT_SKIPPED : AUDIT_STATUSES;
    if (!f->environments->same)
        return AUDIT_SKIPPED;
    return f->difference != NULL ? AUDIT_FAIL : AUDIT_PASS;
}

static enum verify_state verify_of(const struct case_facts *f)
{
    if (f->file)
        return VERIFY_DIFFERS;
    if (!f->whole)
        return f->next == RUN_QUEUED      ? VERIFY_QUEUED
               : f->next == RUN_CANCELLED ? VERIFY_SKIPPED
                                          : VERIFY_FAILED;
    if (f->row->compared == 0 || !f->environments->same)
        return VERIFY_SKIPPED;
    return f->difference != NULL ? VERIFY_DIFFERS : VERIFY_IDENTICAL;
}

/* "train/loss at step 17: 2.5 is stored, 2.25 came out" */
static void say_difference(const json_t *difference, char *ret, size_t size)
{
    char *stored = jsonx_text(json_object_get(difference, "stored"), JSONX_KEEP_ORDER),
         *got = jsonx_text(json_object_get(difference, "got"), JSONX_KEEP_ORDER);
    snprintf(ret, size, "%s at step %lld: %s is stored, %s came out",
             json_string_value(json_object_get(difference, "metric")),
             (long long)json_integer_value(json_object_get(difference, "step")),
             stored != NULL ? stored : "?", got != NULL ? got : "?");
    free(stored);
    free(got);
}

static const char *text_of(const json_t *difference, const char *key)
{
    const char *text = json_string_value(json_object_get(difference, key));
    return text != NULL ? text : "?";
}

static void say_unfinished(const struct case_facts *f, char *ret, size_t size)
{
    if (f->next == RUN_CANCELLED)
        snprintf(ret, size, "cancelled");
    else if (f->next == RUN_FAILED)
        snprintf(ret, size,
                 "The verification didn't come to its end: %.*s. What it had computed until then "
                 "(%lld values) had the stored bits.",
                 (int)jsonx_prefix(f->reason, 500), f->reason, (long long)f->row->compared);
}

static void say(const struct case_facts *f, char *ret, size_t size)
{
    char who[64], difference[320] = "";
    long long n = (long long)f->row->compared;
    snprintf(who, sizeof who, f->verify ? "The verification (attempt %lld)" : "Attempt %lld",
             (long long)f->row->attempt);
    if (f->difference != NULL)
        say_difference(f->difference, difference, sizeof difference);
    if (f->file)
        snprintf(ret, size,
                 "%s trained nothing: artifact %s isn't what was stored. Its file has the digest "
                 "%s, %s was stored.",
                 who, text_of(f->difference, "metric"), text_of(f->difference, "got"),
                 text_of(f->difference, "stored"));
    else if (f->verify && !f->whole)
        say_unfinished(f, ret, size);
    else if (n == 0)
        snprintf(ret, size, "%s computed nothing that is stored.", who);
    else if (!f->environments->same)
        snprintf(ret, size,
                 "%s ran with another %s than what is stored, so that bits may differ. Of %lld "
                 "values %s%s.",
                 who, f->environments->what, n,
                 difference[0] != '\0' ? "the first that does is " : "none does", difference);
    else if (f->difference != NULL)
        snprintf(ret, size, "%s gave other bits. The first difference among %lld values is %s.",
                 who, n, difference);
    else
        snprintf(ret, size, "%s computed %lld stored values again: every bit is the same.", who, n);
}

void replay_verdict_done(struct replay_verdict *verdict)
{
    json_decref(verdict->evidence);
    verdict->evidence = NULL;
}

int replay_judge(struct store *store, const struct attempt_row *row, enum run_state next,
                 const char *reason, struct replay_verdict *ret, struct err *err)
{
    struct environments environments = { 0 };
    struct replay_verdict verdict = { .audit = AUDIT_STATUSES };
    json_t *difference = NULL;
    bool verify = attempt_verifies(row);
    if (row->compared == 0 && !verify) {
        *ret = verdict;
        return 0;
    }
    int status = read_environments(store, row, &environments, err);
    if (status == 0 && row->difference != NULL)
        status = jsonx_load(row->difference, strlen(row->difference), &difference, err);
    if (status != 0) {
        json_decref(environments.list);
        return status;
    }
    const struct case_facts facts = {
        .row = row,
        .environments = &environments,
        .difference = difference,
        .next = next,
        .reason = reason,
        .verify = verify,
        .whole = verify && (next == RUN_SUCCEEDED || difference != NULL),
        .file = json_is_true(json_object_get(difference, "file")),
    };
    verdict.audit = audit_of(&facts);
    verdict.verify = verify_of(&facts);
    say(&facts, verdict.detail, sizeof verdict.detail);
    if (facts.file)
        snprintf(verdict.outcome, sizeof verdict.outcome, "differs: %.48s",
                 text_of(difference, "metric"));
    else if (verdict.verify == VERIFY_DIFFERS)
        snprintf(verdict.outcome, sizeof verdict.outcome, "differs at step %lld",
                 (long long)json_integer_value(json_object_get(difference, "step")));
    else if (verdict.verify == VERIFY_IDENTICAL)
        snprintf(verdict.outcome, sizeof verdict.outcome, "identical");
    verdict.evidence =
        json_pack("{s:I, s:s, s:I, s:o, s:o}", "attempt", (json_int_t)row->attempt, "kind",
                  row->kind, "compared", (json_int_t)row->compared, "first_difference",
                  difference != NULL ? difference : json_null(), "environments", environments.list);
    if (verdict.evidence == NULL)
        return err_no_memory(err, "an audit's evidence");
    *ret = verdict;
    return 0;
}

int replay_audit(struct store *store, int64_t run, const struct replay_verdict *verdict,
                 struct err *err)
{
    if (verdict->audit == AUDIT_STATUSES)
        return 0;
    struct audit_row row = {
        .run = run,
        .name = (char *)(uintptr_t)audit_table[AUDIT_REPLAY]->name,
        .status = (char *)(uintptr_t)audit_status_names[verdict->audit],
        .detail = (char *)(uintptr_t)verdict->detail,
        .evidence = jsonx_text(verdict->evidence, JSONX_KEEP_ORDER),
    };
    int status = row.evidence != NULL ? store_audit_of_run(store, &row, err)
                                      : err_no_memory(err, "an audit's evidence");
    free(row.evidence);
    return status;
}
