/* The report as Markdown and as CSV, from its JSON. */
#include "server/report/report.h"

#include "common/jsonx.h"

#include <math.h>
#include <string.h>

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

/* NaN when it isn't there. */
static double number(const json_t *object, const char *key)
{
    double value;
    return jsonx_to_double(json_object_get(object, key), &value) == 0 ? value : NAN;
}

static bool known(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

/* "seq_len 64, lr 0.001"; "all" without a grid. */
static void add_grid(const json_t *grid, struct buf *to)
{
    const char *path;
    json_t *value;
    size_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)grid, path, value)
    {
        const char *last = strrchr(path, '.');
        buf_addf(to, "%s%s ", n++ > 0 ? ", " : "", last != NULL ? last + 1 : path);
        jsonx_dump(value, JSONX_CANONICAL, to);
    }
    if (n == 0)
        buf_adds(to, "all");
}

static void add_value(const json_t *metrics, const char *name, double scale, int digits,
                      const char *unit, struct buf *to)
{
    const json_t *m = json_object_get(metrics, name);
    if (!known(m, "mean")) {
        buf_adds(to, " – |");
        return;
    }
    buf_addf(to, " %.*f", digits, scale * number(m, "mean"));
    if (known(m, "sd"))
        buf_addf(to, " ± %.*f", digits, scale * number(m, "sd"));
    buf_addf(to, "%s |", unit);
}

static void add_difference(const json_t *comparison, struct buf *to)
{
    double relative = number(comparison, "relative_difference");
    if (comparison == NULL) {
        buf_adds(to, " baseline |");
        return;
    }
    if (!known(comparison, "mean_difference")) {
        buf_adds(to, " – |");
        return;
    }
    buf_addf(to, " %+.4f", number(comparison, "mean_difference"));
    if (isfinite(relative))
        buf_addf(to, " (%+.1f %%)", 100 * relative);
    buf_adds(to, " |");
}

/* The compared metric has a column of its own unless it stands in one of these. */
static const struct {
    const char *name, *title, *unit;
    double scale;
    int digits;
} columns[] = {
    { "val/loss", "val loss", "", 1, 4 },
    { "val/accuracy", "val accuracy", " %", 100, 2 },
    { "test/loss", "test loss", "", 1, 4 },
    { "time/step_s", "s/step", "", 1, 4 },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *extra_column(const json_t *report)
{
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    for (size_t i = 0; i < COLUMNS; i++)
        if (strcmp(columns[i].name, text(compare, "metric")) == 0)
            return NULL;
    return text(compare, "metric");
}

static void add_table(const json_t *report, struct buf *to)
{
    const char *extra = extra_column(report);
    const json_t *comparisons = json_object_get(report, "comparisons");
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    size_t i, next = 0; /* comparisons stand in the order of the rows that aren't the baseline's */
    json_t *row;
    buf_adds(to, "| grid | arm | n |");
    for (i = 0; i < COLUMNS; i++)
        buf_addf(to, " %s |", columns[i].title);
    if (extra != NULL)
        buf_addf(to, " %s |", extra);
    buf_adds(to, " difference |\n|---|---|---|");
    for (i = 0; i < COLUMNS + (extra != NULL) + 1; i++)
        buf_adds(to, "---|");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        const json_t *m = json_object_get(row, "metrics");
        buf_adds(to, "\n| ");
        add_grid(json_object_get(row, "grid"), to);
        buf_addf(to, " | %s | %lld |", text(row, "arm"), (long long)number(row, "n"));
        for (size_t c = 0; c < COLUMNS; c++)
            add_value(m, columns[c].name, columns[c].scale, columns[c].digits, columns[c].unit, to);
        if (extra != NULL)
            add_value(m, extra, 1, 4, "", to);
        bool compared = strcmp(text(row, "arm"), text(compare, "baseline")) != 0;
        add_difference(compared ? json_array_get(comparisons, next++) : NULL, to);
    }
    buf_addc(to, '\n');
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
        buf_addf(to, "\n## %s by step (", text(point, "metric"));
        add_grid(json_object_get(point, "grid"), to);
        buf_adds(to, ")\n\n| step |");
        json_object_foreach(json_object_get(report, "arms"), arm, ignored)
        {
            buf_addf(to, " %s |", arm);
        }
        buf_adds(to, "\n|---|");
        for (j = 0; j < json_object_size(json_object_get(report, "arms")); j++)
            buf_adds(to, "---|");
        json_array_foreach(steps, j, row)
        {
            buf_addf(to, "\n| %lld |", (long long)number(row, "step"));
            json_object_foreach(json_object_get(report, "arms"), arm, ignored)
            {
                const json_t *value = json_object_get(json_object_get(row, "arms"), arm);
                if (value != NULL)
                    buf_addf(to, " %.4f |", number(value, "mean"));
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
    buf_adds(to, "\n## Sizes\n\n| grid | arm | parameters | GFLOP a step |\n|---|---|---|---|\n");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        buf_adds(to, "| ");
        add_grid(json_object_get(row, "grid"), to);
        buf_addf(to, " | %s | %lld | %.4g |\n", text(row, "arm"),
                 (long long)number(row, "parameters"), number(row, "flops_per_step") / 1e9);
    }
}

/* Text from a worker inside a cell of a table. */
static void add_cell(const char *value, struct buf *to)
{
    for (; *value != '\0'; value++) {
        if (*value == '|' || *value == '\\')
            buf_addc(to, '\\');
        buf_addc(to, *value == '\n' || *value == '\r' ? ' ' : *value);
    }
}

/* An audit says the same of many runs: once, with their number. */
static void add_audits(const json_t *report, struct buf *to)
{
    static const char *const keys[] = { "name", "arm", "status", "detail" };
    size_t i;
    json_t *audit, *said = json_object(), *runs;
    const char *line;
    json_array_foreach(json_object_get(report, "audits"), i, audit)
    {
        struct buf cells;
        buf_init(&cells, 0);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            buf_adds(&cells, "| ");
            add_cell(text(audit, keys[k]), &cells);
            buf_addc(&cells, ' ');
        }
        if (cells.data != NULL)
            json_object_set_new(
                said, cells.data,
                json_integer(1 + json_integer_value(json_object_get(said, cells.data))));
        buf_done(&cells);
    }
    if (json_object_size(said) > 0)
        buf_adds(to, "\n## Audits\n\n| audit | arm | status | detail | runs |\n"
                     "|---|---|---|---|---|\n");
    json_object_foreach(said, line, runs)
        buf_addf(to, "%s| %lld |\n", line, (long long)json_integer_value(runs));
    json_decref(said);
}

