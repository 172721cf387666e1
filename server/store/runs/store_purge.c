/* Restoring, purging, and the lists that collecting and compacting work through. */
#include "server/store/runs/store_purge.h"

#include "common/base/clock.h"
#include "server/store/runs/store_cells.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

/* Whether it is deleted, and whether it is being purged. */
static int standing_of(struct store *store, int64_t id, bool *ret_deleted, bool *ret_purged,
                       struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_EXPERIMENT_STANDING, &s, err, "i", id);
    if (status < 0)
        return status;
    if (status == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no experiment %lld", (long long)id);
    *ret_deleted = sqlite3_column_int64(s, 0) != 0;
    *ret_purged = sqlite3_column_int64(s, 1) != 0;
    sqlite3_reset(s);
    return 0;
}

int store_experiment_restore(struct store *store, int64_t id, struct err *err)
{
    bool deleted = false, purged = false;
    int status = standing_of(store, id, &deleted, &purged, err);
    if (status != 0)
        return status;
    if (!deleted)
        return err_set(err, ERR_CONFLICT, "experiment %lld isn't deleted", (long long)id);
    if (purged)
        return err_set(err, ERR_CONFLICT,
                       "experiment %lld is being purged; only a backup has it from now on",
                       (long long)id);
    status = store_run_sql(store, SQL_EXPERIMENT_RESTORE, NULL, err, "i", id);
    if (status == 0)
        store_touch_experiment(store, id);
    return status;
}

int store_experiment_purge(struct store *store, int64_t id, struct err *err)
{
    bool deleted = false, purged = false;
    int status = standing_of(store, id, &deleted, &purged, err);
    if (status != 0 || purged)
        return status;
    if (!deleted)
        return err_set(err, ERR_CONFLICT,
                       "experiment %lld isn't deleted; DELETE it first, then purge it",
                       (long long)id);
    status = store_run_sql(store, SQL_EXPERIMENT_PURGE, NULL, err, "ii", id, clock_wall_ms());
    if (status == 0)
        status = store_cells_keep(store, err);
    if (status == 0)
        store_touch_experiment(store, id); /* no list has it any more */
    return status;
}

int store_purge_expired(struct store *store, int64_t deleted_before_ms, int64_t *ret_n,
                        struct err *err)
{
    int64_t n = 0;
    int status =
        store_run_sql(store, SQL_PURGE_EXPIRED, &n, err, "ii", deleted_before_ms, clock_wall_ms());
    if (status == 0 && n > 0)
        status = store_cells_keep(store, err);
    if (status == 0)
        *ret_n = n;
    return status;
}

static void id_from(sqlite3_stmt *s, void *row)
{
    *(int64_t *)row = sqlite3_column_int64(s, 0);
}

int store_purge_next(struct store *store, struct purge_part *ret, struct err *err)
{
    static const struct store_rows rows = { sizeof(int64_t), id_from, NULL };
    struct purge_part next = { 0 };
    int64_t *runs = NULL;
    int status = store_get_int(store, SQL_PURGE_NEXT, 0, &next.experiment, err, "");
    if (status == 0)
        status = store_all(store, SQL_PURGE_NEXT_RUNS, &rows, (void **)&runs, &next.runs_n, err,
                           "ii", next.experiment, (int64_t)PURGE_RUNS);
    if (status != 0)
        return status;
    if (next.runs_n > 0)
        memcpy(next.runs, runs, next.runs_n * sizeof *runs);
    free(runs);
    *ret = next;
    return 0;
}

static int purge_run(struct store *store, int64_t run, int64_t rows, bool *ret_more,
                     struct err *err)
{
    /* Tables that may hold many rows of a run are emptied a part at a time; children first. */
    static const enum sql large[] = { SQL_PURGE_METRICS, SQL_PURGE_ROLLUPS };
    static const enum sql small[] = { SQL_PURGE_SERIES,      SQL_PURGE_RUN_AUDITS,
                                      SQL_PURGE_CHECKPOINTS, SQL_PURGE_ARTIFACTS,
                                      SQL_PURGE_FACTS,       SQL_PURGE_ATTEMPTS,
                                      SQL_PURGE_RUN };
    int status = 0;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        int64_t changes = 0;
        status = store_run_sql(store, large[i], &changes, err, "ii", run, rows);
        if (status != 0)
            return status;
        if (changes == rows) {
            *ret_more = true;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof small / sizeof *small && status == 0; i++)
        status = store_run_sql(store, small[i], NULL, err, "i", run);
    if (status == 0)
        *ret_more = false;
    return status;
}

int store_purge_runs(struct store *store, struct purge_part *part, struct err *err)
{
    int64_t begun = store_changes(store), left = PURGE_ROWS;
    int status = 0;
    bool more = false;
    while (status == 0 && !more && left > 0 && part->gone < part->runs_n) {
        status = purge_run(store, part->runs[part->gone], left, &more, err);
        part->gone += status == 0 && !more;
        left = PURGE_ROWS - (store_changes(store) - begun);
    }
    return status;
}

int store_purge_experiment(struct store *store, int64_t experiment, struct err *err)
{
    int status = store_run_sql(store, SQL_PURGE_AUDITS, NULL, err, "i", experiment);
    if (status == 0)
        status = store_run_sql(store, SQL_PURGE_NOTICES, NULL, err, "i", experiment);
    return status == 0 ? store_run_sql(store, SQL_PURGE_EXPERIMENT, NULL, err, "i", experiment)
                       : status;
}

int store_purge_count(struct store *store, int64_t *ret, struct err *err)
{
    return store_get_int(store, SQL_PURGE_COUNT, 0, ret, err, "");
}

int store_dataset_used(struct store *store, const char *digest, bool *ret, struct err *err)
{
    int64_t users = 0;
    int status = store_get_int(store, SQL_DATASET_HELD, 0, &users, err, "t", digest);
    if (status == 0)
        *ret = users > 0;
    return status;
}

static void events_file_from(sqlite3_stmt *s, void *row)
{
    *(struct events_file *)row =
        (struct events_file){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
                              sqlite3_column_int64(s, 2) };
}

int store_events_files(struct store *store, int64_t ended_before_ms, size_t limit,
                       struct events_file **ret, size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, events_file_from, NULL };
    return store_all(store, SQL_EVENTS_FILES, &rows, (void **)ret, ret_n, err, "ii",
                     ended_before_ms, (int64_t)limit);
}

static void ended_run_from(sqlite3_stmt *s, void *row)
{
    *(struct ended_run *)row =
        (struct ended_run){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1) };
}

int store_checkpoints_due(struct store *store, int64_t ended_before_ms,
                          const struct ended_run *after, size_t limit, struct ended_run **ret,
                          size_t *ret_n, struct err *err)
{
    static const struct store_rows rows = { sizeof **ret, ended_run_from, NULL };
    return store_all(store, SQL_CHECKPOINTS_DUE, &rows, (void **)ret, ret_n, err, "iiii",
                     ended_before_ms, after->ended_at, after->run, (int64_t)limit);
}

int store_checkpoints_gone(struct store *store, int64_t run, struct err *err)
{
    return store_run_sql(store, SQL_CHECKPOINTS_GONE, NULL, err, "i", run);
}

int store_events_file_put(struct store *store, const struct events_file *file, bool stored,
                          struct err *err)
{
    return store_run_sql(store, SQL_EVENTS_FILE_PUT, NULL, err, "iii", file->run, file->attempt,
                         (int64_t)(stored ? 0 : 2));
}
