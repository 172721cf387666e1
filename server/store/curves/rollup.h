/* rollup: a series' levels of detail, so that a curve of a million points draws without reading the
 * million.
 *
 * Level 0 is the rows themselves; level l ≥ 1 has a bucket for every 16^l steps: bucket = ⌊step /
 * 16^l⌋. A batch of new rows is summed up per bucket in memory and then merged into the table, one
 * upsert a bucket.
 */
#ifndef ABLATE_SERVER_ROLLUP_H
#define ABLATE_SERVER_ROLLUP_H

#include "server/store/store.h"

enum { ROLLUP_LEVELS = 5, ROLLUP_SHIFT = 4 };

struct rollup_row {
    int64_t step;
    double value; /* 0 when kind != 0 */
    int kind;     /* 0 finite, 1 nan, 2 inf, 3 -inf */
};
/* A bucket that is read; min, max and mean are NaN where no value is finite. */
struct metric_bucket {
    int64_t first_step, last_step, count, nonfinite; /* count: finite values */
    double min, max, mean;
};
/* Writer. Merges rows (ascending steps, all newly inserted) of one series into rollups and its
 * summary row. */
int rollup_add(struct store *, int64_t run, int64_t name, const struct rollup_row *rows, size_t n,
               struct err *);
/* Reader. At most `points` buckets over exactly the steps from…to (0 ≤ from ≤ to), ascending;
 * points ≥ 1. *ret is the caller's (free). Errors: NO_MEMORY, the store's. */
int rollup_get(struct store *, int64_t run, int64_t name, int64_t from, int64_t to, int64_t points,
               struct metric_bucket **ret, size_t *ret_n, struct err *);
/* Reader. Each bucket of that level (0: each row, as a bucket of one) that lies wholly inside from…to,
 * at both ends finer ones, by step; what isn't finite in a bucket is in `nonfinite` alone, and its mean
 * isn't filled: `sum` is over the finite values. */
typedef void rollup_each_fn(void *arg, const struct metric_bucket *bucket, double sum);
int rollup_each(struct store *, int64_t run, int64_t name, int level, int64_t from, int64_t to,
                rollup_each_fn *each, void *arg, struct err *);

#endif
