/* format: what the formats of an export share: where the walk stands, and what each format writes
 * there.
 */
#ifndef ABLATE_SERVER_EXPORT_FORMAT_H
#define ABLATE_SERVER_EXPORT_FORMAT_H

#include "server/export/export.h"
#include "server/store/curves/store_export.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_experiments.h"

#include <jansson.h>

enum export_place { AT_BEGIN, AT_RUN, AT_SERIES, AT_POINTS, AT_RUN_END, AT_OVER };

struct export
{
    const struct export_request *request;
    struct experiment_row row;
    json_t *grid; /* of its specification: a member for each path; may be NULL */
    struct export_plan plan;

    enum export_place at;
    size_t run_i, series_i;     /* in plan */
    struct export_run run;      /* from AT_SERIES to AT_RUN_END */
    int64_t next_step, written; /* of the series: where to go on; points so far */

    struct buf before, between; /* a line's beginning, for the run; its middle, for the series */
    void *own;                  /* the format's; freed by its `done` */
};

/* Each appends to `to`; NULL: there is nothing to write. */
struct export_format {
    const char *what, *name, *type, *ending;
    bool points;
    int (*begin)(struct export *, struct store *, struct buf *to, struct err *);
    int (*run)(struct export *, struct store *, struct buf *to, struct err *);
    int (*series)(struct export *, struct buf *to, struct err *);
    void (*point)(struct export *, const struct metric_point *, struct buf *to);
    int (*run_end)(struct export *, struct buf *to, struct err *);
    int (*end)(struct export *, struct buf *to, struct err *);
    void (*done)(struct export *);
};

extern const struct export_format export_curves_csv, export_curves_jsonl, export_runs_csv,
    export_runs_jsonl, export_tensorboard;

#endif
