/* progress: what a watcher knows of an experiment: its runs, and of each arm the curve of the run
 * that began last. Filled by what the API answers, brought forward by its events; told twice is told
 * once.
 */
#ifndef ABLATE_CLIENT_PROGRESS_H
#define ABLATE_CLIENT_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_VALUES = 4096, PROGRESS_CURVES = 2 };

/* Values by step; when there are PROGRESS_VALUES, every other one goes. */
struct curve {
    double values[PROGRESS_VALUES];
    size_t n;
    int64_t step;           /* the last one */
    double last;            /* its value */
    int64_t every, skipped; /* every so-many-th value is kept; those since the last that was */
};

struct progress_run {
    int64_t id, seed, step, steps;
    size_t arm;
    char state[16], started_at[32];
};

struct progress_arm {
    char *name;           /* owned, cleaned */
    int64_t lead;         /* the run whose curves these are; 0 = none has begun */
    char *reason;         /* owned: why the lead failed; NULL */
    struct curve *curves; /* [PROGRESS_CURVES]: the compared metric, the training loss */
};

struct progress {
    int64_t id;
    char *name, *metric; /* owned; metric: what is compared */
    char state[16];
    struct progress_arm *arms;
    size_t arms_n;
    struct progress_run *runs; /* by id */
    size_t runs_n, runs_size;
};

extern const char progress_loss[]; /* the second curve's name */

/* Forgets all and begins with the object of the experiment. False: no memory, or no experiment. */
bool progress_begin(struct progress *p, const json_t *experiment);
void progress_done(struct progress *p);
/* The object of a run: known from now on, or brought forward. False: no memory. Whether an arm has
 * another lead now, whose curves aren't known: *ret_lead is that arm, else arms_n. */
bool progress_run(struct progress *p, const json_t *run, size_t *ret_lead);
/* Values of a run, by metric: {"train/loss": [[step, value], …]}; a curve takes those of its lead. */
void progress_series(struct progress *p, int64_t run, const json_t *series);
/* {"train/loss": {"points" | "buckets": …}}, as runs/{id}/metrics has it. */
void progress_curves(struct progress *p, int64_t run, const json_t *series);

const struct progress_run *progress_find(const struct progress *p, int64_t id);
/* Share of all steps that is done; and how many runs have ended. */
double progress_share(const struct progress *p, size_t *ret_ended);
/* Whether no run waits or trains any more. */
bool progress_over(const struct progress *p);

#endif
