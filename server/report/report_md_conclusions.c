/* Markdown of what is concluded besides the claims: tuning, audits, loss by position. */
#include "server/report/report_md_conclusions.h"

#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "server/report/reading.h"

#include <math.h>
#include <string.h>

static void add_figure(const json_t *object, const char *key, const char *format, struct buf *to)
{
    double value = reading_number(object, key);
    if (!reading_known(object, key))
        buf_adds(to, " – |");
    else if (isfinite(value))
        buf_addf(to, format, value);
    else
        buf_addf(to, " %s |", isnan(value) ? "nan" : value > 0 ? "∞" : "−∞");
}

void markdown_tuning(const json_t *report, struct buf *to)
{
    const json_t *tuning = json_object_get(report, "tuning");
    size_t i;
    json_t *row;
    if (!json_is_object(tuning))
        return;
    buf_addf(to, "\n## Tuning\n\nChosen for each arm by the mean of %s; compared by %s.\n\n",
             reading_text(tuning, "chosen_by"), reading_text(tuning, "compared"));
    buf_adds(to, "| grid | arm | tried | seeds | mean | sd | |\n|---|---|---|---|---|---|---|");
    json_array_foreach(json_object_get(tuning, "tried"), i, row)
    {
        long long diverged = (long long)reading_number(row, "diverged");
        buf_adds(to, "\n| ");
        reading_grid(json_object_get(row, "grid"), to);
        buf_adds(to, " | ");
        reading_arm(report, reading_text(row, "arm"), to);
        buf_adds(to, " | ");
        reading_grid(json_object_get(row, "values"), to);
        buf_addf(to, " | %lld of %lld |", (long long)reading_number(row, "n"),
                 (long long)reading_number(row, "planned"));
        add_figure(row, "mean", " %.4f |", to);
        add_figure(row, "sd", " %.4f |", to);
        bool chosen = json_is_true(json_object_get(row, "chosen"));
        buf_adds(to, chosen ? " **chosen**" : "");
        if (chosen && json_is_true(json_object_get(row, "edge")))
            buf_adds(to, ", at the edge of what was tried");
        if (diverged > 0)
            buf_addf(to, " %lld diverged", diverged);
        buf_adds(to, " |");
    }
    buf_addc(to, '\n');
}

static void add_checks(const json_t *checks, const char *who, struct buf *to)
{
    size_t i;
    json_t *check;
    json_array_foreach((json_t *)(uintptr_t)checks, i, check)
    {
        bool missing = strcmp(reading_text(check, "status"), "missing") == 0;
        bool fatal = json_is_true(json_object_get(check, "invalidates")) &&
                     strcmp(reading_text(check, "status"), "fail") == 0;
        buf_adds(to, "| ");
        reading_name(who, to);
        buf_addf(to, " | %s | %s%s |", reading_text(check, "name"), reading_text(check, "status"),
                 fatal ? ", **invalid**" : "");
        buf_addc(to, ' ');
        reading_cell(missing ? "has not run" : reading_text(check, "detail"), to);
        buf_addf(to, " | %lld | ", (long long)reading_number(check, "findings"));
        reading_cell(reading_text(check, "what"), to);
        buf_adds(to, " |\n");
    }
}

/* Gathers what didn't pass: {audit: {"remedy": …, "arms": [name, …]}}; arm NULL: it isn't about
 * one. */
static void gather_remedies(const json_t *checks, const char *arm, json_t *to)
{
    size_t i;
    json_t *check;
    json_array_foreach((json_t *)(uintptr_t)checks, i, check)
    {
        const char *status = reading_text(check, "status"), *name = reading_text(check, "name");
        if ((strcmp(status, "fail") != 0 && strcmp(status, "warn") != 0) ||
            reading_text(check, "remedy")[0] == '\0')
            continue;
        if (json_object_get(to, name) == NULL)
            json_object_set_new(
                to, name,
                json_pack("{s:O, s:[]}", "remedy", json_object_get(check, "remedy"), "arms"));
        if (arm != NULL)
            json_array_append_new(json_object_get(json_object_get(to, name), "arms"),
                                  json_string(arm));
    }
}

