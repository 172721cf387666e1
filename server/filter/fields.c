/* The tables. Of a run's row r the indexes hold all but spec and texts, so that a search reads an
 * index (runs_narrow) and no specification; what is asked of those lies in tables of its own: params
 * (a row a path of a part of a specification, shared by all runs that have that part), tags, series.
 * An experiment's row e is read as it is: there are fewer of them.
 *
 * A family whose rows differ by the member has one row a case, which its resolver chooses. */
#include "server/filter/fields.h"

#include "common/audit/audits.h"
#include "common/spec/attention.h"
#include "common/spec/metrics.h"
#include "common/spec/spec_fields.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const run_states[] = { "queued", "running",   "succeeded",
                                          "failed", "cancelled", NULL };
static const char *const experiment_states[] = { "queued", "running", "finished", "cancelled",
                                                 NULL };
static const char *const verify_states[] = { "queued", "running", "identical", "differs",
                                             "failed", "skipped", NULL };
/* A claim's (verdict/claims.h), then what a report has beside them. */
static const char *const verdicts[] = { "better",       "worse",   "equivalent",
                                        "undetermined", "invalid", "mixed",
                                        "open",         "none",    NULL };
static const char *const goals[] = { "min", "max", NULL };

/* Rows: a column; one that may be NULL; one of the run's experiment. */
#define COLUMN(name, type, column)                                                                 \
    {                                                                                              \
        name, type, "", column, "", column, NULL, NULL, false                                      \
    }
#define MAYBE(name, type, column)                                                                  \
    {                                                                                              \
        name, type, "", column, "", column, NULL, NULL, true                                       \
    }
#define FOUND(name, type, column)                                                                  \
    {                                                                                              \
        name, type, "", column, "", column, "SELECT r.id FROM runs r WHERE ", NULL, false          \
    }
#define OF_EXPERIMENT(name, type, column)                                                          \
    {                                                                                              \
        name, type, "r.experiment IN (SELECT x.id FROM experiments x WHERE ", "x." column, ")",    \
            "(SELECT x." column " FROM experiments x WHERE x.id = r.experiment)", NULL, NULL,      \
            false                                                                                  \
    }
/* A value that a SELECT computes. */
#define COMPUTED(name, type, select, words)                                                        \
    {                                                                                              \
        name, type, "EXISTS (SELECT 1 FROM (SELECT " select ") WHERE ", "v", ")",                  \
            "(SELECT " select ")", NULL, words, true                                               \
    }

static const struct filter_field run_fields[] = {
    COLUMN("id", TYPE_NUMBER, "r.id"),
    FOUND("experiment", TYPE_NUMBER, "r.experiment"),
    FOUND("experiment_id", TYPE_NUMBER, "r.experiment"),
    OF_EXPERIMENT("name", TYPE_TEXT, "name"),
    FOUND("arm", TYPE_TEXT, "r.arm"),
    COLUMN("seed", TYPE_NUMBER, "r.seed"),
    { "state", TYPE_WORD, "", "r.state", "", "r.state", "SELECT r.id FROM runs r WHERE ",
      run_states, false },
    COLUMN("reason", TYPE_TEXT, "r.reason"),
    COLUMN("cancel_requested", TYPE_BOOL, "r.cancel"),
    COLUMN("priority", TYPE_NUMBER, "r.priority"),
    COLUMN("exclusive", TYPE_BOOL, "r.exclusive"),
    COLUMN("attempt", TYPE_NUMBER, "r.attempt"),
    COLUMN("max_attempts", TYPE_NUMBER, "r.max_attempts"),
    COLUMN("step", TYPE_NUMBER, "r.step"),
    COLUMN("steps", TYPE_NUMBER, "r.steps"),
    COLUMN("digest", TYPE_TEXT, "r.digest"),
    COLUMN("parameters", TYPE_NUMBER, "r.parameters"),
    COLUMN("memory_bytes", TYPE_NUMBER, "r.memory_bytes"),
    COLUMN("flops_per_step", TYPE_NUMBER, "r.flops_per_step"),
    COLUMN("created_at", TYPE_TIME, "r.created_at"),
    MAYBE("started_at", TYPE_TIME, "r.started_at"),
    MAYBE("ended_at", TYPE_TIME, "r.ended_at"),
    { "verify", TYPE_WORD, "", "r.verify", "", "r.verify", NULL, verify_states, true },
    OF_EXPERIMENT("notes", TYPE_TEXT, "notes"),
    OF_EXPERIMENT("hypothesis", TYPE_TEXT, "hypothesis"),
    COLUMN("params.seed", TYPE_NUMBER, "r.seed"),
    MAYBE("params.artifacts", TYPE_JSON, "json_extract(r.spec, '$.artifacts')"),
};

