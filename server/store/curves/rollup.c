/* Writing: a batch is summed up per bucket and level, then merged by upserts. Reading: the range
 * is covered by whole buckets of one level, and at both ends by finer ones, down to the rows. */
#include "server/store/curves/rollup.h"

#include "server/store/store_rows.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct sums {
    int64_t first_step, last_step, count, nonfinite;
    int64_t min_step, max_step;
    double min, max, sum, first, last;
};

static void sums_add(struct sums *sums, const struct rollup_row *row)
{
    if (sums->count + sums->nonfinite == 0)
        sums->first_step = row->step;
    sums->last_step = row->step;
    if (row->kind != 0) {
        sums->nonfinite++;
        return;
    }
    if (sums->count == 0 || row->value < sums->min) {
        sums->min = row->value;
        sums->min_step = row->step;
    }
    if (sums->count == 0 || row->value > sums->max) {
        sums->max = row->value;
        sums->max_step = row->step;
    }
    if (sums->count == 0)
        sums->first = row->value;
    sums->last = row->value;
    sums->sum += row->value;
    sums->count++;
}

static void bind_finite(sqlite3_stmt *s, int column, const struct sums *sums, double value)
{
    if (sums->count > 0)
        sqlite3_bind_double(s, column, value);
}

static int merge_bucket(struct store *store, int64_t run, int64_t name, int level, int64_t bucket,
                        const struct sums *sums, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status =
        store_query(store, SQL_ROLLUP_UPSERT, &s, err, "iiiiiiii", run, name, (int64_t)level,
                    bucket, sums->first_step, sums->last_step, sums->count, sums->nonfinite);
    if (status != 0)
        return status;
    bind_finite(s, 9, sums, sums->min);
    bind_finite(s, 10, sums, sums->max);
    sqlite3_bind_double(s, 11, sums->sum);
    bind_finite(s, 12, sums, sums->first);
    bind_finite(s, 13, sums, sums->last);
    return store_step(store, s, err);
}

static int merge_summary(struct store *store, int64_t run, int64_t name, const struct sums *sums,
                         const struct rollup_row *last, struct err *err)
{
    static const double stored[] = { 0, 0, INFINITY, -INFINITY };
    sqlite3_stmt *s = NULL;
    int status = store_query(
        store, SQL_SERIES_UPSERT, &s, err, "iiiiidi", run, name, sums->count, sums->nonfinite,
        sums->last_step, last->kind == 0 ? last->value : stored[last->kind], (int64_t)last->kind);
    if (status != 0)
        return status;
    bind_finite(s, 8, sums, sums->min);
    if (sums->count > 0)
        sqlite3_bind_int64(s, 9, sums->min_step);
    bind_finite(s, 10, sums, sums->max);
    if (sums->count > 0)
        sqlite3_bind_int64(s, 11, sums->max_step);
    sqlite3_bind_double(s, 12, sums->sum);
    return store_step(store, s, err);
}

int rollup_add(struct store *store, int64_t run, int64_t name, const struct rollup_row *rows,
               size_t n, struct err *err)
{
    struct sums all = { 0 };
    int status = 0;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        sums_add(&all, &rows[i]);
    for (int level = 1; level <= ROLLUP_LEVELS && status == 0; level++) {
        int shift = ROLLUP_SHIFT * level;
        for (size_t i = 0; i < n && status == 0;) {
            int64_t bucket = rows[i].step >> shift;
            struct sums sums = { 0 };
            for (; i < n && rows[i].step >> shift == bucket; i++)
                sums_add(&sums, &rows[i]);
            status = merge_bucket(store, run, name, level, bucket, &sums, err);
        }
    }
    return status == 0 ? merge_summary(store, run, name, &all, &rows[n - 1], err) : status;
}

/* The finest level whose buckets over the range are few enough to be read for `points`. */
static int choose_level(int64_t from, int64_t to, int64_t points)
{
    int level = 1;
    while (level < ROLLUP_LEVELS && ((to - from) >> (ROLLUP_SHIFT * level)) > 16 * points)
        level++;
    return level;
}

static void merge_into(struct metric_bucket *to, const struct metric_bucket *from, double from_sum,
                       double *sum)
{
    if (to->count + to->nonfinite == 0) {
        *to = *from;
        *sum = from_sum;
        return;
    }
    if (from->count > 0 && (to->count == 0 || from->min < to->min))
        to->min = from->min;
    if (from->count > 0 && (to->count == 0 || from->max > to->max))
        to->max = from->max;
    to->last_step = from->last_step;
    to->count += from->count;
    to->nonfinite += from->nonfinite;
    *sum += from_sum;
}

/* Reads exactly the steps from…to: the buckets of a level that lie wholly inside, and what is left
 * at both ends one level finer, down to the rows. */
