/* samples: latencies that are measured, and the figures that tell of them. */
#ifndef ABLATE_BENCH_SAMPLES_H
#define ABLATE_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct samples {
    double *of; /* seconds */
    size_t n, room;
};

static inline double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline void samples_add(struct samples *samples, double seconds)
{
    if (samples->n == samples->room) {
        samples->room = samples->room == 0 ? 1024 : 2 * samples->room;
        samples->of = reallocarray(samples->of, samples->room, sizeof *samples->of);
        if (samples->of == NULL)
            abort();
    }
    samples->of[samples->n++] = seconds;
}

static inline int samples_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints `"n":…,"p50_ms":…,"p99_ms":…,"max_ms":…`; orders the samples. */
static inline void samples_print(struct samples *samples, FILE *to)
{
    if (samples->n == 0) {
        fprintf(to, "\"n\":0");
        return;
    }
    qsort(samples->of, samples->n, sizeof *samples->of, samples_order);
    fprintf(to, "\"n\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f", samples->n,
            1e3 * samples->of[samples->n / 2], 1e3 * samples->of[samples->n * 99 / 100],
            1e3 * samples->of[samples->n - 1]);
}

#endif
