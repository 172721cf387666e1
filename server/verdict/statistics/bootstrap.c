/* Resamples of the differences, studentised. */
#include "server/verdict/statistics/bootstrap.h"

#include "common/philox.h"

#include <math.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void moments(const double *d, size_t n, const uint32_t *draws, double *ret_mean,
                    double *ret_error)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += draws != NULL ? d[(uint64_t)draws[i] * n >> 32] : d[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double off = (draws != NULL ? d[(uint64_t)draws[i] * n >> 32] : d[i]) - mean;
        squares += off * off;
    }
    *ret_mean = mean;
    *ret_error = sqrt(squares / (double)(n - 1) / (double)n);
}

/* Beyond as many seeds resamples are fewer, as flips are. */
static size_t samples_of(size_t n)
{
    size_t less = (size_t)BOOTSTRAP_SAMPLES * STATS_MANY_N / n;
    return n <= STATS_MANY_N ? BOOTSTRAP_SAMPLES : less > 199 ? less : 199;
}

int bootstrap_t(const double *d, size_t n, struct stats_interval *ret, struct err *err)
{
    const size_t samples = samples_of(n);
    double *t = calloc(samples, sizeof *t), mean, error;
    uint32_t *draws = calloc(n, sizeof *draws);
    int status = t != NULL && draws != NULL ? 0 : err_no_memory(err, "%zu resamples", samples);
    const struct philox stream = philox_stream((int64_t)n, "data", "bootstrap");
    moments(d, n, NULL, &mean, &error);
    for (size_t i = 0; status == 0 && i < samples; i++) {
        double own, own_error;
        philox_words(&stream, i, 0, n, draws);
        moments(d, n, draws, &own, &own_error);
        bool varies = own_error > 1e-12 * fabs(own);
        t[i] = varies ? (own - mean) / own_error : own == mean ? 0 : copysign(INFINITY, own - mean);
    }
    if (status == 0) {
        size_t k = (size_t)(0.025 * (double)(samples + 1) + 1e-9);
        qsort(t, samples, sizeof *t, by_size);
        *ret = (struct stats_interval){ mean - t[samples - k] * error, mean - t[k - 1] * error };
    }
    free(t);
    free(draws);
    return status;
}
