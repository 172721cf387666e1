/* Sign flips: drawn or enumerated once for a number of seeds, then used by every test of that many. */
#include "server/verdict/statistics/stats.h"

#include "common/philox.h"
#include "server/verdict/statistics/distributions.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

const char *const stats_verdict_names[] = { "better", "worse", "equivalent", "undetermined", NULL };

/* Sums that should be equal may differ by rounding: a flip counts as extreme when it comes within
 * this share of what was summed. */
static const double slack = 1e-12;

/* Flips are drawn or enumerated once for a number of seeds, and serve every test of that many. Flip
 * 0 is the observed one: no sign turned. A flip is a bit a seed; its bytes look up sums of eight
 * seeds at a time, which is what makes 65,536 flips cheap. */

void stats_flips_done(struct stats_flips *flips)
{
    free(flips->bits);
    free(flips->turned);
    *flips = (struct stats_flips){ 0 };
}

static uint8_t *flip_of(const struct stats_flips *flips, size_t i)
{
    return flips->bits + i * flips->bytes;
}

static size_t count_of(size_t n)
{
    if (n <= STATS_EXACT_N)
        return (size_t)1 << n;
    return n <= STATS_MANY_N ? STATS_SAMPLES : (size_t)STATS_SAMPLES * STATS_MANY_N / n;
}

/* Words first … first + more − 1 of flip i: seed j is bit j mod 32 of word j / 32. */
static void flip_fill(struct stats_flips *flips, size_t i, size_t first, size_t more,
                      const uint32_t *words)
{
    uint8_t *bits = flip_of(flips, i);
    size_t end = 4 * (first + more) < flips->bytes ? 4 * (first + more) : flips->bytes;
    for (size_t b = 4 * first; b < end; b++) {
        size_t left = flips->n - 8 * b;
        unsigned mask = left < 8 ? (1U << left) - 1 : 255;
        bits[b] = (uint8_t)(words[b / 4 - first] >> (8 * (b % 4)) & mask);
        flips->turned[i] = (uint16_t)(flips->turned[i] + __builtin_popcount(bits[b]));
    }
}

static int flips_make(struct stats_flips *flips, size_t n, struct err *err)
{
    if (flips->n == n && flips->bits != NULL)
        return 0;
    stats_flips_done(flips);
    flips->n = n;
    flips->bytes = (n + 7) / 8;
    flips->count = count_of(n);
    flips->bits = calloc(flips->count, flips->bytes);
    flips->turned = calloc(flips->count, sizeof *flips->turned);
    if (flips->bits == NULL || flips->turned == NULL) {
        stats_flips_done(flips);
        return err_no_memory(err, "the sign flips of %zu seeds", n);
    }
    const struct philox stream = philox_stream((int64_t)n, "data", "sign-flips");
    for (size_t i = 1; i < flips->count; i++) {
        uint32_t number = (uint32_t)i, words[32];
        if (n <= STATS_EXACT_N)
            flip_fill(flips, i, 0, 1, &number);
        for (size_t first = 0; n > STATS_EXACT_N && first < (n + 31) / 32; first += 32) {
            size_t more = (n + 31) / 32 - first;
            more = more < 32 ? more : 32;
            philox_words(&stream, i, first, more, words);
            flip_fill(flips, i, first, more, words);
        }
    }
    return 0;
}

/* sums[byte × 256 + bits]: of the seeds whose bits are set. d beyond n counts as 0. */
static void sums_fill(double *sums, const double *d, size_t n, size_t bytes)
{
    for (size_t b = 0; b < bytes; b++)
        for (unsigned bits = 0; bits < 256; bits++) {
            double sum = 0;
            for (size_t j = 0; j < 8; j++)
                if ((bits >> j & 1) != 0 && 8 * b + j < n)
                    sum += d[8 * b + j];
            sums[256 * b + bits] = sum;
        }
}

/* The sum over the seeds that flip i turns. */
static double part_of(const struct stats_flips *flips, size_t i, const double *sums)
{
    const uint8_t *bits = flip_of(flips, i);
    double part = 0;
    for (size_t b = 0; b < flips->bytes; b++)
        part += sums[256 * b + bits[b]];
    return part;
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

/* The value that would stand at place k if a[n] were ascending (Hoare's selection: sorting 65,536
 * means for two ends of an interval would be most of a report's time). Reorders a. */
static double selected(double *a, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        double pivot = a[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i >= j)
                break;
            double kept = a[i];
            a[i++] = a[j];
            a[j--] = kept;
        }
        size_t cut = a[j] > pivot ? j - 1 : j; /* a[low … cut] ≤ pivot ≤ a[cut + 1 … high] */
        if (k <= cut)
            high = cut;
        else
            low = cut + 1;
    }
    return a[low];
}

