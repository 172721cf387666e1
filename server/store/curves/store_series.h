/* store_series: a run's series of (step, value), read. */
#ifndef ABLATE_SERVER_STORE_SERIES_H
#define ABLATE_SERVER_STORE_SERIES_H

#include "server/store/curves/rollup.h"
#include "server/store/store.h"

struct metric_point {
    int64_t step;
    double value;
};
struct metric_series {
    char *name;  /* owned */
    int64_t raw; /* rows it stands for, within the asked range */
    /* Owned, [n]: points when there are no more of them than were asked for, else buckets. */
    struct metric_point *points;
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
/* Reader. The series of a run that the query names, by name; *ret is the caller's
 * (metric_series_free). A name that the run has no series of is left out. */
int store_metrics_get(struct store *, const struct metric_query *, struct metric_series **ret,
                      size_t *ret_n, struct err *);
/* The raw rows of one series by its name's id, for a feed row: fills name, raw, points and n of
 * *ret. */
int store_metrics_range(struct store *, int64_t run, int64_t name, int64_t from, int64_t to,
                        struct metric_series *ret, struct err *);
/* Calls each() with every row of a run, by name (bytewise), then step. A status other than 0 ends
 * the walk and is returned. */
int store_metrics_each(struct store *, int64_t run,
                       int (*each)(void *arg, const char *name, const struct metric_point *,
                                   struct err *),
                       void *arg, struct err *);
void metric_series_free(struct metric_series *series, size_t n);

#endif
