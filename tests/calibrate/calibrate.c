/* Are the verdicts wrong as rarely as they say? Experiments without a difference, or with one that is
 * known, are made up by the thousand and judged by the daemon's own code (server/verdict). Prints
 * tables of Markdown, which schema/numerics.md quotes; `make calibrate` runs it, a part on each core.
 *
 *   calibrate EXPERIMENTS [PART …]     how many a figure with 12 seeds or fewer; with more, where
 *                                      each takes 65,536 flips, a quarter. The same number gives
 *                                      the same tables.
 */
#include "tests/calibrate/intervals.h"
#include "tests/calibrate/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t sizes[] = { 6, 8, 12, 16, 25, 40 };
enum { SIZES = sizeof sizes / sizeof *sizes };

static int experiments = 2000;

static int experiments_of(size_t seeds)
{
    return seeds <= 12 ? experiments : experiments / 4;
}

static void heading(const char *title, const char *note, const char *columns)
{
    printf("\n%s%s\n\n| %s |", title, note, columns);
    for (const char *at = columns; at != NULL; at = strchr(at + 1, '|'))
        printf("%s", at == columns ? "\n|---|" : "---|");
    printf("\n");
}

static double share(int n, size_t seeds)
{
    return 100.0 * n / experiments_of(seeds);
}

/* An experiment is wrong if it says better or worse of any arm. */
static bool claims_any(const struct sim_verdicts *v)
{
    bool any = false;
    for (size_t arm = 0; arm < v->n; arm++)
        any |= v->primary[arm] == VERDICT_BETTER || v->primary[arm] == VERDICT_WORSE;
    return any;
}

static bool calls_any_equivalent(const struct sim_verdicts *v)
{
    bool any = false;
    for (size_t arm = 0; arm < v->n; arm++)
        any |= v->primary[arm] == VERDICT_EQUIVALENT;
    return any;
}

/* No arm differs: how many experiments say that one does? The margin is so small that equivalence
 * is out of the question. */
static void false_claims(void)
{
    heading(
        "**No arm differs**: experiments that say better or worse, in %; in brackets those of them "
        "that don't say that the differences are skewed",
        "", "differences | n = 6 | 8 | 12 | 16 | 25 | 40");
    for (int d = 0; d < SIM_DISTRIBUTIONS; d++) {
        printf("| %s |", sim_names[d]);
        for (size_t k = 0; k < SIZES; k++) {
            int wrong = 0, unsaid = 0;
            for (int i = 0; i < experiments_of(sizes[k]); i++) {
                struct sim_plan plan = { .arms = 1,
                                         .seeds = sizes[k],
                                         .distribution = (enum sim_distribution)d,
                                         .margin = 1e-9,
                                         .number = i };
                struct sim_verdicts v;
                sim_judge(&plan, &v);
                wrong += claims_any(&v);
                unsaid += claims_any(&v) && !v.skewed[0];
            }
            printf(" %.1f (%.1f) |", share(wrong, sizes[k]), share(unsaid, sizes[k]));
            fflush(stdout);
        }
        printf("\n");
    }
}

/* A row an arm count and distribution, a column a number of seeds: how many experiments are wrong. */
static void rows_of_arms(const size_t *arms, size_t n, double shift, double margin,
                         bool (*is_wrong)(const struct sim_verdicts *v))
{
    for (size_t a = 0; a < n; a++)
        for (int d = 0; d <= SIM_T3; d++) {
            printf("| %zu | %s |", arms[a], sim_names[d]);
            for (size_t k = 0; sizes[k] <= 16; k++) {
                int wrong = 0;
                for (int i = 0; i < experiments_of(sizes[k]); i++) {
                    struct sim_plan plan = { .arms = arms[a],
                                             .seeds = sizes[k],
                                             .distribution = (enum sim_distribution)d,
                                             .shift = shift,
                                             .margin = margin,
                                             .number = i };
                    struct sim_verdicts v;
                    sim_judge(&plan, &v);
                    wrong += is_wrong(&v);
                }
                printf(" %.1f |", share(wrong, sizes[k]));
                fflush(stdout);
            }
            printf("\n");
        }
}

/* The same of many arms: a primary claim about any of them. */
static void many_arms(void)
{
    static const size_t arms[] = { 2, 5, 10 };
    heading(
        "**None of several arms differs**: experiments of which any primary claim says better or "
        "worse, in %",
        "", "arms beside the baseline | differences | n = 6 | 8 | 12 | 16");
    rows_of_arms(arms, sizeof arms / sizeof *arms, 0, 1e-9, claims_any);
}

/* One arm that doesn't differ, looked at several times as seeds are added: how many experiments say at
 * any look that it does? Undeclared, they claim nothing once seeds were added. */
static void several_looks(void)
{
    static const struct {
        const char *looks;
        size_t seeds[3], n;
    } rows[] = { { NULL, { 8 }, 1 },
                 { "[8,16]", { 8, 16 }, 2 },
                 { "[8,12,16]", { 8, 12, 16 }, 3 } };
    heading(
        "**It doesn't differ, and is looked at again as seeds are added**: experiments that say "
        "better or worse at any look, in %",
        "", "compare.looks | normal | t with 3 degrees of freedom");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        printf("| %s |", rows[r].looks != NULL ? rows[r].looks : "none, 8 seeds");
        for (int d = 0; d <= SIM_T3; d++) {
            int wrong = 0;
            for (int i = 0; i < experiments; i++) {
                bool any = false;
                for (size_t k = 0; k < rows[r].n; k++) {
                    struct sim_plan plan = { .arms = 1,
                                             .seeds = rows[r].seeds[k],
                                             .distribution = (enum sim_distribution)d,
                                             .margin = 1e-9,
                                             .number = i,
                                             .looks = rows[r].looks,
                                             .submitted = 8 };
                    struct sim_verdicts v;
                    sim_judge(&plan, &v);
                    any |= claims_any(&v);
                }
                wrong += any;
            }
            printf(" %.1f |", 100.0 * wrong / experiments);
            fflush(stdout);
        }
        printf("\n");
    }
}

