/* The report as Markdown, from its JSON: the verdict first, then what was measured. */
#include "server/report/report_md.h"

#include "common/spec/metrics.h"
#include "server/report/reading.h"
#include "server/report/report_md_claims.h"
#include "server/report/report_md_conclusions.h"

#include <math.h>
#include <string.h>

/* The arm of a row, marked where it is invalid at the row's grid point. */
static void add_arm(const json_t *row, struct buf *to)
{
    bool invalid = json_is_false(json_object_get(row, "valid"));
    reading_name(reading_text(row, "arm"), to);
    buf_adds(to, invalid ? " (invalid)" : "");
}

/* A time that something disturbed; the remarks say what. */
static bool is_marked(const json_t *row, const char *metric)
{
    const json_t *clean = json_object_get(json_object_get(row, "timing"), "clean");
    return metric_is_clock(metric) && json_is_false(clean);
}

static void add_value(const json_t *row, const char *name, struct buf *to)
{
    bool share = metric_is_share(name);
    double scale = share ? 100 : 1;
    int digits = share ? 2 : 4;
    const json_t *m = json_object_get(json_object_get(row, "metrics"), name);
    if (!reading_known(m, "mean")) {
        buf_adds(to, " – |");
        return;
    }
    buf_addf(to, " %.*f", digits, scale * reading_number(m, "mean"));
    if (reading_known(m, "sd"))
        buf_addf(to, " ± %.*f", digits, scale * reading_number(m, "sd"));
    buf_addf(to, "%s%s |", share ? " %" : "", is_marked(row, name) ? " †" : "");
}

/* Comparisons stand in the order of the rows that aren't the baseline's, unless arms were tuned:
 * then there are fewer. *next: where the last one was found. */
static const json_t *comparison_of(const json_t *report, const json_t *row, size_t *next)
{
    const json_t *all = json_object_get(report, "comparisons");
    const json_t *one = json_array_get(all, *next);
    if (one == NULL || strcmp(reading_text(one, "arm"), reading_text(row, "arm")) != 0 ||
        !json_equal(json_object_get(one, "grid"), json_object_get(row, "grid")))
        return NULL;
    ++*next;
    return one;
}

/* "+0.1770 (+7.2 %)", of a share "+3.10 points". */
static void add_difference(const json_t *comparison, bool share, struct buf *to)
{
    double difference = reading_number(comparison, "mean_difference");
    double relative = reading_number(comparison, "relative_difference");
    if (!reading_known(comparison, "mean_difference"))
        buf_adds(to, " –");
    else if (share)
        buf_addf(to, " %+.2f points", 100 * difference);
    else
        buf_addf(to, " %+.4f", difference);
    if (!share && isfinite(relative))
        buf_addf(to, " (%+.1f %%)", 100 * relative);
    buf_adds(to, " |");
}

/* Metrics that have a heading have a column; the compared one has it in any case, the last, headed
 * by its name. */
struct column {
    const char *metric, *heading;
};

static size_t find_columns(const json_t *report, struct column ret[METRICS + 1])
{
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    const char *compared = reading_text(compare, "metric");
    const struct metric_info *info = metric_find(compared);
    size_t n = 0;
    for (int i = 0; i < METRICS; i++)
        if (metric_table[i].heading != NULL)
            ret[n++] = (struct column){ metric_table[i].name, metric_table[i].heading };
    if (info == NULL || info->heading == NULL)
        ret[n++] = (struct column){ compared, compared };
    return n;
}

static void add_table(const json_t *report, struct buf *to)
{
    struct column columns[METRICS + 1];
    size_t columns_n = find_columns(report, columns);
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    bool share = metric_is_share(reading_judged(report));
    size_t i, next = 0, marked = 0;
    json_t *row;
    buf_adds(to, "± is one standard deviation over seeds.\n\n| grid | arm | n |");
    for (i = 0; i < columns_n; i++)
        buf_addf(to, " %s |", columns[i].heading);
    buf_addf(to, " Δ %s |\n|---|---|---|", reading_judged(report));
    for (i = 0; i <= columns_n; i++)
        buf_adds(to, "---|");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        marked += is_marked(row, metric_table[METRIC_STEP_S].name);
        buf_adds(to, "\n| ");
        reading_grid(json_object_get(row, "grid"), to);
        buf_adds(to, " | ");
        add_arm(row, to);
        buf_addf(to, " | %lld |", (long long)reading_number(row, "n"));
        for (size_t c = 0; c < columns_n; c++)
            add_value(row, columns[c].metric, to);
        if (strcmp(reading_text(row, "arm"), reading_text(compare, "baseline")) == 0)
            buf_adds(to, " baseline |");
        else
            add_difference(comparison_of(report, row, &next), share, to);
    }
    buf_adds(to, marked > 0 ? "\n\n† Something else used the machine meanwhile, or it isn't known "
                              "that nothing did; see above.\n"
                            : "\n");
}