#define RUN_COUNT(what) what " AS v FROM runs r WHERE r.experiment = e.id"
static const struct filter_field experiment_fields[] = {
    COLUMN("id", TYPE_NUMBER, "e.id"),
    COLUMN("name", TYPE_TEXT, "e.name"),
    COMPUTED("state", TYPE_WORD,
             RUN_COUNT("CASE WHEN sum(r.state = 'running') > 0 THEN 'running' "
                       "WHEN sum(r.state = 'queued') > 0 THEN "
                       "iif(min(r.started_at) IS NULL, 'queued', 'running') "
                       "WHEN sum(r.state IN ('succeeded', 'failed')) = 0 AND "
                       "sum(r.state = 'cancelled') > 0 THEN 'cancelled' ELSE 'finished' END"),
             experiment_states),
    { "verdict", TYPE_WORD,
      "EXISTS (SELECT 1 FROM (SELECT e.verdict AS v UNION ALL SELECT x.verdict FROM verdicts x "
      "WHERE x.experiment = e.id AND x.verdict IS NOT NULL) WHERE ",
      "v", ")", "e.verdict", NULL, verdicts, true },
    COLUMN("runs", TYPE_NUMBER, "e.runs_n"),
    { "arms", TYPE_TEXT, "EXISTS (SELECT 1 FROM json_each(e.spec, '$.arms') a WHERE ", "a.key", ")",
      NULL, NULL, NULL, false },
    COLUMN("notes", TYPE_TEXT, "e.notes"),
    COLUMN("hypothesis", TYPE_TEXT, "e.hypothesis"),
    COLUMN("compare.metric", TYPE_TEXT, "e.metric"),
    { "compare.goal", TYPE_WORD, "", "e.goal", "", "e.goal", NULL, goals, false },
    MAYBE("compare.baseline", TYPE_TEXT, "json_extract(e.spec, '$.compare.baseline')"),
    MAYBE("priority", TYPE_NUMBER, "coalesce(e.priority, json_extract(e.spec, '$.priority'))"),
    MAYBE("parent", TYPE_NUMBER, "e.parent"),
    COLUMN("created_at", TYPE_TIME, "e.created_at"),
    COMPUTED("started_at", TYPE_TIME, RUN_COUNT("min(r.started_at)"), NULL),
    COMPUTED("ended_at", TYPE_TIME,
             RUN_COUNT("iif(sum(r.state IN ('queued', 'running')) = 0, max(r.ended_at), NULL)"),
             NULL),
    MAYBE("deleted_at", TYPE_TIME, "e.deleted_at"),
};

/* metrics.NAME: the series' summary; what follows the name chooses its row. */
#define SERIES "s.name = (SELECT n.id FROM metric_names n WHERE n.name = ?)"
#define METRIC(name, type, value, key)                                                             \
    {                                                                                              \
        name, type, "EXISTS (SELECT 1 FROM series s WHERE s.run = r.id AND " SERIES " AND ",       \
            value, ")", "(SELECT " key " FROM series s WHERE s.run = r.id AND " SERIES ")",        \
            "SELECT s.run FROM series s WHERE (" SERIES " AND ", NULL, true                        \
    }
