/* A run's rows, or its rollups where cells are wide, become cells of its own, which are then added to
 * the curve's: Welford's update, a seed at a time.
 *
 * SQL could group and sum, but sorts all rows of all runs for that; read run by run they are in order
 * already, and two million take a third of a second. Stored sums were rejected: they would be right
 * for one resolution, and wrong as soon as a run is added.
 */
#include "server/store/curves/store_arm_curves.h"

#include "server/store/curves/rollup.h"
#include "server/store/runs/store_runs.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Rows that finer cells may cost: beyond, cells are as wide as buckets that are read as they are. */
    ROWS_MAX = 4000000,
    NEWS_MAX = 20000 /* events that are looked through */
};

void arm_curves_done(struct arm_curves *curves)
{
    for (size_t i = 0; i < curves->n; i++) {
        free(curves->of[i].arm);
        free(curves->of[i].grid);
        free(curves->of[i].cells);
    }
    free(curves->of);
    free(curves->runs);
    *curves = (struct arm_curves){ 0 };
}

static bool wanted(const char *const *arms, size_t arms_n, const char *arm)
{
    for (size_t i = 0; i < arms_n; i++)
        if (strcmp(arms[i], arm) == 0)
            return true;
    return arms_n == 0;
}

/* Rows come by arm and grid point: one that is like the one before belongs to its curve. */
static int add_run(struct arm_curves *curves, sqlite3_stmt *s, struct err *err)
{
    const char *arm = (const char *)sqlite3_column_text(s, 1),
               *grid = (const char *)sqlite3_column_text(s, 2);
    struct arm_curve *curve = curves->n > 0 ? &curves->of[curves->n - 1] : NULL;
    struct arm_run *run = store_grow((void **)&curves->runs, &curves->runs_n, sizeof *run);
    if (run == NULL)
        return err_no_memory(err, "an experiment's runs");
    enum run_state state = run_state_of((const char *)sqlite3_column_text(s, 3));
    *run = (struct arm_run){ .id = sqlite3_column_int64(s, 0),
                             .rows = sqlite3_column_int64(s, 4),
                             .last_step = sqlite3_column_int64(s, 5),
                             .open = state == RUN_QUEUED || state == RUN_RUNNING };
    if (curve == NULL || strcmp(curve->arm, arm) != 0 || strcmp(curve->grid, grid) != 0) {
        curve = store_grow((void **)&curves->of, &curves->n, sizeof *curve);
        if (curve == NULL)
            return err_no_memory(err, "an experiment's curves");
        curve->last = -1;
        curve->arm = store_text(s, 1, false);
        curve->grid = store_text(s, 2, false);
        if (curve->arm == NULL || curve->grid == NULL)
            return err_no_memory(err, "an experiment's curves");
    }
    curve->runs_n++;
    curve->open_n += run->open;
    if (run->rows > 0 && run->last_step > curve->last)
        curve->last = run->last_step;
    return 0;
}

int arm_curves_plan(struct store *store, int64_t experiment, const char *metric,
                    const char *const *arms, size_t arms_n, struct arm_curves *ret, struct err *err)
{
    struct arm_curves curves = { .width = 1 };
    sqlite3_stmt *s = NULL;
    int status = store_get_int(store, SQL_NAME_GET, 0, &curves.name, err, "t", metric);
    if (status == 0)
        status = store_query(store, SQL_ARM_CURVES_RUNS, &s, err, "ii", experiment, curves.name);
    while (status == 0 && (status = store_step(store, s, err)) == 1) {
        status = wanted(arms, arms_n, (const char *)sqlite3_column_text(s, 1))
                     ? add_run(&curves, s, err)
                     : 0;
        if (status != 0)
            sqlite3_reset(s);
    }
    if (status != 0) {
        arm_curves_done(&curves);
        return status;
    }
    struct arm_run *run = curves.runs; /* the array has stopped moving */
    for (size_t i = 0; i < curves.n; i++, run += curves.of[i - 1].runs_n)
        curves.of[i].runs = run;
    *ret = curves;
    return 0;
}