static void add_counts(const json_t *experiment, struct buf *to)
{
    const char *state, *separator = ": ";
    json_t *count;
    buf_addf(to, "%lld run%s", (long long)number(experiment, "runs"),
             number(experiment, "runs") == 1 ? "" : "s");
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
    buf_addf(to, "# %s\n\n%s\n\n", text(experiment, "name"), text(report, "verdict"));
    add_counts(experiment, to);
    add_table(report, to);
    add_dynamics(report, to);
    add_sizes(report, to);
    add_audits(report, to);
}

/* RFC 4180: fields with a comma, a quote or a line break are quoted. */
static void add_field(const char *value, size_t len, struct buf *to)
{
    if (memchr(value, ',', len) == NULL && memchr(value, '"', len) == NULL &&
        memchr(value, '\n', len) == NULL) {
        buf_add(to, value, len);
        return;
    }
    buf_addc(to, '"');
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '"')
            buf_addc(to, '"');
        buf_addc(to, value[i]);
    }
    buf_addc(to, '"');
}

static void add_number(const json_t *object, const char *key, struct buf *to)
{
    buf_addc(to, ',');
    if (known(object, key))
        jsonx_dump_double(number(object, key), to);
}

void report_csv(const json_t *report, struct buf *to)
{
    static const char *const figures[] = { "n", "mean", "sd", "best", "last" };
    size_t i;
    json_t *row, *value;
    const char *metric;
    buf_adds(to, "grid,arm,metric,n,mean,sd,best,last\r\n");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        struct buf grid;
        buf_init(&grid, 0);
        jsonx_dump(json_object_get(row, "grid"), JSONX_CANONICAL, &grid);
        json_object_foreach(json_object_get(row, "metrics"), metric, value)
        {
            add_field(grid.data, grid.len, to);
            buf_addc(to, ',');
            add_field(text(row, "arm"), strlen(text(row, "arm")), to);
            buf_addf(to, ",%s", metric);
            for (size_t c = 0; c < sizeof figures / sizeof *figures; c++)
                add_number(value, figures[c], to);
            buf_adds(to, "\r\n");
        }
        buf_done(&grid);
    }
}
