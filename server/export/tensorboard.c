/* Every series as TensorBoard's event files, in a tar:
 *
 *   NAME-ID/events.out.tfevents.SECONDS.ablate       the experiment, for the HParams plugin
 *   NAME-ID/arm-ARM_…_seed-SEED_run-ID/events.out.…  a run: arm, grid and seed, then its scalars
 *
 * A tar has a file's size before its bytes. That of a run's file is known without writing it: every
 * record has a fixed size but for its step, whose number of bytes is counted in the store. No time
 * of a value is stored, so that each has its run's beginning. */
#include "server/export/export_priv.h"
#include "server/export/format.h"
#include "server/export/tfevents.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/names.h"
#include "common/sweep/tuning.h"
#include "common/wire/tar.h"

#include <stdlib.h>
#include <string.h>

enum { FOLDER_BYTES = 64, RUN_BYTES = 92, HEAD_BYTES = 44 };

struct tensorboard {
    char folder[FOLDER_BYTES];
    int64_t bytes, left; /* of the file that is being written */
};

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

static double wall_of(const struct export *e)
{
    return seconds(e->run.started_at > 0 ? e->run.started_at : e->row.created_at);
}

/* folder: below the archive's own, with a slash; "" = there. */
static int begin_file(struct export *e, const char *folder, int64_t ms, int64_t bytes,
                      struct buf *to, struct err *err)
{
    struct tensorboard *t = e->own;
    char path[TAR_PATH_BYTES];
    uint8_t header[TAR_BLOCK];
    snprintf(path, sizeof path, "%s/%sevents.out.tfevents.%010lld.ablate", t->folder, folder,
             (long long)(ms / 1000));
    t->bytes = t->left = bytes;
    int status = tar_header(path, bytes, header, err);
    if (status == 0)
        buf_add(to, header, sizeof header);
    return status;
}

static int end_file(struct export *e, struct buf *to, struct err *err)
{
    static const char zeros[TAR_BLOCK];
    const struct tensorboard *t = e->own;
    if (t->left != 0)
        return err_set(err, ERR_CONFLICT, "run %lld has other rows than a moment ago",
                       (long long)e->run.id);
    buf_add(to, zeros, (size_t)((TAR_BLOCK - t->bytes % TAR_BLOCK) % TAR_BLOCK));
    return 0;
}

static void add_bytes(struct export *e, const struct buf *bytes, struct buf *to)
{
    struct tensorboard *t = e->own;
    buf_add(to, bytes->data, bytes->len);
    to->failed |= bytes->failed;
    t->left -= (int64_t)bytes->len;
}

/* The experiment: what each of its runs has a value of. A grid's first value stands for its type. */
static json_t *kinds_of(const struct export *e)
{
    const char *path;
    json_t *values, *kinds = json_pack("{s:s}", "arm", "");
    json_object_foreach(e->grid, path, values)
        json_object_set(kinds, path, json_array_get(values, 0));
    json_object_set_new(kinds, "seed", json_integer(0));
    return kinds;
}

static int begin(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    (void)store;
    struct tensorboard *t = e->own = calloc(1, sizeof *t);
    struct buf content;
    json_t *spec = NULL, *kinds = kinds_of(e);
    int status = t == NULL ? err_no_memory(err, "the export")
                           : jsonx_load(e->row.spec, strlen(e->row.spec), &spec, err);
    buf_init(&content, 0);
    if (status == 0) {
        double wall_s = seconds(e->row.created_at);
        char name[NAMES_BYTES];
        snprintf(name, sizeof name, "%s", e->row.name);
        names_flatten(name);
        name[36] = '\0';
        names_for_file(name, e->row.id, t->folder, sizeof t->folder);
        tfevents_version(wall_s, &content);
        tfevents_experiment(wall_s, e->row.name, e->row.hypothesis, kinds, tuning_metric(spec),
                            &content);
        status = begin_file(e, "", e->row.created_at, (int64_t)content.len, to, err);
    }
    if (status == 0) {
        add_bytes(e, &content, to);
        status = end_file(e, to, err);
    }
    buf_done(&content);
    json_decref(spec);
    json_decref(kinds);
    return status;
}

/* a run */

static json_t *hparams_of(const struct export *e)
{
    json_t *grid = NULL, *hparams = json_pack("{s:s}", "arm", e->run.arm);
    if (jsonx_load(e->run.grid, strlen(e->run.grid), &grid, NULL) == 0)
        json_object_update(hparams, grid);
    json_object_set_new(hparams, "seed", json_integer(e->run.seed));
    json_decref(grid);
    return hparams;
}

