/* The report as CSV, from its JSON, for programs that read tables: numbers and words in columns,
 * one for each path of the grid, nothing inside that would have to be parsed again. Two tables:
 * what was measured (a row a grid point, arm and metric), and what is claimed (a row an arm, then a
 * row an arm and grid point). */
#include "server/report/report_csv.h"

#include "common/json/jsonx_dump.h"
#include "common/spec/metrics.h"
#include "server/export/csv.h"
#include "server/report/claim_fields.h"
#include "server/report/reading.h"

#include <string.h>

static void add_text(const char *value, struct buf *to)
{
    csv_text(value, to);
    buf_addc(to, ',');
}

static void add_number(const json_t *object, const char *key, struct buf *to)
{
    if (reading_known(object, key))
        jsonx_dump_double(reading_number(object, key), to);
    buf_addc(to, ',');
}

/* true, false, or nothing where it isn't known. */
static void add_flag(const json_t *flag, struct buf *to)
{
    if (json_is_boolean(flag))
        buf_adds(to, json_is_true(flag) ? "true" : "false");
    buf_addc(to, ',');
}

/* The word for the least number is one, no text to be guarded. */
static void add_value(const json_t *value, struct buf *to)
{
    if (json_is_string(value) && strcmp(json_string_value(value), "-inf") == 0)
        buf_adds(to, "-inf");
    else
        csv_value(value, to);
    buf_addc(to, ',');
}

/* The last column's comma becomes the end of the line. */
static void end_line(struct buf *to)
{
    to->len -= to->len > 0;
    buf_adds(to, "\r\n");
}

static void add_header(const char *const *columns, struct buf *to)
{
    for (; *columns != NULL; columns++)
        add_text(*columns, to);
}

/* The paths of `values` with what `from` has at each; from NULL: their names, behind a prefix. */
static void add_paths(const json_t *values, const json_t *from, const char *prefix, struct buf *to)
{
    const char *path;
    json_t *ignored;
    json_object_foreach((json_t *)(uintptr_t)values, path, ignored)
    {
        if (from != NULL) {
            add_value(json_object_get(from, path), to);
        } else {
            buf_adds(to, prefix);
            add_text(path, to);
        }
    }
}

static const json_t *grid_of(const json_t *report)
{
    return json_object_get(json_object_get(report, "experiment"), "grid");
}

void report_csv(const json_t *report, struct buf *to)
{
    static const char *const first[] = { "arm", "valid", NULL };
    static const char *const columns[] = { "metric", "n",    "mean",  "sd",
                                           "best",   "last", "clean", NULL };
    size_t i;
    json_t *row, *value;
    const char *metric;
    add_paths(grid_of(report), NULL, "", to);
    add_header(first, to);
    add_header(columns, to);
    end_line(to);
    json_array_foreach(json_object_get(report, "table"), i, row)
        json_object_foreach(json_object_get(row, "metrics"), metric, value)
    {
        const json_t *clean = json_object_get(json_object_get(row, "timing"), "clean");
        add_paths(grid_of(report), json_object_get(row, "grid"), "", to);
        add_text(reading_text(row, "arm"), to);
        add_flag(json_object_get(row, "valid"), to);
        add_text(metric, to);
        for (size_t c = 1; c < 6; c++)
            add_number(value, columns[c], to);
        /* of times: whether nothing disturbed them */
        add_flag(metric_is_clock(metric) ? clean : NULL, to);
        end_line(to);
    }
}

/* The columns of those fields that came later, or of the others: a claim's, or their names for
 * NULL. */
static void add_fields(const json_t *report, const json_t *claim, bool later, struct buf *to)
{
    for (size_t i = 0; i < claim_fields_n; i++) {
        const struct claim_field *f = &claim_fields[i];
        const json_t *value = claim != NULL ? claim_field_value(f, report, claim) : NULL;
        for (size_t end = 0; f->later == later && end < (f->ends ? 2 : 1); end++) {
            if (claim != NULL) {
                add_value(f->ends ? json_array_get(value, end) : value, to);
                continue;
            }
            buf_adds(to, f->column != NULL ? f->column : f->key);
            buf_adds(to, !f->ends ? "," : end == 0 ? "_low," : "_high,");
        }
    }
}

/* grid, tuned: objects with a member for each path whose columns the table has. */
static void add_claim(const json_t *report, const json_t *claim, const char *which,
                      const json_t *grid, const json_t *tuned, struct buf *to)
{
    json_t *nowhere = json_object();
    const json_t *chosen = json_object_get(claim, "chosen");
    const json_t *base_chosen = json_object_get(claim, "baseline_chosen");
    const json_t *at = json_object_get(claim, "grid");
    add_text(which, to);
    add_paths(grid, at != NULL ? at : nowhere, "", to);
    add_fields(report, claim, false, to);
    add_paths(tuned, json_is_object(chosen) ? chosen : nowhere, "", to);
    add_paths(tuned, json_is_object(base_chosen) ? base_chosen : nowhere, "", to);
    add_text(reading_text(claim, "sentence"), to);
    add_fields(report, claim, true, to);
    end_line(to);
    json_decref(nowhere);
}

void report_csv_claims(const json_t *report, struct buf *to)
{
    json_t *grid = json_copy((json_t *)(uintptr_t)grid_of(report)), *tuned = json_object(), *path,
           *claim;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(report, "tuning"), "paths"), i, path)
    {
        json_object_set_new(tuned, json_string_value(path), json_true());
        json_object_del(grid, json_string_value(path));
    }
    add_text("claim", to);
    add_paths(grid, NULL, "", to);
    add_fields(report, NULL, false, to);
    add_paths(tuned, NULL, "chosen.", to);
    add_paths(tuned, NULL, "baseline_chosen.", to);
    add_text("sentence", to);
    add_fields(report, NULL, true, to);
    end_line(to);
    json_array_foreach(json_object_get(report, "primary"), i, claim)
        add_claim(report, claim, "primary", grid, tuned, to);
    json_array_foreach(json_object_get(report, "comparisons"), i, claim)
        add_claim(report, claim, "secondary", grid, tuned, to);
    json_decref(grid);
    json_decref(tuned);
}
