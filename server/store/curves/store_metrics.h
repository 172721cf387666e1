/* store_metrics: series of (step, value), their rollups, and applying a worker's events.
 *
 * A row already stored stays: inserting the same (run, metric, step) again compares instead of
 * replacing, and only rows that were really inserted feed the rollups. */
#ifndef ABLATE_SERVER_STORE_METRICS_H
#define ABLATE_SERVER_STORE_METRICS_H

#include "common/wire/wire.h"
#include "server/store/store.h"

/* Applies one event of an attempt and sets acked_seq to its seq. seq ≤ acked_seq: ignored (0). seq
 * > acked_seq + 1: CONFLICT, nothing applied: the caller reads the file from acked_seq + 1.
 * finished and failed settle the run; an event after that: PROTOCOL, nothing applied. After any
 * other error the savepoint must be given up. *ret_acked is the attempt's acked_seq afterwards. */
int store_event_apply(struct store *, int64_t run, int64_t attempt, const struct wire_message *,
                      uint64_t *ret_acked, struct err *);

struct metric_point {
    int64_t step;
    double value;
};
struct metric_bucket {
    int64_t first_step, last_step, count, nonfinite;
    double min, max, mean;
};
struct metric_series {
    char *name;  /* owned */
    int64_t raw; /* rows it stands for, within the asked range */
    struct metric_point
        *points; /* exactly one of points and buckets is set (points when raw ≤ wanted) */
    struct metric_bucket *buckets;
    size_t n;
};
struct metric_query {
    int64_t run;
    const char *const *names; /* NULL = all */
    size_t names_n;
    int64_t from, to; /* steps, inclusive; to < 0 = no end */
    int64_t points;   /* 0 = all of them, raw */
};
int store_metrics_get(struct store *, const struct metric_query *, struct metric_series **ret,
                      size_t *ret_n, struct err *);
/* The raw rows of one series by its name's id, for a feed row: fills name, raw, points and n of
 * *ret. */
int store_metrics_range(struct store *, int64_t run, int64_t name, int64_t from, int64_t to,
                        struct metric_series *ret, struct err *);
/* Every row of a run, by name (bytewise), then step, one at a time; the first that isn't 0 ends it
 * and is returned. */
int store_metrics_each(struct store *, int64_t run,
                       int (*each)(void *arg, const char *name, const struct metric_point *,
                                   struct err *),
                       void *arg, struct err *);
void metric_series_free(struct metric_series *series, size_t n);

/* One metric over all runs of an experiment, by run, then step; of a series with more than `points`
 * rows, every so many-th (a round number) and the last. *ret is the caller's (free). */
struct curve_point {
    int64_t run, step;
    double value;
};
int store_curves(struct store *, int64_t experiment, const char *metric, int64_t points,
                 struct curve_point **ret, size_t *ret_n, struct err *);

#endif