/* How wide cells are. */

static int64_t last_of(const struct arm_curves *curves, int64_t to)
{
    int64_t last = -1;
    for (size_t i = 0; i < curves->n; i++)
        if (curves->of[i].last > last)
            last = curves->of[i].last;
    return to >= 0 && to < last ? to : last;
}

/* Whether a run has more rows in the range than `points`: asked of the longest of each curve, and only
 * where the range could hold that many. */
static int is_long(struct store *store, const struct arm_curve *curve, int64_t name, int64_t from,
                   int64_t to, int64_t points, bool *ret, struct err *err)
{
    const struct arm_run *longest = &curve->runs[0];
    int64_t rows = 0;
    for (size_t i = 1; i < curve->runs_n; i++)
        if (curve->runs[i].rows > longest->rows)
            longest = &curve->runs[i];
    *ret = longest->rows > points && to - from + 1 > points;
    if (!*ret || (from <= 0 && to >= longest->last_step))
        return 0;
    int status = store_get_int(store, SQL_METRIC_COUNT, 0, &rows, err, "iiiii", longest->id, name,
                               from, to, points + 1);
    *ret = rows > points;
    return status;
}

static int level_of(int shift)
{
    int level = shift / ROLLUP_SHIFT;
    return level < ROLLUP_LEVELS ? level : ROLLUP_LEVELS;
}

/* Rows and buckets that are read for cells of 2^shift steps. */
static int64_t cost(const struct arm_curves *curves, int64_t from, int64_t to, int shift)
{
    int level = level_of(shift);
    int64_t sum = 0;
    for (size_t i = 0; i < curves->runs_n; i++) {
        const struct arm_run *run = &curves->runs[i];
        int64_t last = to < run->last_step ? to : run->last_step;
        int64_t most = last < from ? 0 : ((last - from) >> (ROLLUP_SHIFT * level)) + 1;
        sum += most < run->rows ? most : run->rows;
    }
    return sum;
}

int arm_curves_lay(struct store *store, struct arm_curves *curves, int64_t from, int64_t to,
                   int64_t points, struct err *err)
{
    int status = 0, shift = 1;
    bool is_bucketed = false;
    to = last_of(curves, to);
    for (size_t i = 0; i < curves->n && status == 0 && !is_bucketed; i++)
        status = is_long(store, &curves->of[i], curves->name, from, to, points, &is_bucketed, err);
    if (status != 0 || !is_bucketed)
        return status;
    while ((to >> shift) - (from >> shift) + 1 >= points && (to >> shift) > (from >> shift))
        shift++;
    while (shift % ROLLUP_SHIFT != 0 && level_of(shift) < ROLLUP_LEVELS &&
           cost(curves, from, to, shift) > ROWS_MAX)
        shift++;
    curves->width = (int64_t)1 << shift;
    return 0;
}

/* What is new. */

static void news_from(sqlite3_stmt *s, void *row)
{
    *(struct arm_news *)row =
        (struct arm_news){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
                           sqlite3_column_int64(s, 2) };
}

int arm_curves_news(struct store *store, int64_t experiment, int64_t since, int64_t as_of,
                    struct arm_news **ret, size_t *ret_n, bool *ret_lost, struct err *err)
{
    static const struct store_rows rows = { sizeof(struct arm_news), news_from, NULL };
    int64_t known = 1;
    int status = 0;
    if (since < as_of && as_of - since <= NEWS_MAX)
        status = store_get_int(store, SQL_EVENT_KNOWN, 0, &known, err, "i", since);
    *ret_lost = known == 0 || since > as_of || as_of - since > NEWS_MAX;
    if (status != 0 || *ret_lost)
        return status;
    return store_all(store, SQL_ARM_CURVES_NEWS, &rows, (void **)ret, ret_n, err, "ii", since,
                     experiment);
}

/* Reading. */

/* The cells of one run; `sum` instead of mean and m2. */
struct seed_cell {
    int64_t key, first, last, count, nonfinite;
    double sum, min, max;
};
struct seed {
    int64_t width, last; /* last: the curve's last step, −1 = not asked for */
    struct seed_cell *cells;
    size_t n, room;
    bool failed;
};

