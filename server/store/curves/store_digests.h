/* store_digests: what runs tell of themselves so that they can be compared (schema/wire.md). */
#ifndef ABLATE_SERVER_STORE_DIGESTS_H
#define ABLATE_SERVER_STORE_DIGESTS_H

#include "server/store/runs/store_runs.h"

/* What an attempt tells: the newest that began at step 0, or finished, counts; NULL leaves what is
 * there. No-op for one that verifies. */
int store_digests_put(struct store *, int64_t run, int64_t attempt, const char *init,
                      const char *consumed, const char *eval, struct err *);

/* The same of what is scored without a model, in nats; NaN = there is nothing to score. */
int store_digests_guess(struct store *, int64_t run, int64_t attempt, double unigram, double bigram,
                        struct err *);

struct digests_row {
    int64_t run, seed;
    enum run_state state;
    char *arm, *grid, *consumed, *eval; /* owned; grid is JSON text; digests NULL = not told */
    char *cell;                         /* owned; what its repetitions share; NULL = not known */
    bool measured;                      /* value is known */
    double value;                       /* the last one of the metric that was asked for */
    bool evaluated;                     /* loss is known */
    double loss;                        /* the last val/loss */
    double unigram, bigram;             /* NaN = not told */
    int64_t windows;                    /* that it could be trained on; 0 = not known */
};
void digests_rows_free(struct digests_row *rows, size_t n);
/* Every run of an experiment, by id, that is: seed by seed, grid point by grid point. */
int store_digests_list(struct store *, int64_t experiment, const char *metric,
                       struct digests_row **ret, size_t *ret_n, struct err *);
/* What a run was trained in, as its attempt told it (environment_json in the worker). */
struct run_environment {
    int64_t run;
    char *text; /* owned JSON text */
};
void run_environments_free(struct run_environment *rows, size_t n);
/* Of every attempt of an experiment's runs from which a value was stored, by run and attempt. */
int store_digests_environments(struct store *, int64_t experiment, struct run_environment **ret,
                               size_t *ret_n, struct err *);
/* A run's frozen spec, and its initial weights ("" = not told), as JSON text. *ret is the
 * caller's. */
int store_digests_spec(struct store *, int64_t run, char **ret, struct err *);
int store_digests_init(struct store *, int64_t run, char **ret, struct err *);

/* Experiments that have ended, by a run that came to a terminal state in this transaction. *ret is
 * the caller's. */
int store_ended_now(struct store *, int64_t **ret, size_t *ret_n, struct err *);

#endif