static const struct filter_field metric_fields[] = {
    METRIC(".min", TYPE_NUMBER, "s.min", "s.min"),
    METRIC(".max", TYPE_NUMBER, "s.max", "s.max"),
    METRIC(".mean", TYPE_NUMBER, "(s.sum / nullif(s.count, 0))", "s.sum / nullif(s.count, 0)"),
    METRIC("", TYPE_METRIC, "s.last", "iif(s.last_kind = 0, s.last, NULL)"),
};
static const struct filter_field *const metric_last = &metric_fields[3];

static const struct filter_field tag_of_run = {
    "tags.",
    TYPE_TAG,
    "r.experiment IN (SELECT t.experiment FROM tags t WHERE t.key = ? AND ",
    "t.value",
    ")",
    "(SELECT coalesce(t.number, substr(t.value, 1, 40)) FROM tags t WHERE t.experiment = "
    "r.experiment AND t.key = ?)",
    "SELECT r.id FROM tags t JOIN runs r ON r.experiment = t.experiment WHERE (t.key = ? AND ",
    NULL,
    true
};
static const struct filter_field tag_of_experiment = {
    "tags.",
    TYPE_TAG,
    "e.id IN (SELECT t.experiment FROM tags t WHERE t.key = ? AND ",
    "t.value",
    ")",
    "(SELECT coalesce(t.number, substr(t.value, 1, 40)) FROM tags t WHERE t.experiment = e.id AND "
    "t.key = ?)",
    NULL,
    NULL,
    true
};

/* A path of a specification, by the part that it lies in. */
#define PART(name, column)                                                                         \
    {                                                                                              \
        name, TYPE_JSON,                                                                           \
            "ifnull(" column " IN (SELECT p.part FROM params p WHERE p.path = ? AND ", "p.value",  \
            "), 0)", "(SELECT p.value FROM params p WHERE p.part = " column " AND p.path = ?)",    \
            NULL, NULL, true                                                                       \
    }
static const struct filter_field part_fields[] = {
    PART("data.", "r.part_data"),
    PART("model.", "r.part_model"),
    PART("train.", "r.part_train"),
};
static const struct filter_field grid_of_run = PART("grid.", "r.part_grid");
static const struct filter_field param_of_experiment =
    COMPUTED("params.", TYPE_JSON, "json_extract(e.spec, '$.' || ?) AS v", NULL);
static const struct filter_field grid_of_experiment = {
    "grid.",
    TYPE_JSON,
    "EXISTS (SELECT 1 FROM json_each(e.spec, '$.grid.\"' || ? || '\"') g WHERE ",
    "g.value",
    ")",
    NULL,
    NULL,
    NULL,
    true
};
/* verdict.ARM: its primary claim's. */
static const struct filter_field verdict_of_arm =
    COMPUTED("verdict.", TYPE_WORD,
             "x.verdict AS v FROM verdicts x WHERE x.experiment = e.id AND x.arm = ?", verdicts);
static const struct filter_field count_of_experiment =
    COMPUTED("counts.", TYPE_NUMBER,
             "count(*) AS v FROM runs r WHERE r.experiment = e.id AND r.state = ?", NULL);

/* audits.NAME: the worst finding that speaks of the run, by how far the audit reaches; of an
 * experiment, the worst of all. */
#define WORST(of)                                                                                   \
    "CASE max(CASE a.status WHEN 'pass' THEN 0 WHEN 'skipped' THEN 1 WHEN 'warn' THEN 2 ELSE 3 "    \
    "END) WHEN 0 THEN 'pass' WHEN 1 THEN 'skipped' WHEN 2 THEN 'warn' WHEN 3 THEN 'fail' END AS v " \
    "FROM audits a WHERE " of " AND a.name = ?"