/* Arms that differ by just the margin: how many experiments call one equivalent? */
static void false_equivalence(void)
{
    static const size_t arms[] = { 1, 5 };
    heading("**Every arm differs by just the margin**: experiments that call any equivalent, in %",
            "", "arms beside the baseline | differences | n = 6 | 8 | 12 | 16");
    rows_of_arms(arms, sizeof arms / sizeof *arms, 1, 1, calls_any_equivalent);
}

/* No arm differs, but its worst runs fail, or are cancelled by somebody who looks. */
static void worst_lost(void)
{
    static const struct {
        const char *how;
        enum run_state state;
        bool both;
    } rows[] = { { "fail", RUN_FAILED, false },
                 { "are cancelled", RUN_CANCELLED, false },
                 { "fail in both arms, the baseline's by chance", RUN_FAILED, true } };
    heading(
        "**No arm differs, and an arm's worst runs of 16 are lost**: experiments that say better "
        "or worse, in %",
        "", "the worst | none | 1 | 2 | 3");
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        printf("| %s |", rows[r].how);
        for (size_t lost = 0; lost <= 3; lost++) {
            int wrong = 0;
            for (int i = 0; i < experiments_of(16); i++) {
                struct sim_plan plan = { .arms = 1,
                                         .seeds = 16,
                                         .margin = 1e-9,
                                         .number = i,
                                         .worst_lost = rows[r].both ? 0 : lost,
                                         .any_lost = rows[r].both ? lost : 0,
                                         .lost_as = rows[r].state };
                struct sim_verdicts v;
                sim_judge(&plan, &v);
                wrong += claims_any(&v);
            }
            printf(" %.1f |", share(wrong, 16));
            fflush(stdout);
        }
        printf("\n");
    }
}

/* Which 95 % interval holds the mean difference? */
static void coverage(void)
{
    heading("**Coverage** of the mean difference by 95 % intervals, in %, and their median length "
            "in standard deviations",
            "", "differences | interval | n = 6 | 8 | 12 | 16 | 25 | 40");
    for (int d = 0; d < SIM_DISTRIBUTIONS; d++)
        for (int method = 0; method < INTERVALS; method++) {
            printf("| %s | %s |", sim_names[d], interval_names[method]);
            for (size_t k = 0; k < SIZES; k++) {
                int covered = 0;
                size_t n = (size_t)experiments_of(sizes[k]);
                double *lengths = calloc(n, sizeof *lengths);
                for (int i = 0; i < (int)n; i++) {
                    double values[64];
                    struct stats_interval ci;
                    sim_draw((enum sim_distribution)d, i, 0, sizes[k], values);
                    interval_of((enum interval)method, values, sizes[k], &ci);
                    covered += ci.low <= 0 && ci.high >= 0;
                    lengths[i] = (ci.high - ci.low) / sim_sd[d];
                }
                printf(" %.1f (%.2f) |", share(covered, sizes[k]), stats_median(lengths, n));
                free(lengths);
                fflush(stdout);
            }
            printf("\n");
        }
}

/* Are so many seeds enough, and does the range hold the number that the true spread asks for? */
static void needed(void)
{
    static const double sds[] = { 1, 2, 3 };
    heading(
        "**Seeds needed** for a difference of the margin: what the true spread asks for, the "
        "share of experiments whose range holds that, and of those with so many seeds that then "
        "find the difference, in %",
        "", "sd, in margins | asked for | range holds it: n = 6 | 8 | 12 | 16 | 25 | 40 | found");
    for (size_t s = 0; s < sizeof sds / sizeof *sds; s++) {
        size_t asked = stats_needed_seeds(1000000, sds[s], 1, 0.05).seeds;
        printf("| %g | %zu |", sds[s], asked);
        for (size_t k = 0; k < SIZES; k++) {
            int held = 0;
            for (int i = 0; i < experiments_of(sizes[k]); i++) {
                double values[64];
                sim_draw(SIM_NORMAL, i, 0, sizes[k], values);
                double sd = sds[s] * sample_sd_of(values, sizes[k]);
                struct stats_needed n = stats_needed_seeds(sizes[k], sd, 1, 0.05);
                held += n.low <= asked && asked <= n.high;
            }
            printf(" %.1f |", share(held, sizes[k]));
        }
        int found = 0;
        for (int i = 0; i < experiments_of(asked); i++) {
            struct sim_plan plan = {
                .arms = 1, .seeds = asked, .scale = sds[s], .shift = 1, .margin = 1e-9, .number = i
            };
            struct sim_verdicts v;
            sim_judge(&plan, &v);
            found += claims_any(&v);
        }
        printf(" %.1f |\n", share(found, asked));
        fflush(stdout);
    }
}

static const struct {
    const char *name;
    void (*tell)(void);
} parts[] = {
    { "claims", false_claims },
    { "arms", many_arms },
    { "looks", several_looks },
    { "lost", worst_lost },
    { "equivalence", false_equivalence },
    { "needed", needed },
    { "coverage", coverage },
};

int main(int argc, char **argv)
{
    if (argc > 1)
        experiments = atoi(argv[1]);
    if (experiments < 4) {
        fprintf(stderr, "usage: calibrate EXPERIMENTS [PART …]\n");
        return 64;
    }
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        bool asked = argc <= 2;
        for (int i = 2; i < argc; i++)
            asked |= strcmp(argv[i], parts[p].name) == 0;
        if (asked)
            parts[p].tell();
    }
    return 0;
}