/* Appends name-value of plain characters, as far as there is room. */
static void add_part(char ret[HEAD_BYTES], const char *name, const json_t *value)
{
    struct buf text;
    size_t len = strlen(ret);
    buf_init(&text, 0);
    if (json_is_string(value))
        buf_adds(&text, json_string_value(value));
    else
        jsonx_dump(value, JSONX_CANONICAL, &text);
    snprintf(ret + len, HEAD_BYTES - len, "%s%s-%.24s", len > 0 ? "_" : "", name,
             text.data != NULL ? text.data : "");
    buf_done(&text);
}

/* arm-dense_seq_len-64_seed-3_run-12/ : of a path of the grid its last part; what is cut off of the
 * beginning leaves the folder another one, as each run has its id. */
static void name_run(const struct export *e, const json_t *hparams, char ret[RUN_BYTES])
{
    char head[HEAD_BYTES] = "";
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)hparams, path, value)
    {
        const char *dot = strrchr(path, '.');
        if (strcmp(path, "seed") != 0)
            add_part(head, dot != NULL ? dot + 1 : path, value);
    }
    names_flatten(head);
    snprintf(ret, RUN_BYTES, "%s_seed-%lld_run-%lld/", head, (long long)e->run.seed,
             (long long)e->run.id);
}

static void add_session(const struct export *e, const json_t *hparams, struct buf *to)
{
    static const enum tfevents_status ends[RUN_STATES] = { [RUN_RUNNING] = TFEVENTS_RUNNING,
                                                           [RUN_SUCCEEDED] = TFEVENTS_SUCCESS,
                                                           [RUN_FAILED] = TFEVENTS_FAILURE,
                                                           [RUN_CANCELLED] = TFEVENTS_FAILURE };
    tfevents_version(wall_of(e), to);
    tfevents_session_start(wall_of(e), hparams, to);
    if (e->run.ended_at > 0)
        tfevents_session_end(seconds(e->run.ended_at), ends[e->run.state], to);
}

/* The records of a series: so many with a step of one byte, of two, … */
static int measure_series(const struct export *e, const struct export_series *series,
                          struct store *store, int64_t *bytes, struct err *err)
{
    const struct export_name *name = &e->plan.names[series->name];
    int64_t below = 0;
    for (int bits = 7;; bits += 7) {
        int64_t most = bits < 63 ? ((int64_t)1 << bits) - 1 : INT64_MAX, upto = series->rows;
        bool last = series->last_step <= most;
        int status =
            last ? 0 : store_export_count(store, series->run, name->id, 0, most, &upto, err);
        if (status != 0)
            return status;
        *bytes += (upto - below) * (int64_t)tfevents_scalar_bytes(most, name->text);
        below = upto;
        if (last)
            return 0;
    }
}

static int measure_run(const struct export *e, struct store *store, int64_t *bytes, struct err *err)
{
    int status = 0;
    for (size_t i = e->series_i;
         i < e->plan.series_n && e->plan.series[i].run == e->run.id && status == 0; i++)
        status = measure_series(e, &e->plan.series[i], store, bytes, err);
    return status;
}

static int run(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    json_t *hparams = hparams_of(e);
    char folder[RUN_BYTES];
    struct buf session;
    buf_init(&session, 0);
    name_run(e, hparams, folder);
    add_session(e, hparams, &session);
    int64_t bytes = (int64_t)session.len;
    int status = measure_run(e, store, &bytes, err);
    if (status == 0)
        status = begin_file(e, folder, (int64_t)(1000 * wall_of(e)), bytes, to, err);
    if (status == 0)
        add_bytes(e, &session, to);
    buf_done(&session);
    json_decref(hparams);
    return status;
}

static void point(struct export *e, const struct metric_point *point, struct buf *to)
{
    struct tensorboard *t = e->own;
    size_t before = to->len;
    tfevents_scalar(wall_of(e), point->step, export_name(e), (float)point->value, to);
    t->left -= (int64_t)(to->len - before);
}

static int end(struct export *e, struct buf *to, struct err *err)
{
    static const char zeros[2 * TAR_BLOCK];
    (void)e;
    (void)err;
    buf_add(to, zeros, sizeof zeros);
    return 0;
}

static void done(struct export *e)
{
    free(e->own);
}

const struct export_format export_tensorboard = {
    .what = "curves",
    .name = "tensorboard",
    .type = "application/x-tar",
    .ending = "-tensorboard.tar",
    .points = true,
    .begin = begin,
    .run = run,
    .point = point,
    .run_end = end_file,
    .end = end,
    .done = done,
};
