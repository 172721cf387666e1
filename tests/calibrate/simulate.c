/* Experiments without a grid: an arm's loss in a seed is the baseline's and a difference. */
#include "tests/calibrate/simulate.h"

#include "common/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const sim_names[] = { "normal", "t with 3 degrees of freedom", "lognormal",
                                  "exponential", "one bad in ten" };
/* The last: √(0.9·1 + 0.1·81 + 0.09). */
const double sim_sd[] = { 1, 1.7320508075688772, 2.1611974158950877, 1, 3.0149626863362671 };

static double draw(enum sim_distribution distribution, const struct philox *stream, int number,
                   uint64_t element)
{
    const uint64_t step = (uint64_t)number;
    double z = philox_normal(stream, step, 8 * element), sum = 0;
    switch (distribution) {
    case SIM_T3:
        for (uint64_t i = 1; i <= 3; i++) {
            double other = philox_normal(stream, step, 8 * element + i);
            sum += other * other;
        }
        return z / sqrt(sum / 3);
    case SIM_LOGNORMAL:
        return exp(z) - exp(0.5);
    case SIM_EXPONENTIAL:
        return -log(1 - philox_uniform(stream, step, 16 * element)) - 1;
    case SIM_ONE_BAD:
        return (philox_uniform(stream, step, 16 * element + 8) < 0.1 ? 9 : -1) + 0.3 * z;
    case SIM_NORMAL:
    case SIM_DISTRIBUTIONS:
        break;
    }
    return z;
}

void sim_draw(enum sim_distribution distribution, int number, size_t arm, size_t n, double *ret)
{
    const struct philox stream = philox_stream((int64_t)arm, "data", sim_names[distribution]);
    for (size_t i = 0; i < n; i++)
        ret[i] = draw(distribution, &stream, number, i);
}

double sample_sd_of(const double *values, size_t n)
{
    struct sample s = { 0 };
    for (size_t i = 0; i < n; i++)
        sample_add(&s, values[i]);
    return sample_sd(&s);
}

struct made {
    char arms[SIM_ARMS + 1][16];
    struct experiment_row experiment;
    struct run_row runs[(SIM_ARMS + 1) * SIM_SEEDS];
    struct run_final finals[(SIM_ARMS + 1) * SIM_SEEDS];
    size_t n;
};

static void add_run(struct made *m, size_t arm, size_t seed, enum run_state state, double value)
{
    struct run_row *run = &m->runs[m->n];
    static char everywhere[] = "{}", name[] = "val/loss";
    m->finals[m->n] = (struct run_final){
        .name = name, .value = value, .best = value, .greatest = value, .mean = value, .count = 2
    };
    *run = (struct run_row){ .id = 1 + (int64_t)m->n,
                             .experiment = 1,
                             .seed = 1 + (int64_t)seed,
                             .state = state,
                             .arm = m->arms[arm],
                             .grid = everywhere,
                             .finals = &m->finals[m->n],
                             .finals_n = state == RUN_SUCCEEDED };
    m->experiment.counts[state]++;
    m->experiment.runs_n++;
    m->n++;
}

/* Which seeds of the first arm are lost: its `n` greatest values. */
static void mark_worst(const double *values, size_t seeds, size_t n, bool *lost)
{
    for (; n > 0; n--) {
        size_t worst = SIZE_MAX;
        for (size_t i = 0; i < seeds; i++)
            if (!lost[i] && (worst == SIZE_MAX || values[i] > values[worst]))
                worst = i;
        lost[worst] = true;
    }
}

static void write_spec(const struct sim_plan *plan, char *ret, size_t size)
{
    size_t submitted = plan->looks != NULL ? plan->submitted : plan->seeds;
    int n = snprintf(ret, size,
                     "{\"compare\":{\"metric\":\"val/loss\",\"goal\":\"min\",\"at\":\"last\","
                     "\"baseline\":\"base\",\"margin\":%.17g%s%s},\"seeds\":[",
                     plan->margin, plan->looks != NULL ? ",\"looks\":" : "",
                     plan->looks != NULL ? plan->looks : "");
    for (size_t i = 0; i < submitted; i++)
        n += snprintf(ret + n, size - (size_t)n, "%s%d", i > 0 ? "," : "", (int)i + 1);
    snprintf(ret + n, size - (size_t)n, "]}");
}

void sim_judge(const struct sim_plan *plan, struct sim_verdicts *ret)
{
    static struct made m;
    char spec[1024];
    double values[SIM_ARMS][SIM_SEEDS], scale = plan->scale > 0 ? plan->scale : 1;
    bool lost[SIM_SEEDS] = { false };
    m = (struct made){ 0 };
    write_spec(plan, spec, sizeof spec);
    m.experiment.spec = spec;
    snprintf(m.arms[0], sizeof m.arms[0], "base");
    for (size_t arm = 0; arm < plan->arms; arm++) {
        snprintf(m.arms[arm + 1], sizeof m.arms[0], "arm %d", (int)arm & 63);
        sim_draw(plan->distribution, plan->number, arm, plan->seeds, values[arm]);
    }
    mark_worst(values[0], plan->seeds, plan->worst_lost, lost);
    for (size_t seed = 0; seed < plan->seeds; seed++) {
        double base = 100 + (double)seed;
        bool both = seed < plan->any_lost;
        add_run(&m, 0, seed, both ? plan->lost_as : RUN_SUCCEEDED, base);
        for (size_t arm = 0; arm < plan->arms; arm++)
            add_run(&m, arm + 1, seed,
                    both || (arm == 0 && lost[seed]) ? plan->lost_as : RUN_SUCCEEDED,
                    base + plan->shift + scale * values[arm][seed]);
    }
    const struct study_input in = { .experiment = &m.experiment, .runs = m.runs, .runs_n = m.n };
    struct study study;
    struct findings findings = { 0 };
    struct claims claims = { 0 };
    if (!study_init(&study, &in) || !findings_init(&findings, &study) ||
        claims_init(&claims, &findings, NULL) != 0)
        abort();
    ret->n = claims.primary_n;
    for (size_t i = 0; i < claims.primary_n; i++) {
        ret->primary[i] = claims.primary[i].verdict;
        ret->skewed[i] = claims.primary[i].skewed;
    }
    claims_done(&claims);
    findings_done(&findings);
    study_done(&study);
}
