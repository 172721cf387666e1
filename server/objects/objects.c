/* Rows of the store as the objects that clients read. */
#include "server/objects/objects.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"

#include <math.h>
#include <string.h>

json_t *objects_embed(const char *text)
{
    json_t *value = NULL;
    if (text != NULL && jsonx_load(text, strlen(text), &value, NULL) != 0)
        value = NULL;
    return value != NULL ? value : json_null();
}

json_t *objects_time(int64_t ms)
{
    if (ms == 0)
        return json_null();
    char text[CLOCK_ISO_BYTES];
    clock_iso(ms, text);
    return json_string(text);
}

static json_t *verify_json(const struct run_verify *verify)
{
    if (verify->state == VERIFY_NONE)
        return json_null();
    return json_pack("{s:s, s:o, s:I, s:o, s:s}", "state", verify_state_names[verify->state],
                     "attempt", verify->attempt > 0 ? json_integer(verify->attempt) : json_null(),
                     "compared", (json_int_t)verify->compared, "first_difference",
                     objects_embed(verify->difference), "reason", verify->reason);
}

json_t *objects_run(const struct run_row *row)
{
    json_t *final = json_object();
    for (size_t i = 0; i < row->finals_n; i++)
        json_object_set_new(final, row->finals[i].name, jsonx_number(row->finals[i].value));
    json_t *run = json_pack(
        "{s:I, s:I, s:s, s:o, s:I, s:s, s:s, s:b, s:I, s:b, s:I, s:I, s:I, s:I, s:s, s:I, s:I, "
        "s:f, s:o, s:o, s:o, s:o, s:o, s:s?}",
        "id", (json_int_t)row->id, "experiment_id", (json_int_t)row->experiment, "arm", row->arm,
        "grid", objects_embed(row->grid), "seed", (json_int_t)row->seed, "state",
        run_state_names[row->state], "reason", row->reason, "cancel_requested", (int)row->cancel,
        "priority", (json_int_t)row->priority, "exclusive", (int)row->exclusive, "attempt",
        (json_int_t)row->attempt, "max_attempts", (json_int_t)row->max_attempts, "step",
        (json_int_t)row->step, "steps", (json_int_t)row->steps, "digest", row->digest, "parameters",
        (json_int_t)row->parameters, "memory_bytes", (json_int_t)row->memory_bytes,
        "flops_per_step", row->flops_per_step, "created_at", objects_time(row->created_at),
        "started_at", objects_time(row->started_at), "ended_at", objects_time(row->ended_at),
        "final", final, "verify", verify_json(&row->verify), "auditing", row->auditing);
    if (run != NULL && row->spec != NULL)
        json_object_set_new(run, "spec", objects_embed(row->spec));
    return run;
}

/* An experiment's state is derived from its runs. */
static const char *experiment_state(const struct experiment_row *row)
{
    const int64_t *n = row->counts;
    if (n[RUN_RUNNING] > 0)
        return "running";
    if (n[RUN_QUEUED] > 0)
        return row->started_at == 0 ? "queued" : "running";
    return n[RUN_SUCCEEDED] + n[RUN_FAILED] == 0 && n[RUN_CANCELLED] > 0 ? "cancelled" : "finished";
}

json_t *objects_experiment(const struct experiment_row *row)
{
    json_t *counts = json_object(), *audits = json_object();
    json_t *spec = objects_embed(row->spec), *arms = json_array();
    for (int i = 0; i < RUN_STATES; i++)
        json_object_set_new(counts, run_state_names[i], json_integer(row->counts[i]));
    for (int i = 0; i < AUDIT_STATUSES; i++)
        json_object_set_new(audits, audit_status_names[i], json_integer(row->audits[i]));
    const char *arm;
    json_t *overrides;
    json_object_foreach(json_object_get(spec, "arms"), arm, overrides)
        json_array_append_new(arms, json_string(arm));
    double progress = row->steps_total > 0 ? (double)row->steps_done / (double)row->steps_total : 0;
    json_t *grid = json_object_get(spec, "grid"), *seeds = json_object_get(spec, "seeds"),
           *compare = json_object_get(spec, "compare");
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:f, s:I, s:o, s:O, s:O, s:O, s:s, s:s, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:I, s:o}",
        "id", (json_int_t)row->id, "name", row->name, "state", experiment_state(row), "counts",
        counts, "audits", audits, "progress", progress, "runs", (json_int_t)row->runs_n, "arms",
        arms, "grid", grid != NULL ? grid : json_null(), "seeds",
        seeds != NULL ? seeds : json_null(), "compare", compare != NULL ? compare : json_null(),
        "notes", row->notes, "hypothesis", row->hypothesis, "tags", objects_embed(row->tags),
        "created_at", objects_time(row->created_at), "started_at", objects_time(row->started_at),
        "ended_at", objects_time(row->ended_at), "deleted_at", objects_time(row->deleted_at),
        "parent", row->parent > 0 ? json_integer(row->parent) : json_null(), "spec", spec,
        "priority", (json_int_t)row->priority, "verdict", objects_embed(row->verdict));
}

json_t *objects_queue(const struct queue_counts *counts)
{
    return json_pack("{s:b, s:I, s:I, s:I}", "paused", (int)counts->paused, "queued",
                     (json_int_t)counts->queued, "running", (json_int_t)counts->running,
                     "verifying", (json_int_t)counts->verifying);
}

json_t *objects_attempt(const struct attempt_row *row)
{
    json_t *told = isnan(row->steal_share)
                       ? json_null()
                       : json_pack("{s:f, s:f}", "steal_share", row->steal_share, "other_cores",
                                   row->other_cores);
    return json_pack("{s:I, s:s, s:s, s:o, s:o, s:I, s:o, s:o}", "attempt",
                     (json_int_t)row->attempt, "kind", row->kind, "outcome", row->outcome,
                     "started_at", objects_time(row->started_at), "ended_at",
                     objects_time(row->ended_at), "acked_seq", (json_int_t)row->acked_seq,
                     "environment", objects_embed(row->environment), "interference", told);
}

json_t *objects_audit(const struct audit_row *row)
{
    return json_pack("{s:I, s:s?, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "id", (json_int_t)row->id,
                     "arm", row->arm, "grid", objects_embed(row->grid), "name", row->name, "status",
                     row->status, "detail", row->detail, "evidence", objects_embed(row->evidence),
                     "run", row->run > 0 ? json_integer(row->run) : json_null(), "created_at",
                     objects_time(row->created_at));
}

json_t *objects_dataset(const struct dataset_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "name", row->name, "digest",
                     row->digest, "format", row->format, "documents", (json_int_t)row->documents,
                     "bytes", (json_int_t)row->bytes, "duplicates", (json_int_t)row->duplicates,
                     "created_at", objects_time(row->created_at));
}

json_t *objects_artifact(const struct artifact_row *row)
{
    return json_pack("{s:s, s:I, s:s}", "name", row->name, "bytes", (json_int_t)row->bytes,
                     "sha256", row->sha256);
}