/* The test of mean m rejects on the low side (m < mean) by the flips whose turned seeds have a mean
 * ≤ m: turning them doesn't lower the sum. Hence p(m) = 2·(1 + #{means ≤ m})/flips, and the
 * interval ends at order statistics of the subsets' means (Hartigan 1969, typical values).
 * means[count] holds every turned subset but the empty one. */
static struct stats_interval invert(double *means, size_t count, size_t flips, double alpha)
{
    size_t k = (size_t)floor(alpha * (double)flips / 2 + 1e-9);
    if (k == 0 || k > count)
        return (struct stats_interval){ -INFINITY, INFINITY };
    return (struct stats_interval){ selected(means, count, k - 1),
                                    selected(means, count, count - k) };
}

int stats_paired(struct stats_flips *flips, const double *d, size_t n, struct stats_paired *ret,
                 struct err *err)
{
    struct stats_paired out = { .n = n, .mean = NAN, .sd = NAN, .p = 1 };
    out.ci95 = out.ci90 = (struct stats_interval){ -INFINITY, INFINITY };
    if (n == 0) {
        *ret = out;
        return 0;
    }
    int status = flips_make(flips, n, err);
    if (status != 0)
        return status;
    double *means = calloc(flips->count, sizeof *means);
    double *sums = calloc(256 * flips->bytes, sizeof *sums);
    if (means == NULL || sums == NULL) {
        free(means);
        free(sums);
        return err_no_memory(err, "%zu sign flips", flips->count);
    }
    sums_fill(sums, d, n, flips->bytes);
    out.mean = mean_of(d, n);
    out.sd = sd_of(d, n, out.mean);
    double total = out.mean * (double)n, observed = fabs(total), size = 0;
    size_t extreme = 0, subsets = 0;
    for (size_t j = 0; j < n; j++)
        size += fabs(d[j]);
    const double enough = observed - slack * size;
    for (size_t i = 0; i < flips->count; i++) {
        double part = part_of(flips, i, sums);
        extreme += fabs(total - 2 * part) >= enough;
        if (flips->turned[i] > 0)
            means[subsets++] = part / (double)flips->turned[i];
    }
    out.p = (double)extreme / (double)flips->count;
    if (n >= STATS_CLAIM_N) {
        out.ci95 = invert(means, subsets, flips->count, 0.05);
        out.ci90 = invert(means, subsets, flips->count, 0.10);
    }
    free(means);
    free(sums);
    *ret = out;
    return 0;
}

/* A row of the adjusted test. */
struct family_row {
    size_t n; /* seeds it has */
    double total, squares, observed;
    double *sums;
};

/* What the rows of a family are compared by: t² with the sign of t, or without one. */
static double statistic(const struct family_row *row, double part, bool one_sided)
{
    double n = (double)row->n, mean = (row->total - 2 * part) / n;
    double variance = (row->squares - n * mean * mean) / (n - 1), t2;
    if (variance > slack * row->squares)
        t2 = mean * mean / (variance / n);
    else
        t2 = fabs(mean) <= slack * sqrt(row->squares) ? 0 : INFINITY;
    return one_sided && mean < 0 ? -t2 : t2;
}

/* What is tested of each seed is shift + scale·d. */
struct family_test {
    double shift, scale;
    bool one_sided;
};

static bool family_fill(struct family_row *rows, const double *d, size_t m, size_t n,
                        const struct stats_flips *flips, const struct family_test *test)
{
    double *own = calloc(n, sizeof *own);
    for (size_t c = 0; own != NULL && c < m; c++) {
        struct family_row *row = &rows[c];
        for (size_t j = 0; j < n; j++) {
            bool has = !isnan(d[c * n + j]);
            own[j] = has ? test->shift + test->scale * d[c * n + j] : 0;
            row->n += has;
            row->total += own[j];
            row->squares += own[j] * own[j];
        }
        if (row->n < 2)
            continue;
        row->sums = calloc(256 * flips->bytes, sizeof *row->sums);
        if (row->sums == NULL) {
            free(own);
            return false;
        }
        sums_fill(row->sums, own, n, flips->bytes);
        row->observed = statistic(row, 0, test->one_sided);
    }
    free(own);
    return own != NULL;
}

