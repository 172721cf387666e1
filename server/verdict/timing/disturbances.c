/* The disturbed times of an experiment, cell by cell and in sentences. */
#include "server/verdict/timing/disturbances.h"

#include "server/verdict/timing/timing.h"
#include "server/verdict/words.h"

#include <stdlib.h>

/* What a cell's runs have in common: how many of them each disturbance concerns, and at most how
 * much. */
struct tally {
    size_t n, runs[DISTURBANCES];
    double most[DISTURBANCES];
};

static struct tally tally_of(const struct study *study, const struct cell *cell)
{
    struct tally tally = { 0 };
    for (size_t i = 0; i < cell->runs; i++) {
        const struct run_row *run = study_run(study, cell, i);
        if (run->state != RUN_SUCCEEDED)
            continue;
        const struct timing_row *row = timing_find(study->in, run->id);
        unsigned set = timing_disturbed(row);
        double share = row != NULL && row->ms > 0 ? 1 / (double)row->ms : 0;
        const double amounts[DISTURBANCES] = {
            [DISTURBED_BY_RUN] = row != NULL ? (double)row->shared_ms * share : 0,
            [DISTURBED_BY_HOST] = row != NULL ? row->steal_share : 0,
            [DISTURBED_BY_LOAD] = row != NULL ? row->other_cores : 0,
            [DISTURBED_UNKNOWN] = row != NULL ? 1 - (double)row->told_ms * share : 1,
            [DISTURBED_ELSEWHERE] = 1,
        };
        tally.n++;
        for (int d = 0; d < DISTURBANCES; d++) {
            if ((set & 1u << d) == 0)
                continue;
            tally.runs[d]++;
            tally.most[d] = amounts[d] > tally.most[d] ? amounts[d] : tally.most[d];
        }
    }
    return tally;
}

json_t *disturbances_json(const struct study *study, const struct cell *cell)
{
    static const char *const formats[DISTURBANCES] = {
        [DISTURBED_BY_RUN] = "%zu of %zu runs shared the machine with another, up to %.3g %% of "
                             "their time",
        [DISTURBED_BY_HOST] = "in %zu of %zu runs the machine's host took time, up to %.3g %%",
        [DISTURBED_BY_LOAD] = "beside %zu of %zu runs other programs were busy, up to %.3g %% of a "
                              "core",
        [DISTURBED_UNKNOWN] = "for %zu of %zu runs it isn't known what else the machine did, up to "
                              "%.3g %% of their time",
        [DISTURBED_ELSEWHERE] = "%zu of %zu runs were trained in another environment than the "
                                "experiment's first (program, processor or host)",
    };
    struct tally tally = tally_of(study, cell);
    json_t *reasons = json_array();
    for (int d = 0; d < DISTURBANCES; d++) {
        struct buf text;
        if (tally.runs[d] == 0)
            continue;
        buf_init(&text, 0);
        buf_addf(&text, formats[d], tally.runs[d], tally.n, 100 * tally.most[d]);
        json_array_append_new(reasons,
                              json_pack("{s:s, s:I, s:s}", "reason", disturbance_table[d].name,
                                        "runs", (json_int_t)tally.runs[d], "detail",
                                        text.data != NULL ? text.data : ""));
        buf_done(&text);
    }
    if (tally.n > 0)
        return json_pack("{s:b, s:o}", "clean", json_array_size(reasons) == 0, "reasons", reasons);
    json_decref(reasons);
    return json_null();
}

static void remark(const struct study *study, const struct tally *tallies, int d, json_t *list)
{
    enum { NAMED_MAX = 6 };
    size_t measured = 0, found = 0, named = 0;
    struct buf text;
    for (size_t c = 0; c < study->n; c++) {
        measured += tallies[c].n > 0;
        found += tallies[c].runs[d] > 0;
    }
    if (found == 0)
        return;
    buf_init(&text, 0);
    buf_adds(&text, found == measured ? "The times of all arms" : "Times of ");
    for (size_t c = 0; c < study->n && found < measured && named < NAMED_MAX; c++) {
        if (tallies[c].runs[d] == 0)
            continue;
        buf_adds(&text, named == 0 ? "" : named + 1 == found ? " and " : ", ");
        words_cell(&study->cells[c], &text);
        named++;
    }
    if (found < measured && found > named)
        buf_addf(&text, " and %zu more", found - named);
    buf_addf(&text, " were taken %s.", disturbance_table[d].words);
    if (text.data != NULL)
        json_array_append_new(list, json_string(text.data));
    buf_done(&text);
}

void disturbances_remark(const struct study *study, json_t *list)
{
    struct tally *tallies = calloc(study->n + 1, sizeof *tallies);
    if (tallies == NULL)
        return;
    for (size_t c = 0; c < study->n; c++)
        tallies[c] = tally_of(study, &study->cells[c]);
    for (int d = 0; d < DISTURBANCES; d++)
        remark(study, tallies, d, list);
    free(tallies);
}
