/* sweep: an experiment spec: its expansion arms × grid × seeds into run specs is sweep_run.h's.
 *
 * The experiment's JSON is first merged onto its preset, then decoded; an arm's paths are applied
 * to {data, model, train}, then the grid's; a value replaces whatever stands at its path. The
 * number of runs is computed, and checked against the limit, before any run is built. Without
 * "arms" there is one, "main"; without "seeds" there is one, 42. Runs are ordered seed by seed,
 * then grid point, then arm, so that the arms of one comparison train side by side. Errors that
 * come out of an override point at it: "/arms/dsa/model.attention/top_k", "/grid/data.seq_len/2".
 */
#ifndef ABLATE_COMMON_SWEEP_H
#define ABLATE_COMMON_SWEEP_H

#include "common/names.h"
#include "common/spec/spec.h"

#include <jansson.h>

enum { SWEEP_MAX_RUNS = 10000, SWEEP_MAX_ARMS = 64, SWEEP_MAX_FACTORS = 8, SWEEP_MAX_LOOKS = 10 };
enum goal { GOAL_MIN, GOAL_MAX };
enum compare_at { COMPARE_LAST, COMPARE_BEST };

struct sweep_compare {
    int metric;                 /* enum metric (metrics.h) */
    int goal, at;               /* goal: the metric's own when not given */
    char baseline[NAMES_BYTES]; /* an arm; the first one when not given */
    double margin;
    json_t *tune;  /* borrowed from the spec; an array of grid paths */
    json_t *looks; /* borrowed; numbers of seeds that are looked at, ascending; NULL: one look */
    json_t *allow; /* borrowed; of paths and concerns (spec_fields.h); NULL: none */
};

struct sweep {
    /* Owned: the experiment with its defaults filled in, as stored (keep the order of its keys: the
     * first arm is the baseline). Attention keeps what was given, since its defaults depend on a
     * kind that an override may change. */
    json_t *spec;
    char name[NAMES_BYTES];
    const char *notes, *hypothesis; /* borrowed from spec */
    json_t *tags;                   /* borrowed; an object of strings */
    int64_t priority, max_attempts;
    bool exclusive;
    struct sweep_compare compare;
    size_t arms_n, factors_n, seeds_n;
    const char *arm_names[SWEEP_MAX_ARMS];       /* borrowed from spec, in the order given */
    const char *factor_paths[SWEEP_MAX_FACTORS]; /* borrowed, in the order given */
    json_t *factor_values[SWEEP_MAX_FACTORS];    /* borrowed arrays */
    int64_t *seeds;                              /* owned */
    size_t runs_n;                               /* arms × grid points × seeds */
};

/* Decodes spec (not consumed) and checks what doesn't need building a run, and that some run
 * measures the compared metric. The caller has merged the preset already. Errors: as jsonx_decode,
 * INCONSISTENT, TOO_MANY_RUNS (with the figure). */
int sweep_new(const json_t *spec, struct sweep **ret, struct err *err);
void sweep_free(struct sweep *sweep);
/* Refuses a goal that isn't the metric's own, under which the worse arm would be called better.
 * Only a submission is asked: experiments from before this was refused are stored with one. Errors:
 * INCONSISTENT. */
int sweep_goal_check(const struct sweep *sweep, struct err *err);

/* Names and values of tags. Errors: OUT_OF_RANGE, INVALID_VALUE, WRONG_TYPE, at "/tags/…". */
int sweep_tags_check(const json_t *tags, struct err *err);

#endif