static int test_family(struct stats_flips *flips, const double *d, size_t m, size_t n,
                       const struct family_test *test, double *ret_p, struct err *err)
{
    for (size_t c = 0; c < m; c++)
        ret_p[c] = 1;
    if (n < 2 || m == 0)
        return 0;
    int status = flips_make(flips, n, err);
    if (status != 0)
        return status;
    struct family_row *rows = calloc(m, sizeof *rows);
    size_t *extreme = calloc(m, sizeof *extreme);
    if (rows == NULL || extreme == NULL || !family_fill(rows, d, m, n, flips, test)) {
        status = err_no_memory(err, "%zu comparisons", m);
        goto out;
    }
    for (size_t i = 0; i < flips->count; i++) {
        double greatest = -INFINITY;
        for (size_t c = 0; c < m; c++)
            if (rows[c].n >= 2)
                greatest = fmax(greatest, statistic(&rows[c], part_of(flips, i, rows[c].sums),
                                                    test->one_sided));
        for (size_t c = 0; c < m; c++)
            extreme[c] += greatest >= rows[c].observed ||
                          greatest >= rows[c].observed - 1e-9 * fabs(rows[c].observed);
    }
    for (size_t c = 0; c < m; c++)
        if (rows[c].n >= 2)
            ret_p[c] = (double)extreme[c] / (double)flips->count;
out:
    for (size_t c = 0; rows != NULL && c < m; c++)
        free(rows[c].sums);
    free(rows);
    free(extreme);
    return status;
}

int stats_adjusted(struct stats_flips *flips, const double *d, size_t m, size_t n, double *ret_p,
                   struct err *err)
{
    return test_family(flips, d, m, n, &(struct family_test){ .scale = 1 }, ret_p, err);
}

int stats_equivalence(struct stats_flips *flips, const double *d, size_t m, size_t n, double margin,
                      double *ret_p, struct err *err)
{
    const struct family_test above = { margin, 1, true }, below = { margin, -1, true };
    double *p = calloc(m + 1, sizeof *p);
    int status = p != NULL ? test_family(flips, d, m, n, &above, ret_p, err)
                           : err_no_memory(err, "%zu comparisons", m);
    if (status == 0)
        status = test_family(flips, d, m, n, &below, p, err);
    for (size_t c = 0; status == 0 && c < m; c++)
        ret_p[c] = fmax(ret_p[c], p[c]);
    free(p);
    return status;
}

enum stats_verdict stats_judge(double mean, double p, double p_equivalent, double alpha,
                               bool lower_is_better)
{
    if (p_equivalent <= alpha)
        return STATS_EQUIVALENT;
    if (p <= alpha)
        return (mean < 0) == lower_is_better ? STATS_BETTER : STATS_WORSE;
    return STATS_UNDETERMINED;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stats_median(double *d, size_t n)
{
    if (n == 0)
        return NAN;
    qsort(d, n, sizeof *d, by_size);
    return n % 2 == 1 ? d[n / 2] : (d[n / 2 - 1] + d[n / 2]) / 2;
}

/* planning */

double stats_level(size_t looks)
{
    return 0.05 / (double)(looks > 0 ? looks : 1);
}

size_t stats_least_pairs(double level)
{
    size_t n = STATS_CLAIM_N;
    while (ldexp(2, -(int)n) > level)
        n++;
    return n;
}

enum { SEEDS_MANY = 1000000000 };

static bool is_enough(size_t n, double sd, double margin, double level)
{
    double df = (double)n - 1;
    return student_quantile(1 - level / 2, df) + student_quantile(0.8, df) <=
           margin * sqrt((double)n) / sd;
}

/* More seeds never ask for more: quantiles fall and √n rises with n. The normal's quantiles, which
 * lie below, give a number that is too small, though hardly. */
static size_t seeds_for(double sd, double margin, double level)
{
    double least = pow((1.959963984540054 + 0.8416212335729143) * sd / margin, 2);
    if (least >= SEEDS_MANY)
        return SEEDS_MANY;
    size_t fewest = stats_least_pairs(level), step = 1;
    size_t few = least > (double)fewest ? (size_t)least - 1 : fewest - 1;
    while (!is_enough(few + step, sd, margin, level))
        step *= 2;
    size_t enough = few + step;
    few += step / 2;
    while (enough - few > 1) {
        size_t middle = few + (enough - few) / 2;
        if (is_enough(middle, sd, margin, level))
            enough = middle;
        else
            few = middle;
    }
    return enough;
}

struct stats_needed stats_needed_seeds(size_t pairs, double sd, double margin, double level)
{
    if (pairs < STATS_CLAIM_N || !(sd >= 0) || !(margin > 0))
        return (struct stats_needed){ 0 };
    double df = (double)pairs - 1;
    return (struct stats_needed){
        .seeds = seeds_for(sd, margin, level),
        .low = seeds_for(sd * sqrt(df / chi2_quantile(0.95, df)), margin, level),
        .high = seeds_for(sd * sqrt(df / chi2_quantile(0.05, df)), margin, level),
    };
}

double stats_power(size_t n, double sd, double margin, double level)
{
    if (n < 2 || !(sd >= 0) || !(margin > 0))
        return NAN;
    double df = (double)n - 1;
    return sd > 0 ? noncentral_t_beyond(student_quantile(1 - level / 2, df), df,
                                        margin * sqrt((double)n) / sd)
                  : 1;
}