#define AUDIT(of) COMPUTED("audits.", TYPE_WORD, WORST(of), audit_status_names)
static const struct filter_field audit_fields[] = {
    [AUDIT_OF_RUN] = AUDIT("a.run = r.id"),
    [AUDIT_OF_ARM] = AUDIT("a.experiment = r.experiment AND a.arm = r.arm"),
    [AUDIT_OF_CELL] = AUDIT("a.experiment = r.experiment AND a.arm = r.arm AND a.grid = r.grid"),
    [AUDIT_OF_POINT] = AUDIT("a.experiment = r.experiment AND a.grid = r.grid"),
    [AUDIT_OF_EXPERIMENT] = AUDIT("a.experiment = r.experiment"),
};
static const struct filter_field audit_of_experiment = AUDIT("a.experiment = e.id");

#define N(array) (sizeof(array) / sizeof *(array))

/* members */

static bool choose(const struct filter_field *field, struct filter_ref *ret)
{
    ret->field = field;
    ret->type = (int)field->type;
    ret->choices = field->choices;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && strcmp(text + len - n, end) == 0;
}

static bool find_metric(const char *member, char *kept, struct filter_ref *ret)
{
    size_t i = 0;
    while (!ends_with(member, metric_fields[i].name) && metric_fields[i].name[0] != '\0')
        i++;
    size_t len = strlen(member) - strlen(metric_fields[i].name);
    memcpy(kept, member, len);
    kept[len] = '\0';
    return len > 0 && choose(&metric_fields[i], ret);
}

static bool find_tag(enum filter_of of, const char *member, char *kept, struct filter_ref *ret)
{
    memcpy(kept, member, strlen(member) + 1);
    return *member != '\0' && choose(of == FILTER_RUNS ? &tag_of_run : &tag_of_experiment, ret);
}

static bool find_audit(enum filter_of of, const char *member, char *kept, struct filter_ref *ret)
{
    const struct audit_info *info = audit_find(member);
    memcpy(kept, member, strlen(member) + 1);
    return info != NULL &&
           choose(of == FILTER_RUNS ? &audit_fields[info->scope] : &audit_of_experiment, ret);
}

static bool find_verdict(const char *member, char *kept, struct filter_ref *ret)
{
    memcpy(kept, member, strlen(member) + 1);
    return *member != '\0' && choose(&verdict_of_arm, ret);
}

static bool find_count(const char *member, char *kept, struct filter_ref *ret)
{
    size_t i = 0;
    while (run_states[i] != NULL && strcmp(run_states[i], member) != 0)
        i++;
    memcpy(kept, member, strlen(member) + 1);
    return run_states[i] != NULL && choose(&count_of_experiment, ret);
}

/* A number of at most three digits at *at, up to a dot or the end; the cursor moves behind it. */
static bool take_index(const char **at)
{
    size_t n = strspn(*at, "0123456789");
    if (n < 1 || n > 3 || ((*at)[n] != '.' && (*at)[n] != '\0'))
        return false;
    *at += n + ((*at)[n] == '.');
    return true;
}

static enum filter_type type_of(const struct jsonx_field *row)
{
    static const enum filter_type types[] = {
        [JSONX_INT] = TYPE_NUMBER, [JSONX_DOUBLE] = TYPE_NUMBER, [JSONX_BOOL] = TYPE_BOOL,
        [JSONX_ENUM] = TYPE_WORD,  [JSONX_STRING] = TYPE_TEXT,   [JSONX_NAME] = TYPE_TEXT,
        [JSONX_TEXT] = TYPE_TEXT,  [JSONX_PAIR] = TYPE_JSON,     [JSONX_OBJECT] = TYPE_JSON,
        [JSONX_ARRAY] = TYPE_JSON,
    };
    return types[row->type];
}

static void set_type(const struct jsonx_field *row, struct filter_ref *ret)
{
    ret->type = (int)type_of(row);
    ret->choices = row->type == JSONX_ENUM ? row->choices : NULL;
}