static void add_remedies(const json_t *report, struct buf *to)
{
    json_t *remedies = json_object(), *arm, *remedy;
    const char *name;
    gather_remedies(json_object_get(report, "checks"), NULL, remedies);
    json_object_foreach(json_object_get(report, "arms"), name, arm)
        gather_remedies(json_object_get(arm, "audits"), name, remedies);
    if (json_object_size(remedies) > 0)
        buf_adds(to, "\n### What to do\n\n");
    json_object_foreach(remedies, name, remedy)
    {
        size_t i;
        buf_addf(to, "* `%s`", name);
        json_array_foreach(json_object_get(remedy, "arms"), i, arm)
        {
            buf_adds(to, i == 0 ? " of " : ", ");
            reading_name(json_string_value(arm), to);
        }
        buf_addf(to, ": %s\n", reading_text(remedy, "remedy"));
    }
    json_decref(remedies);
}

void markdown_audits(const json_t *report, struct buf *to)
{
    const char *name;
    json_t *arm;
    buf_adds(to, "\n## Audits\n\nAn audit checks that the comparison means what it seems to mean. "
                 "Of several findings the worst is shown.\n\n"
                 "| arm | audit | status | detail | findings | passing means |\n"
                 "|---|---|---|---|---|---|\n");
    add_checks(json_object_get(report, "checks"), "all", to);
    json_object_foreach(json_object_get(report, "arms"), name, arm)
        add_checks(json_object_get(arm, "audits"), name, to);
    add_remedies(report, to);
}

enum { POSITIONS_SHOWN = 16 };

/* Loss by position of every arm at the grid point of entry `first`. */
static void add_positions(const json_t *report, const json_t *entries, size_t first, struct buf *to)
{
    const json_t *head = json_array_get(entries, first), *grid = json_object_get(head, "grid");
    const json_t *positions = json_object_get(head, "positions");
    size_t i, n = json_array_size(positions), step = (n + POSITIONS_SHOWN - 1) / POSITIONS_SHOWN;
    json_t *entry;
    buf_adds(to, "\n### ");
    reading_grid(grid, to);
    buf_adds(to, "\n\n| position |");
    json_array_foreach((json_t *)(uintptr_t)entries, i,
                       entry) if (json_equal(json_object_get(entry, "grid"), grid))
    {
        buf_addc(to, ' ');
        reading_arm(report, reading_text(entry, "arm"), to);
        buf_adds(to, " |");
    }
    buf_adds(to, "\n|---|");
    json_array_foreach((json_t *)(uintptr_t)entries, i, entry)
        buf_adds(to, json_equal(json_object_get(entry, "grid"), grid) ? "---|" : "");
    for (size_t p = 0; p < n; p = p + step < n || p == n - 1 ? p + step : n - 1) {
        buf_addf(to, "\n| %lld |", (long long)json_integer_value(json_array_get(positions, p)));
        json_array_foreach((json_t *)(uintptr_t)entries, i, entry)
        {
            double loss = NAN;
            if (!json_equal(json_object_get(entry, "grid"), grid))
                continue;
            jsonx_to_double(json_array_get(json_object_get(entry, "loss"), p), &loss);
            buf_addf(to, " %.3f |", loss);
        }
    }
    buf_addc(to, '\n');
}

void markdown_positions(const json_t *report, struct buf *to)
{
    const json_t *entries = json_object_get(report, "positions");
    if (json_array_size(entries) == 0)
        return;
    buf_adds(to, "\n## Loss by position\n\nMean validation loss in nats at each position of the "
                 "window. More context helps slowly; a step down at some position is a leak.\n");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *grid = json_object_get(json_array_get(entries, i), "grid");
        size_t j = 0;
        while (!json_equal(json_object_get(json_array_get(entries, j), "grid"), grid))
            j++;
        if (j == i)
            add_positions(report, entries, i, to);
    }
}
