/* study: an experiment's runs, arranged for comparing. Pure; everything else here starts from it.
 *
 * A cell is an arm at a grid point. `compare.tune` names grid paths whose value each arm chooses
 * for itself: cells that differ in those alone share a slot, and the slot is represented by its
 * chosen cell (common/sweep/tuning.h). Without tuning every cell is a slot of its own. What a slot's
 * run with a given seed came to is its outcome; two slots at the same point and seed make a pair.
 *
 * Up to 10,000 runs and as many cells: nothing here may compare each with each.
 */
#ifndef ABLATE_SERVER_STUDY_H
#define ABLATE_SERVER_STUDY_H

#include "server/verdict/input.h"
#include "server/verdict/layout.h"

#include <stdbool.h>

/* How the compared metric is read. */
struct compare {
    const char *metric, *judged; /* of .metrics: by which configurations are chosen; that decides */
    const char *baseline;        /* borrowed from the spec */
    struct tuning_metrics metrics;
    bool maximise, best; /* goal; compare.at, but never of a test metric: that is measured once */
    bool clock;          /* judged is a clock metric: by its mean over steps, and only where nothing
                            disturbed it */
    bool share;          /* of 1: people are told its differences in points */
    double margin;
    double level;       /* of the tests: 5 %, divided by the number of looks */
    size_t look, looks; /* which declared look this is; 0 of 1: the seeds that were submitted, none
                           declared */
    size_t submitted;   /* seeds; what there are more were added later */
    const json_t *tune; /* borrowed; an array of grid paths, or NULL */
};

struct cell {
    const char *arm, *grid; /* borrowed from a run */
    struct layout_at at;    /* its arm and point in the layout */
    size_t slot;
    size_t first, runs;      /* its stretch of study.order */
    size_t n;                /* runs of it that succeeded */
    struct tuning_sum ended; /* by the last value of compare.metric */
    double sd;               /* of these where they are finite; NaN below two */
};

struct slot {
    const char *arm;
    json_t *grid;         /* borrowed from the layout's place: the point without the tuned paths, */
    const char *key;      /* and that as canonical text, the same for the same place */
    size_t base;          /* the baseline's slot at the same point; SIZE_MAX: it has none */
    size_t chosen, cells; /* the cell that stands for it; of how many */
};

enum outcome_kind {
    OUTCOME_MEASURED,  /* has a value, not finite when the last one isn't: it diverged */
    OUTCOME_LOST,      /* failed, or ended without the metric: no fault of the arm is known */
    OUTCOME_CANCELLED, /* in any of the slot's cells */
    OUTCOME_OPEN,      /* queued or running */
    OUTCOME_NONE       /* not planned */
};
struct outcome {
    enum outcome_kind kind;
    unsigned disturbed; /* of a clock metric: what disturbed it (timing.h) */
    double value;
};

struct study {
    const struct study_input *in;
    json_t *spec; /* owned */
    struct compare compare;
    struct layout layout;
    struct cell *cells; /* those that have runs, point by point, arm by arm */
    size_t n;
    size_t *cell_of; /* [runs] */
    size_t *order;   /* [runs] the runs' indices, cell by cell, ascending in each */
    struct slot *slots;
    size_t slots_n;
    size_t seeds_n;
    size_t *rank;             /* [seeds_n] of the layout's seeds, by size */
    struct outcome *outcomes; /* [slots × seeds], these ascending */
};

/* false when memory runs out; study_done is due either way. */
bool study_init(struct study *study, const struct study_input *in);
void study_done(struct study *study);
const struct run_row *study_run(const struct study *study, const struct cell *cell, size_t i);
/* The baseline's slot at the same point; NULL if it has none. */
const struct slot *study_baseline(const struct study *study, const struct slot *slot);
bool study_is_baseline(const struct study *study, const char *arm);
/* Whether so many seeds are a number at which the specification says that it is looked at. Else they
 * were added after what was there had been looked at. */
bool study_was_declared(const struct study *study);
/* A metric of a run; NULL when it has none of that name. */
const struct run_final *study_final(const struct run_row *run, const char *metric);
/* Mean and standard deviation (n − 1) as they come in. */
struct sample {
    size_t n;
    double mean, squares;
};
void sample_add(struct sample *sample, double value);
double sample_sd(const struct sample *sample); /* NaN below two */
/* A number; null unless known. New reference. */
json_t *study_number(bool known, double value);

#endif