struct walk {
    struct store *store;
    int64_t run, name;
    rollup_each_fn *each;
    void *arg;
};

static int walk_buckets(const struct walk *walk, int level, int64_t first, int64_t last,
                        struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(walk->store, SQL_ROLLUP_RANGE, &s, err, "iiiii", walk->run, walk->name,
                             (int64_t)level, first, last);
    if (status != 0)
        return status;
    while ((status = store_step(walk->store, s, err)) == 1) {
        const struct metric_bucket bucket = {
            .first_step = sqlite3_column_int64(s, 0),
            .last_step = sqlite3_column_int64(s, 1),
            .count = sqlite3_column_int64(s, 2),
            .nonfinite = sqlite3_column_int64(s, 3),
            .min = sqlite3_column_double(s, 4),
            .max = sqlite3_column_double(s, 5),
        };
        walk->each(walk->arg, &bucket, sqlite3_column_double(s, 6));
    }
    return status;
}

static int walk_rows(const struct walk *walk, int64_t from, int64_t to, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(walk->store, SQL_METRIC_RANGE, &s, err, "iiii", walk->run, walk->name,
                             from, to);
    if (status != 0)
        return status;
    while ((status = store_step(walk->store, s, err)) == 1) {
        int64_t step = sqlite3_column_int64(s, 0);
        double value = sqlite3_column_double(s, 1);
        bool finite = sqlite3_column_int(s, 2) == 0;
        const struct metric_bucket bucket = {
            .first_step = step,
            .last_step = step,
            .count = finite,
            .nonfinite = !finite,
            .min = value,
            .max = value,
        };
        walk->each(walk->arg, &bucket, finite ? value : 0);
    }
    return status;
}

static int walk_range(const struct walk *walk, int level, int64_t from, int64_t to, struct err *err)
{
    if (level == 0)
        return walk_rows(walk, from, to, err);
    int shift = ROLLUP_SHIFT * level;
    int64_t width = (int64_t)1 << shift;
    int64_t first = (from >> shift) + ((from & (width - 1)) != 0);
    int64_t last = (to >> shift) - ((to & (width - 1)) != width - 1);
    if (first > last)
        return walk_range(walk, level - 1, from, to, err);
    int status = 0;
    if (from < first << shift)
        status = walk_range(walk, level - 1, from, (first << shift) - 1, err);
    if (status == 0)
        status = walk_buckets(walk, level, first, last, err);
    if (status == 0 && (last + 1) << shift <= to)
        status = walk_range(walk, level - 1, (last + 1) << shift, to, err);
    return status;
}

int rollup_each(struct store *store, int64_t run, int64_t name, int level, int64_t from, int64_t to,
                rollup_each_fn *each, void *arg, struct err *err)
{
    const struct walk walk = { store, run, name, each, arg };
    return from > to ? 0 : walk_range(&walk, level, from, to, err);
}

/* A reply's buckets, being merged out of what lies in their slots. Slots are as wide as each other
 * and aligned to the buckets of `level`, so that no bucket that is read lies in two of them. */
struct cover {
    int level;
    int64_t first, width; /* of slots, in buckets of that level */
    struct metric_bucket *buckets;
    size_t n, room;
    int64_t slot; /* of the last bucket */
    double sum;
};

static void cover_add(void *arg, const struct metric_bucket *bucket, double sum)
{
    struct cover *cover = arg;
    int64_t slot =
        ((bucket->first_step >> (ROLLUP_SHIFT * cover->level)) - cover->first) / cover->width;
    if (cover->n == 0 || slot != cover->slot) {
        if (cover->n == cover->room)
            return; /* no series has more slots than were counted */
        cover->n++;
        cover->slot = slot;
    }
    struct metric_bucket *to = &cover->buckets[cover->n - 1];
    merge_into(to, bucket, sum, &cover->sum);
    to->mean = to->count > 0 ? cover->sum / (double)to->count : NAN;
    if (to->count == 0)
        to->min = to->max = NAN;
}

int rollup_get(struct store *store, int64_t run, int64_t name, int64_t from, int64_t to,
               int64_t points, struct metric_bucket **ret, size_t *ret_n, struct err *err)
{
    int level = choose_level(from, to, points);
    int shift = ROLLUP_SHIFT * level;
    int64_t first = from >> shift, last = to >> shift;
    struct cover cover = {
        .level = level,
        .first = first,
        .width = (last - first + points) / points,
        .buckets = calloc((size_t)points, sizeof *cover.buckets),
        .room = (size_t)points,
    };
    if (cover.buckets == NULL)
        return err_no_memory(err, "a curve of %lld points", (long long)points);
    int status = rollup_each(store, run, name, level, from, to, cover_add, &cover, err);
    if (status != 0) {
        free(cover.buckets);
        return status;
    }
    *ret = cover.buckets;
    *ret_n = cover.n;
    return 0;
}
