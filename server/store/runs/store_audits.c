/* Rows of audits, artifacts and checkpoints. Findings about an experiment are replaced by key
 * (name, arm, grid point), so that one that says the same again changes nothing and is told to
 * nobody. */
#include "server/store/runs/store_audits.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/names.h"
#include "common/spec/spec.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void audit_row_done(struct audit_row *row)
{
    free(row->arm);
    free(row->grid);
    free(row->name);
    free(row->status);
    free(row->detail);
    free(row->evidence);
    *row = (struct audit_row){ 0 };
}

static int add_audit(struct store *store, const struct audit_row *row, struct err *err)
{
    int status = store_run_sql(store, SQL_AUDIT_ADD, NULL, err, "iitttttti", row->experiment,
                               row->run, row->arm, row->grid, row->name, row->status, row->detail,
                               row->evidence, clock_wall_ms());
    if (status != 0)
        return status;
    store_touch_audit(store, row->experiment, row->run, sqlite3_last_insert_rowid(store->db));
    store_touch_experiment(store, row->experiment); /* its counts */
    return 0;
}

/* An audit that the table doesn't know is taken to be about its run. */
static enum audit_scope scope_of(const char *name)
{
    const struct audit_info *info = audit_find(name);
    return info != NULL ? info->scope : AUDIT_OF_RUN;
}

int store_audit_of_run(struct store *store, const struct audit_row *row, struct err *err)
{
    enum audit_scope scope = scope_of(row->name);
    struct audit_row placed = *row;
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_RUN_PLACE, row->run, &s, err);
    if (status != 0)
        return status;
    placed.experiment = sqlite3_column_int64(s, 0);
    char *arm = store_text(s, 1, false), *grid = store_text(s, 2, false);
    sqlite3_reset(s);
    placed.arm = audit_names_arm(scope) ? arm : NULL;
    placed.grid = audit_names_point(scope) ? grid : NULL;
    status = arm != NULL && grid != NULL ? add_audit(store, &placed, err)
                                         : err_no_memory(err, "an audit");
    free(arm);
    free(grid);
    return status;
}

char *audit_key(const char *name, const char *arm, const char *grid)
{
    struct buf text;
    buf_init(&text, 0);
    buf_addf(&text, "%s\n%s\n%s", name, arm != NULL ? arm : "", grid != NULL ? grid : "");
    char *key = buf_take(&text, NULL);
    buf_done(&text);
    return key;
}

/* Inserts a finding, or changes the one in its place; tells of it unless it says the same. */
static int replace_one(struct store *store, int64_t experiment, const struct audit_row *row,
                       bool *ret_changed, struct err *err)
{
    int64_t id = 0;
    int status = store_get_int(store, SQL_AUDIT_REPLACE, 0, &id, err, "itttttti", experiment,
                               row->arm, row->grid, row->name, row->status, row->detail,
                               row->evidence, clock_wall_ms());
    if (status == 0 && id != 0) {
        store_touch_audit(store, experiment, 0, id);
        *ret_changed = true;
    }
    return status;
}

/* Deletes the daemon's findings whose keys aren't in `kept`. */
static int delete_others(struct store *store, int64_t experiment, const json_t *kept,
                         bool *ret_changed, struct err *err)
{
    struct audit_row *rows = NULL;
    size_t n = 0;
    int status = store_audit_list(store, experiment, &rows, &n, err);
    for (size_t i = 0; i < n; i++) {
        char *key = audit_key(rows[i].name, rows[i].arm, rows[i].grid);
        if (key == NULL && status == 0)
            status = err_no_memory(err, "%zu audits", n);
        bool gone = rows[i].run == 0 && key != NULL && json_object_get(kept, key) == NULL;
        if (gone && status == 0) {
            status = store_run_sql(store, SQL_AUDIT_DELETE, NULL, err, "i", rows[i].id);
            *ret_changed = true;
        }
        free(key);
        audit_row_done(&rows[i]);
    }
    free(rows);
    return status;
}

