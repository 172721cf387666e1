/* GET experiments/{id}/curves: what its arms did, over their seeds.
 *
 * The answer is written on the reader's thread, column by column: columns are what a chart takes, and
 * are packed better than rows. A cursor in it holds the event up to which the answer tells, what was
 * asked, how many runs there were, and how wide the cells are; asked with it, only what is another cell
 * now comes. Where cells have become wider since, runs were added, or nobody knows any more what came,
 * the whole comes again.
 *
 * The entity tag is weak: it covers the curves, not the moment (as_of, cursor) at which they were
 * looked at.
 */
#include "server/api/api.h"

#include "common/base/digest.h"
#include "common/json/jsonx_dump.h"
#include "server/http/exchange/exchange_request.h"
#include "server/store/curves/store_arm_curves.h"
#include "server/store/curves/store_export.h"
#include "server/verdict/statistics/distributions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    METRICS_MAX = 16,
    ARMS_MAX = 256,
    POINTS = 500,
    POINTS_MAX = 100000,
    CELLS_MAX =
        400000, /* of an answer: there are fewer points a curve when there are many curves */
    QUESTION_HEX = 8
};

struct asked {
    int64_t id, from, to, points;
    const char *metrics[METRICS_MAX], *arms[ARMS_MAX]; /* the connection's */
    size_t metrics_n, arms_n;
    const char *cursor;                       /* of the question; NULL = none */
    int64_t since, runs, widths[METRICS_MAX]; /* out of it */
    char question[QUESTION_HEX + 1], tag[24];
    bool known; /* the caller has it */
    struct buf body;
};

static void asked_free(void *arg)
{
    struct asked *a = arg;
    buf_done(&a->body);
    free(a);
}

/* What a cursor goes with. */
static void name_question(struct asked *a)
{
    struct digest digest;
    char hex[DIGEST_HEX], numbers[96];
    digest_init(&digest);
    for (size_t i = 0; i < a->metrics_n; i++)
        digest_add(&digest, a->metrics[i], strlen(a->metrics[i]) + 1);
    digest_add(&digest, "", 1);
    for (size_t i = 0; i < a->arms_n; i++)
        digest_add(&digest, a->arms[i], strlen(a->arms[i]) + 1);
    snprintf(numbers, sizeof numbers, "%lld %lld %lld %lld", (long long)a->id, (long long)a->from,
             (long long)a->to, (long long)a->points);
    digest_add(&digest, numbers, strlen(numbers));
    digest_end_hex(&digest, hex);
    snprintf(a->question, sizeof a->question, "%.*s", QUESTION_HEX, hex);
}

/* SEQ-QUESTION-RUNS, and a width a metric: 57-1a2b3c4d-12-1-16. */
static int take_cursor(struct asked *a, struct err *err)
{
    char *end;
    const char *at = a->cursor;
    if (at == NULL)
        return 0;
    a->since = strtoll(at, &end, 10);
    bool is_good = end > at && a->since >= 0 && *end == '-' &&
                   strncmp(end + 1, a->question, QUESTION_HEX) == 0;
    if (is_good)
        end += 1 + QUESTION_HEX;
    for (size_t i = 0; i <= a->metrics_n && is_good; i++) {
        is_good = *end == '-';
        if (is_good)
            *(i == 0 ? &a->runs : &a->widths[i - 1]) = strtoll(end + 1, &end, 10);
    }
    return is_good && *end == '\0'
               ? 0
               : err_set(err, ERR_BAD_PARAMETER,
                         "since must be the cursor of an answer to the same question, not %.60s",
                         a->cursor);
}

int arm_curves_decode(struct request *req, struct err *err)
{
    struct asked *a = request_state(req, sizeof *a, asked_free, err);
    if (a == NULL)
        return -ERR_NO_MEMORY;
    int status = request_id(req, 0, &a->id, err);
    if (status == 0)
        status = request_arg_int(req, "from", 0, INT64_MAX, 0, &a->from, err);
    if (status == 0)
        status = request_arg_int(req, "to", 0, INT64_MAX, -1, &a->to, err);
    if (status == 0)
        status = request_arg_int(req, "points", 2, POINTS_MAX, POINTS, &a->points, err);
    if (status == 0 && a->to >= 0 && a->to < a->from)
        status = err_set(err, ERR_BAD_PARAMETER, "to must not be less than from");
    if (status != 0)
        return status;
    a->metrics_n = request_arg_all(req, "metric", a->metrics, METRICS_MAX);
    a->arms_n = request_arg_all(req, "arm", a->arms, ARMS_MAX);
    if (a->metrics_n == 0 || a->metrics_n > METRICS_MAX)
        return err_set(err, ERR_BAD_PARAMETER,
                       "metric must be given, once for each metric, at most %d times", METRICS_MAX);
    if (a->arms_n > ARMS_MAX)
        return err_set(err, ERR_BAD_PARAMETER, "arm may be given at most %d times", ARMS_MAX);
    for (size_t i = 0; i < a->metrics_n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(a->metrics[i], a->metrics[j]) == 0)
                return err_set(err, ERR_BAD_PARAMETER, "the metric \"%.64s\" is given twice",
                               a->metrics[i]);
    name_question(a);
    a->cursor = request_arg(req, "since");
    return take_cursor(a, err);
}

