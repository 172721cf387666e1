/* Markdown of what is claimed: the differences, each pair's, and each claim in full. */
#include "server/report/report_md_claims.h"

#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "server/report/claim_fields.h"
#include "server/report/reading.h"

#include <math.h>
#include <string.h>

/* How the differences of a metric are written: of a share in points. */
struct scale {
    double by;
    int digits;
};

static struct scale scale_of(const char *metric)
{
    return metric_is_share(metric) ? (struct scale){ 100, 2 } : (struct scale){ 1, 4 };
}

/* A number as its kind is written, without the table's lines. */
static void add_number(enum claim_kind kind, const json_t *number, struct scale scale,
                       struct buf *to)
{
    double value = NAN;
    jsonx_to_double(number, &value);
    if (!isfinite(value))
        buf_adds(to, isnan(value) ? "nan" : value > 0 ? "∞" : "−∞");
    else if (kind == CLAIM_COUNT)
        buf_addf(to, "%.0f", value);
    else if (kind == CLAIM_DIFFERENCE)
        buf_addf(to, "%+.*f", scale.digits, scale.by * value);
    else if (kind == CLAIM_SPREAD)
        buf_addf(to, "%.*f", scale.digits, scale.by * value);
    else if (kind == CLAIM_RELATIVE)
        buf_addf(to, "%+.1f %%", 100 * value);
    else
        buf_addf(to, "%.4f", value);
}

/* A cell: "+0.0100 … +0.0300", "yes", "–" for what isn't known. */
static void add_cell(const struct claim_field *field, const json_t *value, struct scale scale,
                     struct buf *to)
{
    buf_addc(to, ' ');
    bool meaningless = field->kind == CLAIM_RELATIVE && scale.by != 1; /* per cent of per cent */
    if (value == NULL || json_is_null(value) || meaningless)
        buf_adds(to, "–");
    else if (field->kind == CLAIM_TEXT)
        reading_name(json_string_value(value), to);
    else if (field->kind == CLAIM_FLAG)
        buf_adds(to, json_is_true(value) ? "yes" : "no");
    else if (!field->ends)
        add_number(field->kind, value, scale, to);
    else {
        add_number(field->kind, json_array_get(value, 0), scale, to);
        buf_adds(to, " … ");
        add_number(field->kind, json_array_get(value, 1), scale, to);
    }
    buf_adds(to, " |");
}

/* A field's cell, by its key. */
static void add_field(const json_t *report, const json_t *claim, const char *key,
                      struct scale scale, struct buf *to)
{
    for (size_t i = 0; i < claim_fields_n; i++)
        if (strcmp(claim_fields[i].key, key) == 0)
            add_cell(&claim_fields[i], claim_field_value(&claim_fields[i], report, claim), scale,
                     to);
}

/* Where a claim holds. primary: what stands for the place of a primary one. */
static void add_place(const json_t *c, const char *primary, struct buf *to)
{
    buf_adds(to, "\n| ");
    if (primary != NULL)
        buf_adds(to, primary);
    else
        reading_grid(json_object_get(c, "grid"), to);
    buf_adds(to, " |");
}

static void add_difference_row(const json_t *report, const json_t *c, const char *primary,
                               struct buf *to)
{
    static const char *const keys[] = {
        "arm", "n", "mean_difference", "ci95", "p_adjusted", "agree"
    };
    const struct scale scale = scale_of(reading_text(c, "metric"));
    add_place(c, primary, to);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        add_field(report, c, keys[i], scale, to);
    buf_addf(to, " %s%s%s |", reading_text(c, "verdict"), reading_known(c, "against") ? ": " : "",
             reading_text(c, "against"));
}

/* What the table of differences has no room for. */
static void add_full_row(const json_t *report, const json_t *c, const char *primary, struct buf *to)
{
    const struct scale scale = scale_of(reading_text(c, "metric"));
    add_place(c, primary, to);
    for (size_t i = 0; i < claim_fields_n; i++)
        if (claim_fields[i].heading != NULL)
            add_cell(&claim_fields[i], claim_field_value(&claim_fields[i], report, c), scale, to);
}

/* Of every claim a row: the primary ones, then, where there are several, those of a grid point. */
static void add_rows(const json_t *report,
                     void (*add_row)(const json_t *, const json_t *, const char *, struct buf *),
                     struct buf *to)
{
    const json_t *primary = json_object_get(report, "primary");
    const json_t *secondary = json_object_get(report, "comparisons");
    bool several = json_array_size(secondary) > json_array_size(primary);
    size_t i;
    json_t *c;
    json_array_foreach((json_t *)(uintptr_t)primary, i, c)
    {
        add_row(report, c, several ? "mean over the grid" : "all", to);
    }
    json_array_foreach((json_t *)(uintptr_t)secondary, i, c)
    {
        if (several)
            add_row(report, c, NULL, to);
    }
    buf_addc(to, '\n');
}

static void add_full(const json_t *report, struct buf *to)
{
    buf_adds(to, "\n### Claims in full\n\n| where |");
    for (size_t i = 0; i < claim_fields_n; i++)
        if (claim_fields[i].heading != NULL)
            buf_addf(to, " %s |", claim_fields[i].heading);
    buf_adds(to, "\n|---|");
    for (size_t i = 0; i < claim_fields_n; i++)
        buf_adds(to, claim_fields[i].heading != NULL ? "---|" : "");
    add_rows(report, add_full_row, to);
}

/* "- dsa: +0.0312 (1), −0.0020 (2)": what each seed gave, so that a mean needn't be taken on trust. */
static void add_pairs(const json_t *c, bool first, struct buf *to)
{
    enum { TOLD_MAX = 40 };
    const struct scale scale = scale_of(reading_text(c, "metric"));
    const json_t *pairs = json_object_get(c, "differences");
    size_t n = json_array_size(pairs);
    if (n == 0)
        return;
    buf_adds(to, first ? "\nEach pair's difference (seed):\n\n- " : "- ");
    reading_name(reading_text(c, "arm"), to);
    buf_addc(to, ':');
    for (size_t i = 0; i < n && i < TOLD_MAX; i++) {
        const json_t *pair = json_array_get(pairs, i);
        double value = NAN;
        jsonx_to_double(json_array_get(pair, 1), &value);
        buf_addf(to, "%s %+.*f (%lld)", i > 0 ? "," : "", scale.digits, scale.by * value,
                 (long long)json_integer_value(json_array_get(pair, 0)));
    }
    if (n > TOLD_MAX)
        buf_addf(to, ", and %zu more", n - TOLD_MAX);
    buf_addc(to, '\n');
}

void markdown_differences(const json_t *report, struct buf *to)
{
    const json_t *primary = json_object_get(report, "primary");
    size_t i;
    json_t *c;
    if (json_array_size(primary) == 0)
        return;
    const char *metric = reading_judged(report);
    buf_adds(to, "\n## Differences to ");
    reading_name(reading_text(json_array_get(primary, 0), "baseline"), to);
    buf_addf(to, " (%s)\n\n", metric);
    buf_addf(to,
             "Paired by seed; p by sign flips, adjusted over the arms, and over arms and grid "
             "points. Intervals aren't adjusted, and cover what other seeds would give, not other "
             "documents.\n\n"
             "| where | arm | n | Δ %s%s | 95 %% interval | p | better in | verdict |\n"
             "|---|---|---|---|---|---|---|---|",
             metric, metric_is_share(metric) ? ", points" : "");
    add_rows(report, add_difference_row, to);
    json_array_foreach((json_t *)(uintptr_t)primary, i, c)
    {
        add_pairs(c, i == 0, to);
    }
    add_full(report, to);
}
