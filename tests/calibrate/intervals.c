/* The report's interval, that of its remark on skew, and two more. */
#include "tests/calibrate/intervals.h"

#include "common/philox.h"
#include "server/verdict/statistics/bootstrap.h"
#include "server/verdict/statistics/distributions.h"
#include "tests/calibrate/simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const interval_names[] = { "sign flips", "bootstrap-t", "BCa", "Student's t" };

static double mean_of(const double *d, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += d[i];
    return sum / (double)n;
}

static void flips(const double *d, size_t n, struct stats_interval *ret)
{
    static struct stats_flips kept; /* of the number that was asked for last */
    struct stats_paired paired;
    if (stats_paired(&kept, d, n, &paired, NULL) != 0)
        abort();
    *ret = paired.ci95;
}

static void student(const double *d, size_t n, struct stats_interval *ret)
{
    static size_t known_n;
    static double quantile;
    if (known_n != n)
        quantile = student_quantile(0.975, (double)n - 1);
    known_n = n;
    double mean = mean_of(d, n), half = quantile * sample_sd_of(d, n) / sqrt((double)n);
    *ret = (struct stats_interval){ mean - half, mean + half };
}

static double normal_below(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

static double normal_quantile(double p)
{
    double low = -9, high = 9;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (normal_below(middle) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Efron 1987: percentiles of the resampled means, corrected for bias and acceleration. */
static void bca(const double *d, size_t n, struct stats_interval *ret)
{
    enum { SAMPLES = BOOTSTRAP_SAMPLES };
    static double means[SAMPLES];
    uint32_t draws[SIM_SEEDS];
    const struct philox stream = philox_stream((int64_t)n, "data", "bootstrap");
    double mean = mean_of(d, n), cubes = 0, squares = 0, below = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double sum = 0;
        philox_words(&stream, i, 0, n, draws);
        for (size_t j = 0; j < n; j++)
            sum += d[(uint64_t)draws[j] * n >> 32];
        means[i] = sum / (double)n;
        below += means[i] < mean ? 1 : means[i] == mean ? 0.5 : 0;
    }
    for (size_t i = 0; i < n; i++) {
        double off = (d[i] - mean) / (double)(n - 1); /* jackknifed means around their own mean */
        cubes += off * off * off;
        squares += off * off;
    }
    double z0 = normal_quantile(below / SAMPLES), a = cubes / (6 * pow(squares, 1.5)), ends[2];
    qsort(means, SAMPLES, sizeof *means, by_size);
    for (int side = 0; side < 2; side++) {
        double z = z0 + (side == 0 ? -1.959963984540054 : 1.959963984540054);
        double at = normal_below(z0 + z / (1 - a * z)) * (SAMPLES + 1);
        size_t k = at < 1 ? 1 : at > SAMPLES ? SAMPLES : (size_t)at;
        ends[side] = means[k - 1];
    }
    *ret = (struct stats_interval){ ends[0], ends[1] };
}

static void studentised(const double *d, size_t n, struct stats_interval *ret)
{
    if (bootstrap_t(d, n, ret, NULL) != 0)
        abort();
}

void interval_of(enum interval method, const double *d, size_t n, struct stats_interval *ret)
{
    static void (*const methods[])(const double *, size_t, struct stats_interval *) = {
        [INTERVAL_FLIPS] = flips,
        [INTERVAL_BOOTSTRAP_T] = studentised,
        [INTERVAL_BCA] = bca,
        [INTERVAL_STUDENT] = student,
    };
    methods[method](d, n, ret);
}