/* Columns. */

typedef void write_cell(struct buf *to, const struct arm_cell *cell, const double *t);

/* Of what is worked out nine digits are plenty; values are written as they are. */
static void write_rounded(struct buf *to, double value)
{
    if (isfinite(value))
        buf_addf(to, "%.9g", value);
    else
        jsonx_dump_double(value, to);
}

static void write_value(struct buf *to, const struct arm_cell *cell, double value)
{
    if (cell->seeds == 0)
        buf_adds(to, "null");
    else
        jsonx_dump_double(value, to);
}

static void write_first(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->first);
}

static void write_last(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->last);
}

static void write_n(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->seeds);
}

static void write_complete(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->complete);
}

static void write_count(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->count);
}

static void write_nonfinite(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    buf_addf(to, "%lld", (long long)cell->nonfinite);
}

static void write_mean(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    write_value(to, cell, cell->mean);
}

static void write_min(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    write_value(to, cell, cell->min);
}

static void write_max(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    write_value(to, cell, cell->max);
}

static double sd_of(const struct arm_cell *cell)
{
    return sqrt(cell->m2 / (double)(cell->seeds - 1));
}

static void write_sd(struct buf *to, const struct arm_cell *cell, const double *t)
{
    (void)t;
    if (cell->seeds < 2)
        buf_adds(to, "null");
    else
        write_rounded(to, sd_of(cell));
}

static void write_bound(struct buf *to, const struct arm_cell *cell, const double *t, int sign)
{
    if (cell->seeds < 2)
        buf_adds(to, "null");
    else
        write_rounded(to,
                      cell->mean + sign * t[cell->seeds] * sd_of(cell) / sqrt((double)cell->seeds));
}

static void write_low(struct buf *to, const struct arm_cell *cell, const double *t)
{
    write_bound(to, cell, t, -1);
}

static void write_high(struct buf *to, const struct arm_cell *cell, const double *t)
{
    write_bound(to, cell, t, 1);
}

static const struct column {
    const char *name;
    write_cell *write;
    bool of_buckets; /* where a cell is a step it would say nothing */
} columns[] = {
    { "first", write_first, true },  { "step", write_last, false },
    { "n", write_n, false },         { "complete", write_complete, false },
    { "mean", write_mean, false },   { "sd", write_sd, false },
    { "t95_low", write_low, false }, { "t95_high", write_high, false },
    { "min", write_min, false },     { "max", write_max, false },
    { "count", write_count, true },  { "nonfinite", write_nonfinite, false },
};

static void write_curve(struct buf *to, const struct arm_curves *curves,
                        const struct arm_curve *curve, const double *t)
{
    buf_adds(to, "{\"arm\":");
    jsonx_dump_string(curve->arm, strlen(curve->arm), to);
    buf_addf(to, ",\"grid\":%s,\"runs\":%zu,\"open\":%zu,\"from\":", curve->grid, curve->runs_n,
             curve->open_n);
    if (curve->first == INT64_MAX)
        buf_adds(to, "null");
    else
        buf_addf(to, "%lld", (long long)curve->first);
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        if (columns[c].of_buckets && curves->width == 1)
            continue;
        buf_addf(to, ",\"%s\":[", columns[c].name);
        for (size_t i = 0; i < curve->n; i++) {
            if (i > 0)
                buf_addc(to, ',');
            columns[c].write(to, &curve->cells[i], t);
        }
        buf_addc(to, ']');
    }
    buf_addc(to, '}');
}

static void write_metric(struct buf *to, const char *name, const struct arm_curves *curves,
                         const double *t)
{
    bool first = true;
    jsonx_dump_string(name, strlen(name), to);
    buf_addf(to, ":{\"width\":%lld,\"curves\":[", (long long)curves->width);
    for (size_t i = 0; i < curves->n; i++) {
        if (!curves->of[i].told)
            continue;
        buf_adds(to, first ? "" : ",");
        first = false;
        write_curve(to, curves, &curves->of[i], t);
    }
    buf_adds(to, "]}");
}

static void write_all(struct asked *a, const struct arm_curves *curves, bool whole, const double *t,
                      int64_t as_of)
{
    struct buf *to = &a->body;
    buf_addf(to, "{\"experiment\":%lld,\"whole\":%s,\"metrics\":{", (long long)a->id,
             whole ? "true" : "false");
    for (size_t i = 0; i < a->metrics_n; i++) {
        buf_adds(to, i > 0 ? "," : "");
        write_metric(to, a->metrics[i], &curves[i], t);
    }
    buf_addf(to, "},\"cursor\":\"%lld-%s-%zu", (long long)as_of, a->question, curves[0].runs_n);
    for (size_t i = 0; i < a->metrics_n; i++)
        buf_addf(to, "-%lld", (long long)curves[i].width);
    buf_addf(to, "\",\"as_of\":%lld}\n", (long long)as_of);
}

