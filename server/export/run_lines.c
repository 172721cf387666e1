/* Runs, a line each: what the list of runs tells (objects.h), the experiment's name and tags, and
 * the specification as parameters by their paths ("model.attention.top_k").
 *
 * A table's columns must be known before its first row. Those of parameters are the paths of one
 * specification an arm and grid point, since seeds differ in the seed alone; those of final values
 * the metrics that any of the runs had measured at the beginning. */
#include "server/export/csv.h"
#include "server/export/format.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/objects/objects.h"

#include <string.h>

/* Members of the specification as "a.b": value; arrays stay values. */
static void flatten(const json_t *value, const char *path, json_t *into)
{
    const char *key;
    json_t *member;
    if (!json_is_object(value)) {
        json_object_set(into, path, (json_t *)(uintptr_t)value);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        char at[256];
        snprintf(at, sizeof at, "%s%s%s", path, *path != '\0' ? "." : "", key);
        flatten(member, at, into);
    }
}

static json_t *params_of(const char *spec)
{
    json_t *whole = objects_embed(spec), *params = json_object();
    flatten(whole, "", params);
    json_decref(whole);
    return params;
}

/* The run as the list has it, and more; NULL: memory ran out. */
static int make_run(struct export *e, struct store *store, json_t **ret, struct err *err)
{
    struct run_row row = { 0 };
    int status = store_run_get(store, e->run.id, &row, err);
    if (status != 0)
        return status;
    json_t *params = params_of(row.spec), *run;
    char *text = row.spec;
    row.spec = NULL; /* its parameters say the same */
    run = objects_run(&row);
    row.spec = text;
    json_object_set_new(run, "experiment", json_string(e->row.name));
    json_object_set_new(run, "tags", objects_embed(e->row.tags));
    json_object_set_new(run, "params", params);
    run_row_done(&row);
    if (run == NULL)
        return err_no_memory(err, "a run");
    *ret = run;
    return 0;
}

/* JSON lines */

static int run_jsonl(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    json_t *run = NULL;
    int status = make_run(e, store, &run, err);
    if (status != 0)
        return status;
    jsonx_dump(run, JSONX_KEEP_ORDER, to);
    buf_addc(to, '\n');
    json_decref(run);
    return 0;
}

const struct export_format export_runs_jsonl = {
    .what = "runs",
    .name = "jsonl",
    .type = "application/x-ndjson",
    .ending = "-runs.jsonl",
    .run = run_jsonl,
};

/* CSV. Members of the run that are columns by themselves, and those whose members are. */

static const struct {
    const char *column, *member, *below; /* below: of an object */
} plain[] = {
    { "run", "id", NULL },
    { "experiment_id", "experiment_id", NULL },
    { "experiment", "experiment", NULL },
    { "arm", "arm", NULL },
    { "seed", "seed", NULL },
    { "state", "state", NULL },
    { "reason", "reason", NULL },
    { "cancel_requested", "cancel_requested", NULL },
    { "priority", "priority", NULL },
    { "exclusive", "exclusive", NULL },
    { "attempt", "attempt", NULL },
    { "max_attempts", "max_attempts", NULL },
    { "step", "step", NULL },
    { "steps", "steps", NULL },
    { "digest", "digest", NULL },
    { "parameters", "parameters", NULL },
    { "memory_bytes", "memory_bytes", NULL },
    { "flops_per_step", "flops_per_step", NULL },
    { "created_at", "created_at", NULL },
    { "started_at", "started_at", NULL },
    { "ended_at", "ended_at", NULL },
    { "verify", "verify", "state" },
    { "verify_attempt", "verify", "attempt" },
    { "verify_compared", "verify", "compared" },
    { "verify_first_difference", "verify", "first_difference" },
    { "verify_reason", "verify", "reason" },
};

static const char *const groups[] = { "grid", "tags", "params", "final" };
enum { PLAIN = sizeof plain / sizeof *plain, GROUPS = sizeof groups / sizeof *groups };

static int add_params(void *arg, const char *spec, struct err *err)
{
    json_t *params = params_of(spec);
    int status = json_object_update_missing(arg, params) == 0
                     ? 0
                     : err_no_memory(err, "the columns of the runs");
    json_decref(params);
    return status;
}

static json_t *final_columns(const struct export *e)
{
    json_t *columns = json_object();
    for (size_t i = 0; i < e->plan.names_n; i++)
        json_object_set_new(columns, e->plan.names[i].text, json_true());
    return columns;
}

static int begin_csv(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    const char *key;
    json_t *params = json_object(), *ignored;
    e->own = json_pack("{s:O?, s:o, s:o, s:o}", "grid", e->grid, "tags", objects_embed(e->row.tags),
                       "params", params, "final", final_columns(e));
    if (e->own == NULL)
        return err_no_memory(err, "the columns of the runs");
    int status =
        store_export_specs(store, e->request->experiment, e->request->arm, add_params, params, err);
    for (size_t i = 0; i < PLAIN; i++) {
        buf_adds(to, i > 0 ? "," : "");
        buf_adds(to, plain[i].column);
    }
    for (size_t g = 0; g < GROUPS; g++)
        json_object_foreach(json_object_get(e->own, groups[g]), key, ignored)
        {
            struct buf name;
            buf_init(&name, 0);
            buf_addf(&name, "%s.%s", groups[g], key);
            buf_addc(to, ',');
            csv_text(name.data != NULL ? name.data : "", to);
            buf_done(&name);
        }
    buf_adds(to, ",final_words\r\n");
    return status;
}

/* Of final values that aren't finite the cells are empty, and the last one says which and what. */
static void add_words(const json_t *finals, struct buf *to)
{
    const char *key;
    json_t *value;
    struct buf words;
    buf_init(&words, 0);
    json_object_foreach((json_t *)(uintptr_t)finals, key, value)
    {
        if (json_is_string(value))
            buf_addf(&words, "%s%s=%s", words.len > 0 ? ";" : "", key, json_string_value(value));
    }
    if (words.data != NULL)
        csv_text(words.data, to);
    to->failed |= words.failed;
    buf_done(&words);
}

static void add_group(const json_t *columns, const json_t *values, bool numbers, struct buf *to)
{
    const char *key;
    json_t *ignored;
    json_object_foreach((json_t *)(uintptr_t)columns, key, ignored)
    {
        const json_t *value = json_object_get(values, key);
        buf_addc(to, ',');
        if (!numbers || !json_is_string(value))
            csv_value(value, to);
    }
}

static int run_csv(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    json_t *run = NULL;
    int status = make_run(e, store, &run, err);
    if (status != 0)
        return status;
    for (size_t i = 0; i < PLAIN; i++) {
        const json_t *value = json_object_get(run, plain[i].member);
        buf_adds(to, i > 0 ? "," : "");
        csv_value(plain[i].below != NULL ? json_object_get(value, plain[i].below) : value, to);
    }
    const json_t *finals = json_object_get(run, "final");
    for (size_t g = 0; g < GROUPS; g++)
        add_group(json_object_get(e->own, groups[g]), json_object_get(run, groups[g]),
                  strcmp(groups[g], "final") == 0, to);
    buf_addc(to, ',');
    add_words(finals, to);
    buf_add(to, "\r\n", 2);
    json_decref(run);
    return 0;
}

static void done_csv(struct export *e)
{
    json_decref(e->own);
}

const struct export_format export_runs_csv = {
    .what = "runs",
    .name = "csv",
    .type = "text/csv; charset=utf-8",
    .ending = "-runs.csv",
    .begin = begin_csv,
    .run = run_csv,
    .done = done_csv,
};