int store_audits_replace(struct store *store, int64_t experiment, const struct audit_row *rows,
                         size_t n, struct err *err)
{
    json_t *kept = json_object();
    bool changed = false;
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        char *key = audit_key(rows[i].name, rows[i].arm, rows[i].grid);
        if (key == NULL || json_object_set_new(kept, key, json_true()) != 0)
            status = err_no_memory(err, "%zu audits", n);
        else
            status = replace_one(store, experiment, &rows[i], &changed, err);
        free(key);
    }
    if (status == 0)
        status = delete_others(store, experiment, kept, &changed, err);
    if (changed)
        store_touch_experiment(store, experiment); /* its counts */
    json_decref(kept);
    return status;
}

/* Rows come by name, then arm, so that those which merge are neighbours. */
int store_audit_counts(struct store *store, int64_t experiment, int64_t ret[AUDIT_STATUSES],
                       struct err *err)
{
    int64_t counts[AUDIT_STATUSES] = { 0 };
    char before[NAMES_BYTES + 80] = "", key[sizeof before];
    int worst = -1; /* of the rows that merge; -1 = there were none */
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_AUDIT_COUNTS, &s, err, "i", experiment);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        const char *arm = (const char *)sqlite3_column_text(s, 1);
        int found = sqlite3_column_int(s, 3);
        snprintf(key, sizeof key, "%s\n%s", name, arm != NULL ? arm : "");
        if (strcmp(key, before) != 0 || scope_of(name) != AUDIT_OF_RUN) {
            counts[worst < 0 ? 0 : worst] += worst >= 0;
            worst = -1;
        }
        worst = found > worst ? found : worst;
        memcpy(before, key, sizeof before);
    }
    counts[worst < 0 ? 0 : worst] += worst >= 0;
    if (status == 0)
        memcpy(ret, counts, sizeof counts);
    return status;
}

static void audit_from(sqlite3_stmt *statement, void *of)
{
    struct audit_row *row = of;
    row->id = sqlite3_column_int64(statement, 0);
    row->experiment = sqlite3_column_int64(statement, 1);
    row->run = sqlite3_column_int64(statement, 2);
    row->arm = store_text(statement, 3, true);
    row->grid = store_text(statement, 4, true);
    row->name = store_text(statement, 5, false);
    row->status = store_text(statement, 6, false);
    row->detail = store_text(statement, 7, false);
    row->evidence = store_text(statement, 8, false);
    row->created_at = sqlite3_column_int64(statement, 9);
}

static void audit_done(void *row)
{
    audit_row_done(row);
}

int store_audit_get(struct store *store, int64_t id, struct audit_row *ret, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_AUDIT_GET, &statement, err, "i", id);
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no audit %lld", (long long)id);
    if (status < 0)
        return status;
    audit_from(statement, ret);
    sqlite3_reset(statement);
    return 0;
}

int store_audit_list(struct store *store, int64_t experiment, struct audit_row **ret, size_t *ret_n,
                     struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, audit_from, audit_done };
    return store_all(store, SQL_AUDIT_LIST, &rows, (void **)ret, ret_n, err, "i", experiment);
}

static void artifact_from(sqlite3_stmt *statement, void *of)
{
    struct artifact_row *row = of;
    store_text_into(statement, 0, row->name, sizeof row->name);
    row->bytes = sqlite3_column_int64(statement, 1);
    store_text_into(statement, 2, row->sha256, sizeof row->sha256);
    row->created_at = sqlite3_column_int64(statement, 3);
}

int store_artifact_list(struct store *store, int64_t run, struct artifact_row **ret, size_t *ret_n,
                        struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, artifact_from, NULL };
    return store_all(store, SQL_ARTIFACT_LIST, &rows, (void **)ret, ret_n, err, "i", run);
}

static void checkpoint_from(sqlite3_stmt *statement, void *of)
{
    struct checkpoint_row *row = of;
    row->step = sqlite3_column_int64(statement, 0);
    row->bytes = sqlite3_column_int64(statement, 1);
    store_text_into(statement, 2, row->sha256, sizeof row->sha256);
}

int store_checkpoint_list(struct store *store, int64_t run, struct checkpoint_row **ret,
                          size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, checkpoint_from, NULL };
    return store_all(store, SQL_CHECKPOINT_LIST, &rows, (void **)ret, ret_n, err, "i", run);
}