/* What lies inside of an array's row: train.betas.1, model.attention_layers.0.attention.kind. */
static bool find_inside(const struct jsonx_field *row, const char *rest, struct filter_ref *ret)
{
    enum concern ignored;
    char path[NEAR_BYTES];
    const char *end = rest;
    ret->type = TYPE_JSON;
    ret->choices = NULL;
    if (!take_index(&rest))
        return false;
    if (row->type == JSONX_PAIR) {
        ret->type = TYPE_NUMBER;
        return *rest == '\0' && (strcmp(end, "0") == 0 || strcmp(end, "1") == 0);
    }
    if (strcmp(row->key, "attention_layers") != 0)
        return false;
    if (*rest == '\0' || strcmp(rest, "layers") == 0 || strcmp(rest, "attention") == 0)
        return true;
    if (strncmp(rest, "layers.", 7) == 0) {
        ret->type = TYPE_NUMBER;
        return strcmp(rest + 7, "0") == 0 || strcmp(rest + 7, "1") == 0;
    }
    snprintf(path, sizeof path, "model.%s", rest);
    const struct jsonx_field *inner =
        strncmp(rest, "attention.", 10) == 0 ? spec_path_find(path, &ignored) : NULL;
    if (inner == NULL)
        return false;
    set_type(inner, ret);
    return true;
}

/* ".0" as "[0]", as SQLite has it. */
static void put_path(const char *path, char *kept)
{
    size_t n = 0;
    for (const char *at = path; *at != '\0';) {
        const char *after = at + 1;
        if (*at != '.' || !take_index(&after)) {
            kept[n++] = *at++;
            continue;
        }
        kept[n++] = '[';
        for (at++; isdigit((unsigned char)*at); at++)
            kept[n++] = *at;
        kept[n++] = ']';
    }
    kept[n] = '\0';
}

/* The type of a path, which may lead into an array. */
static bool type_path(const char *path, struct filter_ref *ret)
{
    enum concern ignored;
    char head[NEAR_BYTES];
    const struct jsonx_field *row = spec_path_find(path, &ignored);
    if (row != NULL) {
        set_type(row, ret);
        return true;
    }
    snprintf(head, sizeof head, "%s", path);
    for (char *dot; row == NULL && (dot = strrchr(head, '.')) != NULL;) {
        *dot = '\0';
        row = spec_path_find(head, &ignored);
    }
    return row != NULL && (row->type == JSONX_PAIR || row->type == JSONX_ARRAY) &&
           find_inside(row, path + strlen(head) + 1, ret);
}

static bool find_param(enum filter_of of, const char *member, char *kept, struct filter_ref *ret)
{
    put_path(member, kept);
    if (of == FILTER_EXPERIMENTS)
        return choose(&param_of_experiment, ret) && type_path(member, ret);
    for (size_t i = 0; i < N(part_fields); i++)
        if (strncmp(member, part_fields[i].name, strlen(part_fields[i].name)) == 0)
            return choose(&part_fields[i], ret) && type_path(member, ret);
    return false;
}

/* A factor of the grid is a path without what lies inside of arrays. */
static bool find_grid(enum filter_of of, const char *member, char *kept, struct filter_ref *ret)
{
    const char *head = of == FILTER_RUNS ? "grid." : "";
    memcpy(kept, head, strlen(head));
    memcpy(kept + strlen(head), member, strlen(member) + 1);
    return spec_path_known(member) &&
           choose(of == FILTER_RUNS ? &grid_of_run : &grid_of_experiment, ret) &&
           type_path(member, ret);
}

static bool find_member(enum filter_of of, const char *family, const char *member, char *kept,
                        struct filter_ref *ret)
{
    ret->member = kept;
    if (strcmp(family, "tags.") == 0)
        return find_tag(of, member, kept, ret);
    if (strcmp(family, "params.") == 0)
        return find_param(of, member, kept, ret);
    if (strcmp(family, "grid.") == 0)
        return find_grid(of, member, kept, ret);
    if (strcmp(family, "audits.") == 0)
        return find_audit(of, member, kept, ret);
    if (strcmp(family, "verdict.") == 0)
        return of == FILTER_EXPERIMENTS && find_verdict(member, kept, ret);
    if (strcmp(family, "counts.") == 0)
        return of == FILTER_EXPERIMENTS && find_count(member, kept, ret);
    return of == FILTER_RUNS && find_metric(member, kept, ret);
}

