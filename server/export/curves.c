/* Curves, a line a point: run, arm, seed, the grid's values, step, metric, value. What is the same
 * for a run, and for a series, is written once and copied into each line: a line costs a number. */
#include "server/export/csv.h"
#include "server/export/export_priv.h"
#include "server/export/format.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <math.h>
#include <string.h>

static json_t *grid_of(const struct export *e)
{
    json_t *grid = NULL;
    return jsonx_load(e->run.grid, strlen(e->run.grid), &grid, NULL) == 0 ? grid : NULL;
}

/* CSV */

static int begin_csv(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    (void)store;
    (void)err;
    const char *path;
    json_t *values;
    buf_adds(to, "run,arm,seed");
    json_object_foreach(e->grid, path, values)
    {
        buf_adds(to, ",grid.");
        buf_adds(to, path);
    }
    buf_adds(to, ",step,name,value,value_word\r\n");
    return 0;
}

static int run_csv(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    (void)store;
    (void)to;
    (void)err;
    const char *path;
    json_t *values, *grid = grid_of(e);
    buf_clear(&e->before);
    csv_int(e->run.id, &e->before);
    buf_addc(&e->before, ',');
    csv_text(e->run.arm, &e->before);
    buf_addc(&e->before, ',');
    csv_int(e->run.seed, &e->before);
    buf_addc(&e->before, ',');
    json_object_foreach(e->grid, path, values)
    {
        csv_value(json_object_get(grid, path), &e->before);
        buf_addc(&e->before, ',');
    }
    json_decref(grid);
    return 0;
}

static int series_csv(struct export *e, struct buf *to, struct err *err)
{
    (void)to;
    (void)err;
    buf_clear(&e->between);
    buf_addc(&e->between, ',');
    csv_text(export_name(e), &e->between);
    buf_addc(&e->between, ',');
    return 0;
}

static void point_csv(struct export *e, const struct metric_point *point, struct buf *to)
{
    buf_add(to, e->before.data, e->before.len);
    csv_int(point->step, to);
    buf_add(to, e->between.data, e->between.len);
    if (isfinite(point->value))
        jsonx_dump_double(point->value, to);
    buf_addc(to, ',');
    buf_adds(to, export_word(point->value));
    buf_add(to, "\r\n", 2);
}

const struct export_format export_curves_csv = {
    .what = "curves",
    .name = "csv",
    .type = "text/csv; charset=utf-8",
    .ending = "-curves.csv",
    .points = true,
    .begin = begin_csv,
    .run = run_csv,
    .series = series_csv,
    .point = point_csv,
};

/* JSON lines */

static int run_jsonl(struct export *e, struct store *store, struct buf *to, struct err *err)
{
    (void)store;
    (void)to;
    (void)err;
    buf_clear(&e->before);
    buf_addf(&e->before, "{\"run\":%lld,\"arm\":", (long long)e->run.id);
    jsonx_dump_string(e->run.arm, strlen(e->run.arm), &e->before);
    buf_addf(&e->before, ",\"seed\":%lld,\"grid\":%s,\"step\":", (long long)e->run.seed,
             e->run.grid);
    return 0;
}

static int series_jsonl(struct export *e, struct buf *to, struct err *err)
{
    (void)to;
    (void)err;
    const char *name = export_name(e);
    buf_clear(&e->between);
    buf_adds(&e->between, ",\"name\":");
    jsonx_dump_string(name, strlen(name), &e->between);
    buf_adds(&e->between, ",\"value\":");
    return 0;
}

static void point_jsonl(struct export *e, const struct metric_point *point, struct buf *to)
{
    buf_add(to, e->before.data, e->before.len);
    csv_int(point->step, to);
    buf_add(to, e->between.data, e->between.len);
    jsonx_dump_double(point->value, to);
    buf_add(to, "}\n", 2);
}

const struct export_format export_curves_jsonl = {
    .what = "curves",
    .name = "jsonl",
    .type = "application/x-ndjson",
    .ending = "-curves.jsonl",
    .points = true,
    .run = run_jsonl,
    .series = series_jsonl,
    .point = point_jsonl,
};
