/* store_cells: where a specification was run before. A cell is a run's specification but for its
 * seed and what has no say in the outcome (run_spec_cell): runs of one cell are repetitions of one
 * another, in whichever experiment they are. Of a purged experiment a row a cell stays. */
#ifndef ABLATE_SERVER_STORE_CELLS_H
#define ABLATE_SERVER_STORE_CELLS_H

#include "server/store/store.h"

/* What came of a cell in another experiment. */
struct cell_row {
    int64_t experiment;
    bool deleted, purged;
    int64_t runs; /* that have begun: their curves are there to be seen, before they end */
    /* Of these, ended with a finite value; of a purged experiment, else 0 until asked. */
    int64_t measured;
    double mean; /* of those; meaningless without any */
};
/* The newest first, at most `limit`; all but the one of this number (0: all), deleted ones included.
 * A purged experiment has a mean if `metric` is what it compared. *ret is the caller's (free). */
int store_cells_elsewhere(struct store *, const char *cell, int64_t but, const char *metric,
                          size_t limit, struct cell_row **ret, size_t *ret_n, struct err *err);
/* Fills `measured` and `mean` of a row: of the metric's last values. One look-up a run. */
int store_cells_measure(struct store *, const char *cell, const char *metric, struct cell_row *row,
                        struct err *err);
/* Keeps what stays of experiments that are to be purged. */
int store_cells_keep(struct store *, struct err *);

/* Defines what the migrations call that SQL doesn't have. */
int store_cells_define(struct store *store, struct err *err);

#endif
