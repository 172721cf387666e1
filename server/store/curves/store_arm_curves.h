/* store_arm_curves: one metric of an experiment, summed up over the seeds of each arm at each grid
 * point.
 *
 * A curve has cells by ascending step. While no run has more rows than `points` in the asked range,
 * a cell is a step (width 1), and nothing is lost. Else it is a bucket: the steps of b·width … (b +
 * 1)·width − 1, width a power of two, the same for all curves of the metric; there each seed counts
 * with the mean of its finite values in it, least and greatest are those of all values. The last
 * step of a curve, if it is asked for, is a cell by itself: a long curve ends with its last values.
 *
 * Deterministic: seeds are added in the order of their runs. Rows are never changed and a series grows
 * at its end, so what is new since a moment is a tail of each curve.
 */
#ifndef ABLATE_SERVER_STORE_ARM_CURVES_H
#define ABLATE_SERVER_STORE_ARM_CURVES_H

#include "server/store/store.h"

struct arm_cell {
    int64_t key;              /* orders cells */
    int64_t first, last;      /* steps that have a row */
    int64_t count, nonfinite; /* rows of all seeds: with a finite value, and without */
    int64_t seeds;            /* with a finite value in it: what mean and m2 are of */
    int64_t complete;         /* seeds whose series reach `last` */
    double mean, m2;          /* over seeds; m2: sum of squared deviations */
    double min, max;          /* of all finite values; meaningless without any */
};
struct arm_run {
    int64_t id, rows, last_step; /* rows 0: no series yet */
    bool open;                   /* it has not ended */
};
struct arm_curve {
    char *arm, *grid;      /* owned; grid is JSON text */
    struct arm_run *runs;  /* in arm_curves.runs */
    size_t runs_n, open_n; /* open_n: of those that have not ended */
    int64_t first, last;   /* the steps that were read; last: of any of its runs, −1 = none */
    bool told; /* it is in the answer: always, unless `since` says that nothing is new */
    struct arm_cell *cells; /* owned, [n] */
    size_t n;
};
struct arm_curves {
    int64_t name;         /* the metric's id; 0 = nobody has measured it */
    int64_t width;        /* of cells, in steps */
    struct arm_run *runs; /* owned: by arm, grid point, id */
    size_t runs_n;
    struct arm_curve *of; /* owned: by arm, then grid point */
    size_t n;
};
/* Reader. The experiment's runs of the named arms (arms_n 0: of all) with what they have of the metric;
 * no cells yet. *ret is the caller's (arm_curves_done). */
int arm_curves_plan(struct store *, int64_t experiment, const char *metric, const char *const *arms,
                    size_t arms_n, struct arm_curves *ret, struct err *err);
/* Decides on `width` for these steps (to < 0: no end): at most about `points` cells a curve, ≥ 1. */
int arm_curves_lay(struct store *, struct arm_curves *curves, int64_t from, int64_t to,
                   int64_t points, struct err *err);

/* What is new in an experiment since an event: runs that changed (name 0), and series that grew, from
 * which step on; by run, then name. */
struct arm_news {
    int64_t run, name, from;
};
/* Reader. *ret is the caller's (free). *ret_lost: nobody knows any more, or it is too much to look
 * through; then there are no rows. */
int arm_curves_news(struct store *, int64_t experiment, int64_t since, int64_t as_of,
                    struct arm_news **ret, size_t *ret_n, bool *ret_lost, struct err *err);
/* Fills the cells of the steps from…to of every curve; with news (NULL: none are asked for) of those that
 * have some, from the first cell that may be another one now. */
int arm_curves_read(struct store *, struct arm_curves *curves, int64_t from, int64_t to,
                    const struct arm_news *news, size_t news_n, struct err *err);
void arm_curves_done(struct arm_curves *curves);

#endif