/* A curve's last step comes behind the bucket that it lies in. */
static int64_t key_of(const struct seed *seed, int64_t step)
{
    return seed->width == 1 ? step : step / seed->width * 2 + (step == seed->last);
}

static void seed_add(void *arg, const struct metric_bucket *bucket, double sum)
{
    struct seed *seed = arg;
    int64_t key = key_of(seed, bucket->first_step);
    struct seed_cell *cell = seed->n > 0 ? &seed->cells[seed->n - 1] : NULL;
    if (cell == NULL || cell->key != key) {
        if (seed->n == seed->room) {
            size_t room = seed->room > 0 ? 2 * seed->room : 256;
            struct seed_cell *cells = realloc(seed->cells, room * sizeof *cells);
            if (cells == NULL) {
                seed->failed = true;
                return;
            }
            seed->cells = cells;
            seed->room = room;
        }
        cell = &seed->cells[seed->n++];
        *cell = (struct seed_cell){ .key = key, .first = bucket->first_step };
    }
    cell->last = bucket->last_step;
    cell->nonfinite += bucket->nonfinite;
    if (bucket->count == 0)
        return;
    if (cell->count == 0 || bucket->min < cell->min)
        cell->min = bucket->min;
    if (cell->count == 0 || bucket->max > cell->max)
        cell->max = bucket->max;
    cell->count += bucket->count;
    cell->sum += sum;
}

static int read_seed(struct store *store, const struct arm_run *run, int64_t name, int64_t from,
                     int64_t to, struct seed *seed, struct err *err)
{
    int shift = 0;
    while ((int64_t)1 << shift < seed->width)
        shift++;
    bool ends = seed->last >= from && seed->last <= to;
    seed->n = 0;
    int status = rollup_each(store, run->id, name, level_of(shift), from,
                             ends ? seed->last - 1 : to, seed_add, seed, err);
    if (status == 0 && ends)
        status = rollup_each(store, run->id, name, 0, seed->last, seed->last, seed_add, seed, err);
    return status == 0 && seed->failed ? err_no_memory(err, "a curve") : status;
}

/* Makes room for those of a seed's cells that the curve lacks, from the end. */
static int add_cells(struct arm_curve *curve, const struct seed *seed, struct err *err)
{
    size_t missing = 0, i = 0;
    for (size_t j = 0; j < seed->n; j++) {
        while (i < curve->n && curve->cells[i].key < seed->cells[j].key)
            i++;
        missing += i == curve->n || curve->cells[i].key != seed->cells[j].key;
    }
    if (missing == 0)
        return 0;
    struct arm_cell *cells = realloc(curve->cells, (curve->n + missing) * sizeof *cells);
    if (cells == NULL)
        return err_no_memory(err, "a curve");
    curve->cells = cells;
    size_t at = curve->n + missing, old = curve->n, j = seed->n;
    curve->n = at;
    while (at > old) { /* once nothing is missing the rest stands where it is */
        if (old > 0 && (j == 0 || cells[old - 1].key >= seed->cells[j - 1].key)) {
            j -= j > 0 && cells[old - 1].key == seed->cells[j - 1].key;
            cells[--at] = cells[--old];
        } else {
            j--;
            cells[--at] = (struct arm_cell){ .key = seed->cells[j].key,
                                             .first = seed->cells[j].first,
                                             .last = seed->cells[j].last };
        }
    }
    return 0;
}

static void add_seed(struct arm_curve *curve, const struct seed *seed)
{
    size_t i = 0;
    for (size_t j = 0; j < seed->n; j++) {
        const struct seed_cell *from = &seed->cells[j];
        while (curve->cells[i].key != from->key)
            i++;
        struct arm_cell *to = &curve->cells[i];
        to->first = from->first < to->first ? from->first : to->first;
        to->last = from->last > to->last ? from->last : to->last;
        to->nonfinite += from->nonfinite;
        if (from->count == 0)
            continue;
        to->min = to->count == 0 || from->min < to->min ? from->min : to->min;
        to->max = to->count == 0 || from->max > to->max ? from->max : to->max;
        to->count += from->count;
        double mean = from->sum / (double)from->count, off = mean - to->mean;
        to->seeds++;
        to->mean = to->seeds == 1 ? mean : to->mean + off / (double)to->seeds;
        to->m2 += to->seeds == 1 ? 0 : off * (mean - to->mean);
    }
}