bool fields_find(enum filter_of of, const char *name, char *member, struct filter_ref *ret)
{
    static const char *const families[] = { "tags.",   "params.",  "grid.",   "audits.",
                                            "counts.", "verdict.", "metrics." };
    const struct filter_field *rows = of == FILTER_RUNS ? run_fields : experiment_fields;
    size_t n = of == FILTER_RUNS ? N(run_fields) : N(experiment_fields);
    *ret = (struct filter_ref){ .name = name };
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0)
            return choose(&rows[i], ret);
    if (strcmp(name, "verify.state") == 0 && of == FILTER_RUNS)
        return fields_find(of, "verify", member, ret);
    for (size_t i = 0; i < N(families); i++)
        if (strncmp(name, families[i], strlen(families[i])) == 0)
            return find_member(of, families[i], name + strlen(families[i]), member, ret);
    return false;
}

const char *filter_metric(const struct filter_ref *ref, bool last)
{
    bool found = ref->field == metric_last;
    for (size_t i = 0; i < N(metric_fields) && !last; i++)
        found |= ref->field == &metric_fields[i];
    return found ? ref->member : NULL;
}

/* names */

const char *fields_known(enum filter_of of)
{
    return of == FILTER_RUNS
               ? "id, experiment, name, arm, seed, state, reason, priority, attempt, step, steps, "
                 "digest, created_at, started_at, ended_at, verify, notes, hypothesis, parameters, "
                 "tags.KEY, grid.PATH, params.PATH, metrics.NAME[.min|.max|.mean], audits.NAME"
               : "id, name, state, verdict, verdict.ARM, runs, arms, notes, hypothesis, compare.metric, priority, parent, "
                 "created_at, started_at, ended_at, tags.KEY, params.PATH, grid.PATH, "
                 "counts.STATE, audits.NAME";
}

static void near_paths(const char *family, struct near *near)
{
    static const struct spec_table *const sections[] = { &spec_data_table, &spec_model_table,
                                                         &spec_train_table };
    char name[NEAR_BYTES];
    for (size_t t = 0; t < N(sections); t++)
        for (size_t i = 0; i < sections[t]->n; i++) {
            snprintf(name, sizeof name, "%s%s.%s", family, sections[t]->name,
                     sections[t]->rows[i].key);
            near_add(near, name);
        }
    for (size_t kind = 0; kind < ATTENTION_KINDS; kind++)
        for (size_t i = 0; i < attention_table[kind]->fields_n; i++) {
            snprintf(name, sizeof name, "%smodel.attention.%s", family,
                     attention_table[kind]->fields[i].key);
            near_add(near, name);
        }
}

void fields_near(enum filter_of of, struct near *near)
{
    const struct filter_field *rows = of == FILTER_RUNS ? run_fields : experiment_fields;
    size_t n = of == FILTER_RUNS ? N(run_fields) : N(experiment_fields);
    char name[NEAR_BYTES];
    for (size_t i = 0; i < n; i++)
        near_add(near, rows[i].name);
    near_paths("params.", near);
    if (strncmp(near->wanted, "grid.", 5) == 0)
        near_paths("grid.", near);
    for (size_t i = 0; i < METRICS && of == FILTER_RUNS; i++) {
        snprintf(name, sizeof name, "metrics.%s", metric_names[i]);
        near_add(near, name);
    }
    for (size_t i = 0; i < AUDITS; i++) {
        snprintf(name, sizeof name, "audits.%s", audit_table[i]->name);
        near_add(near, name);
    }
    for (size_t i = 0; run_states[i] != NULL && of == FILTER_EXPERIMENTS; i++) {
        snprintf(name, sizeof name, "counts.%s", run_states[i]);
        near_add(near, name);
    }
}
