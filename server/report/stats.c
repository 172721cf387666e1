#include "server/report/stats.h"

#include "common/philox.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

const char *const stats_verdict_names[] = { "better", "worse", "equivalent", "undetermined", NULL };

/* Sums that should be equal may differ by rounding: a flip counts as extreme when it is within this
 * share of the observed statistic. */
static const double slack = 1e-12;

/* How the flips of n seeds are produced: all of them, or STATS_SAMPLES drawn ones. Flip 0 is the
 * observed one: no sign turned. */
struct flips {
    size_t n, count;
    bool exact;
    struct philox stream;
};

static struct flips flips_of(size_t n)
{
    struct flips flips = { .n = n, .exact = n <= STATS_EXACT_N };
    flips.count = flips.exact ? (size_t)1 << n : STATS_SAMPLES;
    if (!flips.exact)
        flips.stream = philox_stream((int64_t)n, "data", "sign-flips");
    return flips;
}

/* turned[n]: which signs flip i turns. */
static void flip_get(const struct flips *flips, size_t i, bool *turned)
{
    for (size_t j = 0; j < flips->n; j++)
        if (flips->exact)
            turned[j] = (i >> j & 1) != 0;
        else
            turned[j] = i != 0 && (philox_word(&flips->stream, i, j / 32) >> (j % 32) & 1) != 0;
}

static double mean_of(const double *d, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += d[i];
    return sum / (double)n;
}

static double sd_of(const double *d, size_t n, double mean)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (d[i] - mean) * (d[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The test of mean m rejects on the low side (m < mean) by the flips whose turned seeds have a mean
 * ≤ m: turning them doesn't lower the sum. Hence p(m) = 2·(1 + #{means ≤ m})/flips, and the
 * interval ends at order statistics of the subsets' means (Hartigan 1969, typical values).
 * means[count] is ascending and holds every turned subset but the empty one. */
static struct stats_interval invert(const double *means, size_t count, size_t flips, double alpha)
{
    size_t k = (size_t)floor(alpha * (double)flips / 2 + 1e-9);
    if (k == 0 || k > count)
        return (struct stats_interval){ -INFINITY, INFINITY };
    return (struct stats_interval){ means[k - 1], means[count - k] };
}

int stats_paired(const double *d, size_t n, struct stats_paired *ret, struct err *err)
{
    struct stats_paired out = { .n = n, .mean = NAN, .sd = NAN, .p = 1 };
    out.ci95 = out.ci90 = (struct stats_interval){ -INFINITY, INFINITY };
    if (n == 0) {
        *ret = out;
        return 0;
    }
    const struct flips flips = flips_of(n);
    double *means = calloc(flips.count, sizeof *means);
    bool *turned = calloc(n, sizeof *turned);
    if (means == NULL || turned == NULL) {
        free(means);
        free(turned);
        return err_set(err, ERR_INTERNAL, "no memory for %zu sign flips", flips.count);
    }
    out.mean = mean_of(d, n);
    out.sd = sd_of(d, n, out.mean);
    double observed = fabs(out.mean * (double)n);
    size_t extreme = 0, subsets = 0;
    for (size_t i = 0; i < flips.count; i++) {
        double sum = 0, part = 0;
        size_t in = 0;
        flip_get(&flips, i, turned);
        for (size_t j = 0; j < n; j++) {
            sum += turned[j] ? -d[j] : d[j];
            part += turned[j] ? d[j] : 0;
            in += turned[j];
        }
        extreme += fabs(sum) >= observed - slack * observed;
        if (in > 0)
            means[subsets++] = part / (double)in;
    }
    out.p = (double)extreme / (double)flips.count;
    qsort(means, subsets, sizeof *means, ascending);
    if (n >= STATS_CLAIM_N) {
        out.ci95 = invert(means, subsets, flips.count, 0.05);
        out.ci90 = invert(means, subsets, flips.count, 0.10);
    }
    free(means);
    free(turned);
    *ret = out;
    return 0;
}

/* |t| of a row whose signs are turned; squares don't change with signs, so their sum is given. */
static double abs_t(const double *d, size_t n, const bool *turned, double squares)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += turned[j] ? -d[j] : d[j];
    double mean = sum / (double)n;
    double variance = (squares - (double)n * mean * mean) / (double)(n - 1);
    if (variance <= slack * squares)
        return mean == 0 ? 0 : INFINITY;
    return fabs(mean) / sqrt(variance / (double)n);
}

int stats_adjusted(const double *d, size_t m, size_t n, double *ret_p, struct err *err)
{
    for (size_t c = 0; c < m; c++)
        ret_p[c] = 1;
    if (n < 2 || m == 0)
        return 0;
    const struct flips flips = flips_of(n);
    bool *turned = calloc(n, sizeof *turned);
    double *squares = calloc(m, sizeof *squares), *observed = calloc(m, sizeof *observed);
    size_t *extreme = calloc(m, sizeof *extreme);
    int status = 0;
    if (turned == NULL || squares == NULL || observed == NULL || extreme == NULL) {
        status = err_set(err, ERR_INTERNAL, "no memory for %zu comparisons", m);
        goto out;
    }
    for (size_t c = 0; c < m; c++) {
        for (size_t j = 0; j < n; j++)
            squares[c] += d[c * n + j] * d[c * n + j];
        observed[c] = abs_t(d + c * n, n, turned, squares[c]);
    }
    for (size_t i = 0; i < flips.count; i++) {
        double greatest = 0;
        flip_get(&flips, i, turned);
        for (size_t c = 0; c < m; c++)
            greatest = fmax(greatest, abs_t(d + c * n, n, turned, squares[c]));
        for (size_t c = 0; c < m; c++)
            extreme[c] += greatest >= observed[c] - slack * observed[c] || observed[c] == 0;
    }
    for (size_t c = 0; c < m; c++)
        ret_p[c] = (double)extreme[c] / (double)flips.count;
out:
    free(turned);
    free(squares);
    free(observed);
    free(extreme);
    return status;
}

enum stats_verdict stats_judge(const struct stats_paired *paired, double p, double margin,
                               bool lower_is_better)
{
    if (paired->n < STATS_CLAIM_N)
        return STATS_UNDETERMINED;
    if (paired->ci90.low >= -margin && paired->ci90.high <= margin)
        return STATS_EQUIVALENT;
    if (p <= 0.05)
        return (paired->mean < 0) == lower_is_better ? STATS_BETTER : STATS_WORSE;
    return STATS_UNDETERMINED;
}

size_t stats_needed_seeds(double sd, double margin)
{
    if (!(sd >= 0) || !(margin > 0))
        return 0;
    double n = ceil(pow((1.96 + 0.84) * sd / margin, 2));
    return n < STATS_CLAIM_N ? STATS_CLAIM_N : n > 1e9 ? (size_t)1e9 : (size_t)n;
}