static void add_dynamics(const json_t *report, struct buf *to)
{
    size_t i, j;
    json_t *point, *row, *ignored;
    const char *arm;
    json_array_foreach(json_object_get(report, "dynamics"), i, point)
    {
        const json_t *steps = json_object_get(point, "steps");
        if (json_array_size(steps) == 0)
            continue;
        buf_addf(to, "\n## %s by step (", reading_text(point, "metric"));
        reading_grid(json_object_get(point, "grid"), to);
        buf_adds(to, ")\n\n| step |");
        json_object_foreach(json_object_get(report, "arms"), arm, ignored)
        {
            buf_addc(to, ' ');
            reading_arm(report, arm, to);
            buf_adds(to, " |");
        }
        buf_adds(to, "\n|---|");
        for (j = 0; j < json_object_size(json_object_get(report, "arms")); j++)
            buf_adds(to, "---|");
        json_array_foreach(steps, j, row)
        {
            buf_addf(to, "\n| %lld |", (long long)reading_number(row, "step"));
            json_object_foreach(json_object_get(report, "arms"), arm, ignored)
            {
                const json_t *value = json_object_get(json_object_get(row, "arms"), arm);
                if (value != NULL)
                    buf_addf(to, " %.4f |", reading_number(value, "mean"));
                else
                    buf_adds(to, " – |");
            }
        }
        buf_addc(to, '\n');
    }
}

static void add_sizes(const json_t *report, struct buf *to)
{
    size_t i;
    json_t *row;
    buf_adds(to, "\n## Sizes\n\n| grid | arm | parameters | GFLOP a step | tokens |\n"
                 "|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        buf_adds(to, "| ");
        reading_grid(json_object_get(row, "grid"), to);
        buf_adds(to, " | ");
        add_arm(row, to);
        buf_addf(to, " | %lld | %.4g | %lld |\n", (long long)reading_number(row, "parameters"),
                 reading_number(row, "flops_per_step") / 1e9,
                 (long long)reading_number(row, "tokens"));
    }
}

static void add_sentences(const json_t *list, const char *title, struct buf *to)
{
    size_t i;
    json_t *sentence;
    if (json_array_size(list) > 0)
        buf_adds(to, title);
    json_array_foreach((json_t *)(uintptr_t)list, i, sentence)
    {
        buf_adds(to, "* ");
        reading_cell(json_string_value(sentence), to);
        buf_addc(to, '\n');
    }
}

static void add_counts(const json_t *experiment, struct buf *to)
{
    const char *state, *separator = ": ";
    json_t *count;
    buf_addf(to, "%lld run%s", (long long)reading_number(experiment, "runs"),
             reading_number(experiment, "runs") == 1 ? "" : "s");
    json_object_foreach(json_object_get(experiment, "counts"), state, count)
    {
        if (json_integer_value(count) == 0)
            continue;
        buf_addf(to, "%s%lld %s", separator, (long long)json_integer_value(count), state);
        separator = ", ";
    }
    buf_adds(to, ".\n\n");
}

void report_markdown(const json_t *report, struct buf *to)
{
    const json_t *experiment = json_object_get(report, "experiment");
    const json_t *verdict = json_object_get(report, "verdict");
    const json_t *remarks = json_object_get(report, "remarks");
    buf_adds(to, "# ");
    reading_name(reading_text(experiment, "name"), to);
    buf_adds(to, "\n\n");
    reading_cell(reading_text(verdict, "sentence"), to);
    buf_adds(to, "\n\n");
    add_counts(experiment, to);
    add_sentences(remarks, "", to);
    buf_adds(to, json_array_size(remarks) > 0 ? "\n" : "");
    add_table(report, to);
    markdown_differences(report, to);
    markdown_tuning(report, to);
    add_dynamics(report, to);
    add_sizes(report, to);
    markdown_audits(report, to);
    markdown_positions(report, to);
    add_sentences(json_object_get(report, "would_change"), "\n## What would change the verdict\n\n",
                  to);
}
