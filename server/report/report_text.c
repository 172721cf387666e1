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

static const json_t *comparison_of(const json_t *report, const json_t *row)
{
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(report, "comparisons"), i, c)
    {
        if (strcmp(text(c, "arm"), text(row, "arm")) == 0 &&
            json_equal(json_object_get(c, "grid"), json_object_get(row, "grid")))
            return c;
    }
    return NULL;
}

static const json_t *baseline_row(const json_t *report, const json_t *comparison)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        if (strcmp(text(row, "arm"), text(comparison, "baseline")) == 0 &&
            json_equal(json_object_get(row, "grid"), json_object_get(comparison, "grid")))
            return row;
    }
    return NULL;
}

static void add_difference(const json_t *report, const json_t *row, struct buf *to)
{
    const json_t *c = comparison_of(report, row);
    const json_t *base = c != NULL ? baseline_row(report, c) : NULL;
    double difference = c != NULL ? number(c, "mean_difference") : NAN;
    if (c == NULL) {
        buf_adds(to, " baseline |");
        return;
    }
    if (!known(c, "mean_difference")) {
        buf_adds(to, " – |");
        return;
    }
    double against =
        number(json_object_get(json_object_get(base, "metrics"), text(c, "metric")), "mean");
    buf_addf(to, " %+.4f", difference);
    if (isfinite(against) && against != 0)
        buf_addf(to, " (%+.1f %%)", 100 * difference / fabs(against));
    buf_adds(to, " |");
}

static void add_table(const json_t *report, struct buf *to)
{
    size_t i;
    json_t *row;
    buf_adds(to, "| grid | arm | n | val loss | val accuracy | test loss | s/step | difference |\n"
                 "|---|---|---|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        const json_t *m = json_object_get(row, "metrics");
        buf_adds(to, "| ");
        add_grid(json_object_get(row, "grid"), to);
        buf_addf(to, " | %s | %lld |", text(row, "arm"), (long long)number(row, "n"));
        add_value(m, "val/loss", 1, 4, "", to);
        add_value(m, "val/accuracy", 100, 2, " %", to);
        add_value(m, "test/loss", 1, 4, "", to);
        add_value(m, "time/step_s", 1, 4, "", to);
        add_difference(report, row, to);
        buf_addc(to, '\n');
    }
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

static void add_arms(const json_t *report, struct buf *to)
{
    const char *name;
    json_t *arm;
    buf_adds(to, "\n## Arms\n\n| arm | parameters | GFLOP a step |\n|---|---|---|\n");
    json_object_foreach(json_object_get(report, "arms"), name, arm)
    {
        buf_addf(to, "| %s | %lld | %.3f |\n", name, (long long)number(arm, "parameters"),
                 number(arm, "flops_per_step") / 1e9);
    }
}

static void add_audits(const json_t *report, struct buf *to)
{
    size_t i;
    json_t *audit;
    const json_t *audits = json_object_get(report, "audits");
    if (json_array_size(audits) == 0)
        return;
    buf_adds(to, "\n## Audits\n\n| audit | arm | status | detail |\n|---|---|---|---|\n");
    json_array_foreach(audits, i, audit)
    {
        buf_addf(to, "| %s | %s | %s | %s |\n", text(audit, "name"), text(audit, "arm"),
                 text(audit, "status"), text(audit, "detail"));
    }
}

void report_markdown(const json_t *report, struct buf *to)
{
    const json_t *experiment = json_object_get(report, "experiment");
    buf_addf(to, "# %s\n\n%s\n\n", text(experiment, "name"), text(report, "verdict"));
    add_table(report, to);
    add_dynamics(report, to);
    add_arms(report, to);
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
    static const char *const columns[] = { "n", "mean", "sd", "best", "last" };
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
            for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
                add_number(value, columns[c], to);
            buf_adds(to, "\r\n");
        }
        buf_done(&grid);
    }
}