/* A run counts in every cell up to where its series ends. */
static void count_complete(struct arm_curve *curve)
{
    for (size_t r = 0; r < curve->runs_n; r++) {
        size_t low = 0, high = curve->n;
        while (curve->runs[r].rows > 0 && low < high) {
            size_t middle = (low + high) / 2;
            if (curve->cells[middle].last <= curve->runs[r].last_step)
                low = middle + 1;
            else
                high = middle;
        }
        if (low > 0)
            curve->cells[low - 1].complete++;
    }
    for (size_t i = curve->n; i-- > 1;)
        curve->cells[i - 1].complete += curve->cells[i].complete;
}

static int read_curve(struct store *store, const struct arm_curves *curves, struct arm_curve *curve,
                      int64_t from, int64_t to, struct seed *seed, struct err *err)
{
    int status = 0;
    curve->first = from;
    curve->told = true;
    seed->width = curves->width;
    seed->last = curves->width > 1 && curve->last <= to ? curve->last : -1;
    for (size_t i = 0; i < curve->runs_n && status == 0; i++) {
        const struct arm_run *run = &curve->runs[i];
        int64_t end = to < run->last_step ? to : run->last_step;
        if (run->rows == 0 || end < from)
            continue;
        status = read_seed(store, run, curves->name, from, end, seed, err);
        if (status == 0)
            status = add_cells(curve, seed, err);
        if (status == 0)
            add_seed(curve, seed);
    }
    count_complete(curve);
    return status;
}

static int by_run(const void *key, const void *row)
{
    int64_t a = *(const int64_t *)key, b = ((const struct arm_news *)row)->run;
    return (a > b) - (a < b);
}

/* Whether a curve has news, and the first step of the first cell that may be another one now: the one
 * in which a series ended before it grew, since that step may have been a cell by itself. INT64_MAX: none,
 * a run alone has changed. */
static int find_news(struct store *store, const struct arm_curves *curves,
                     const struct arm_curve *curve, const struct arm_news *news, size_t n,
                     bool *ret, int64_t *ret_from, struct err *err)
{
    int status = 0;
    *ret = false;
    *ret_from = INT64_MAX;
    for (size_t i = 0; i < curve->runs_n && status == 0; i++) {
        const struct arm_news *row = bsearch(&curve->runs[i].id, news, n, sizeof *row, by_run);
        while (row != NULL && row > news && row[-1].run == row->run)
            row--;
        for (; row != NULL && row < news + n && row->run == curve->runs[i].id; row++) {
            int64_t before = 0;
            *ret |= row->name == 0 || row->name == curves->name;
            if (row->name == 0 || row->name != curves->name)
                continue;
            status = store_get_int(store, SQL_METRIC_BEFORE, 0, &before, err, "iii", row->run,
                                   row->name, row->from);
            before -= before % curves->width;
            *ret_from = before < *ret_from ? before : *ret_from;
        }
    }
    return status;
}

int arm_curves_read(struct store *store, struct arm_curves *curves, int64_t from, int64_t to,
                    const struct arm_news *news, size_t news_n, struct err *err)
{
    struct seed seed = { 0 };
    int status = 0;
    to = to < 0 ? INT64_MAX : to;
    for (size_t i = 0; i < curves->n && status == 0; i++) {
        struct arm_curve *curve = &curves->of[i];
        bool has_news = true;
        int64_t first = from;
        if (news != NULL)
            status = find_news(store, curves, curve, news, news_n, &has_news, &first, err);
        if (status == 0 && has_news)
            status = read_curve(store, curves, curve, first > from ? first : from, to, &seed, err);
    }
    free(seed.cells);
    return status;
}
