/* A run's three files. Metrics are read row by row and written in chunks: a run may have millions.
 * */

#include "server/capsule/capsule_run.h"

#include "common/json/jsonx_dump.h"
#include "server/capsule/capsule_archive.h"
#include "server/objects/objects.h"
#include "server/store/curves/store_digests.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_audits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void path_of(char ret[TAR_PATH_BYTES], int64_t run, const char *name)
{
    snprintf(ret, TAR_PATH_BYTES, "runs/%lld/%s", (long long)run, name);
}

/* spec.json */

static int add_spec(struct capsule_archive *archive, const struct run_row *row, struct err *err)
{
    char path[TAR_PATH_BYTES];
    struct buf text;
    path_of(path, row->id, "spec.json");
    buf_init(&text, 0);
    buf_adds(&text, row->spec);
    buf_addc(&text, '\n');
    int status = capsule_put(archive, path, &text, err);
    buf_done(&text);
    return status;
}

/* run.json: one function a member that the API's run doesn't have */

static int add_attempts(json_t *run, struct store *store, int64_t id, struct err *err)
{
    struct attempt_row *rows = NULL;
    size_t n = 0;
    int status = store_attempt_list(store, id, &rows, &n, err);
    json_t *list = json_array();
    for (size_t i = 0; i < n && status == 0; i++) {
        json_array_append_new(list, objects_attempt(&rows[i]));
        attempt_row_done(&rows[i]);
    }
    free(rows);
    json_object_set_new(run, "attempts", list);
    return status;
}

static int add_checkpoints(json_t *run, struct store *store, int64_t id, struct err *err)
{
    struct checkpoint_row *rows = NULL;
    size_t n = 0;
    int status = store_checkpoint_list(store, id, &rows, &n, err);
    json_t *list = json_array();
    for (size_t i = 0; i < n && status == 0; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "step", (json_int_t)rows[i].step,
                                              "bytes", (json_int_t)rows[i].bytes, "sha256",
                                              rows[i].sha256));
    free(rows);
    json_object_set_new(run, "checkpoints", list);
    return status;
}

static int add_artifacts(json_t *run, struct store *store, int64_t id, struct err *err)
{
    struct artifact_row *rows = NULL;
    size_t n = 0;
    int status = store_artifact_list(store, id, &rows, &n, err);
    json_t *list = json_array();
    for (size_t i = 0; i < n && status == 0; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name", rows[i].name, "bytes",
                                              (json_int_t)rows[i].bytes, "sha256", rows[i].sha256));
    free(rows);
    json_object_set_new(run, "artifacts", list);
    return status;
}

static int add_digests(json_t *run, struct store *store, const struct digests_row *digests,
                       struct err *err)
{
    char *init = NULL;
    int status = store_digests_init(store, digests->run, &init, err);
    json_object_set_new(run, "initial_weights", objects_embed(init));
    json_object_set_new(run, "consumed_sha256",
                        digests->consumed != NULL ? json_string(digests->consumed) : json_null());
    json_object_set_new(run, "eval_sha256",
                        digests->eval != NULL ? json_string(digests->eval) : json_null());
    free(init);
    return status;
}

static int add_run(struct capsule_archive *archive, struct store *store, struct run_row *row,
                   const struct digests_row *digests, struct err *err)
{
    static int (*const members[])(json_t *, struct store *, int64_t,
                                  struct err *) = { add_attempts, add_checkpoints, add_artifacts };
    char path[TAR_PATH_BYTES], *spec = row->spec;
    path_of(path, row->id, "run.json");
    row->spec = NULL; /* it has a file of its own */
    json_t *run = objects_run(row);
    row->spec = spec;
    json_object_set_new(run, "dataset",
                        row->dataset_digest != NULL && row->dataset_digest[0] != '\0'
                            ? json_string(row->dataset_digest)
                            : json_null());
    int status = 0;
    for (size_t i = 0; i < sizeof members / sizeof *members && status == 0; i++)
        status = members[i](run, store, row->id, err);
    if (status == 0)
        status = add_digests(run, store, digests, err);
    if (status == 0)
        status = capsule_put_json(archive, path, run, err);
    json_decref(run);
    return status;
}

/* metrics.csv */

enum { CHUNK_BYTES = 1 << 16 };

struct table {
    struct capsule_archive *archive;
    struct buf chunk;
};

static int flush(struct table *table, struct err *err)
{
    if (table->chunk.failed)
        return err_no_memory(err, "a run's metrics");
    int status = capsule_add(table->archive, table->chunk.data, table->chunk.len, err);
    buf_clear(&table->chunk);
    return status;
}

static int add_row(void *arg, const char *name, const struct metric_point *point, struct err *err)
{
    struct table *table = arg;
    double value = point->value;
    buf_addf(&table->chunk, "%s,%lld,", name, (long long)point->step);
    if (isfinite(value))
        jsonx_dump_double(value, &table->chunk);
    else
        buf_adds(&table->chunk, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    buf_addc(&table->chunk, '\n');
    return table->chunk.len < CHUNK_BYTES && !table->chunk.failed ? 0 : flush(table, err);
}

static int add_metrics(struct capsule_archive *archive, struct store *store, int64_t run,
                       struct err *err)
{
    char path[TAR_PATH_BYTES];
    struct table table = { .archive = archive };
    path_of(path, run, "metrics.csv");
    buf_init(&table.chunk, 0);
    buf_adds(&table.chunk, CAPSULE_COLUMNS "\n");
    int status = capsule_open(archive, path, err);
    if (status == 0)
        status = store_metrics_each(store, run, add_row, &table, err);
    if (status == 0)
        status = flush(&table, err);
    buf_done(&table.chunk);
    return status == 0 ? capsule_close(archive, err) : status;
}

int capsule_add_run(struct capsule_archive *archive, struct store *store,
                    const struct digests_row *digests, struct run_row *row, struct err *err)
{
    int status = store_run_get(store, digests->run, row, err);
    if (status == 0)
        status = add_spec(archive, row, err);
    if (status == 0)
        status = add_run(archive, store, row, digests, err);
    if (status == 0)
        status = add_metrics(archive, store, row->id, err);
    return status;
}