/* Reading. */

/* t[n]: what a standard error is multiplied by, for n seeds. Asked for once per n. */
static double *t_table(size_t most, struct err *err)
{
    double *t = calloc(most + 1, sizeof *t);
    if (t == NULL) {
        err_no_memory(err, "the intervals");
        return NULL;
    }
    for (size_t n = 2; n <= most; n++)
        t[n] = student_quantile(0.975, (double)(n - 1));
    return t;
}

static size_t most_runs(const struct arm_curves *curves)
{
    size_t most = 0;
    for (size_t i = 0; i < curves->n; i++)
        most = curves->of[i].runs_n > most ? curves->of[i].runs_n : most;
    return most;
}

static void make_tag(struct asked *a, const struct arm_curves *curves)
{
    struct digest digest;
    char hex[DIGEST_HEX];
    digest_init(&digest);
    digest_add(&digest, a->question, QUESTION_HEX);
    for (size_t i = 0; i < a->metrics_n; i++)
        for (size_t r = 0; r < curves[i].runs_n; r++) {
            const struct arm_run *run = &curves[i].runs[r];
            const int64_t parts[] = { run->id, run->rows, run->last_step, run->open };
            digest_add(&digest, parts, sizeof parts);
        }
    digest_end_hex(&digest, hex);
    snprintf(a->tag, sizeof a->tag, "W/\"%.16s\"", hex);
}

static int plan(struct asked *a, struct store *store, struct arm_curves *curves, struct err *err)
{
    int status = store_export_there(store, a->id, err);
    size_t all = 0;
    for (size_t i = 0; i < a->metrics_n && status == 0; i++) {
        status = arm_curves_plan(store, a->id, a->metrics[i], a->arms, a->arms_n, &curves[i], err);
        all += curves[i].n;
    }
    int64_t most = all > 0 ? (int64_t)(CELLS_MAX / all) : 0, points = a->points;
    if (most < points)
        points = most > 2 ? most : 2;
    for (size_t i = 0; i < a->metrics_n && status == 0; i++)
        status = arm_curves_lay(store, &curves[i], a->from, a->to, points, err);
    return status;
}

/* Whether what came since the cursor is all that is to be told. */
static int find_news(struct asked *a, struct store *store, const struct arm_curves *curves,
                     int64_t as_of, struct arm_news **ret, size_t *ret_n, bool *ret_whole,
                     struct err *err)
{
    bool lost = a->cursor == NULL || curves[0].runs_n != (size_t)a->runs;
    for (size_t i = 0; i < a->metrics_n && !lost; i++)
        lost = curves[i].width != a->widths[i];
    int status = lost ? 0 : arm_curves_news(store, a->id, a->since, as_of, ret, ret_n, &lost, err);
    *ret_whole = lost;
    return status;
}

static int read_all(struct request *req, struct store *store, struct arm_curves *curves,
                    struct err *err)
{
    struct asked *a = req->state;
    static const struct arm_news nothing[1];
    struct arm_news *news = NULL;
    size_t news_n = 0;
    bool whole = true;
    int status = find_news(a, store, curves, req->as_of, &news, &news_n, &whole, err);
    if (status == 0 && a->cursor == NULL) {
        make_tag(a, curves);
        a->known = reply_tag_known(req->if_none_match, a->tag);
    }
    for (size_t i = 0; i < a->metrics_n && status == 0 && !a->known; i++)
        status = arm_curves_read(store, &curves[i], a->from, a->to,
                                 whole          ? NULL
                                 : news != NULL ? news
                                                : nothing,
                                 news_n, err);
    free(news);
    double *t = status == 0 && !a->known ? t_table(most_runs(&curves[0]), err) : NULL;
    if (t != NULL)
        write_all(a, curves, whole, t, req->as_of);
    else if (status == 0 && !a->known)
        status = -ERR_NO_MEMORY;
    free(t);
    return status;
}

int arm_curves_get(struct request *req, struct store *store, struct err *err)
{
    struct asked *a = req->state;
    struct arm_curves curves[METRICS_MAX] = { 0 };
    buf_init(&a->body, REPLY_MAX);
    int status = plan(a, store, curves, err);
    if (status == 0)
        status = read_all(req, store, curves, err);
    for (size_t i = 0; i < a->metrics_n; i++)
        arm_curves_done(&curves[i]);
    return status;
}

int arm_curves_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct asked *a = req->state;
    reply->status = a->known ? 304 : 200;
    if (a->tag[0] != '\0') {
        reply_header(reply, "ETag", "%s", a->tag);
        reply_header(reply, "Cache-Control", "private, no-cache");
    }
    reply_take(reply, &a->body);
    return 0;
}
