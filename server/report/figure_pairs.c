/* The panel's script: labels on both sides, the datablocks of dots, means and intervals, one plot. */
#include "server/report/figure_pairs.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/spec/metrics.h"
#include "server/report/figure_parts.h"
#include "server/report/reading.h"

#include <math.h>
#include <string.h>

/* Pixels above the rows, below them, and of one; of a few rows each has more. */
enum { HEAD = 44, FOOT = 96, ROW = 22, ROW_OF_FEW = 36, FEW = 4 };
/* Characters of an arm's name, and of a label on either side. */
enum { ARM_MAX = 16, LABEL_MAX = 36, NOTE_MAX = 62 };

struct rows {
    const json_t *report, *primary, *secondary;
    size_t all, shown; /* of primary claims, then of those at a grid point, if there are several */
    bool measured;     /* a seed has a value of both arms */
    double by;         /* differences are multiplied by it … */
    const char *unit;  /* … and then in this */
    double margin, most;
};

static const json_t *claim_of(const struct rows *r, size_t i)
{
    size_t primary = json_array_size(r->primary);
    return i < primary ? json_array_get(r->primary, i) : json_array_get(r->secondary, i - primary);
}

static double difference_of(const json_t *claim, size_t i)
{
    double value = NAN;
    jsonx_to_double(json_array_get(json_array_get(json_object_get(claim, "differences"), i), 1),
                    &value);
    return value;
}

static struct rows rows_of(const json_t *report)
{
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    const char *metric = reading_judged(report);
    bool share = metric_is_share(metric);
    bool time = strcmp(metric, metric_table[METRIC_STEP_S].name) == 0;
    struct rows r = {
        .report = report,
        .primary = json_object_get(report, "primary"),
        .secondary = json_object_get(report, "comparisons"),
        .by = share  ? 100
              : time ? 1000
                     : 1,
        .unit = share  ? "points"
                : time ? "ms"
                       : "",
        .margin = reading_known(compare, "margin") ? reading_number(compare, "margin") : 0,
    };
    size_t primary = json_array_size(r.primary), secondary = json_array_size(r.secondary);
    r.all = primary + (secondary > primary ? secondary : 0);
    r.shown = r.all < FIGURE_PAIRS_MAX ? r.all : FIGURE_PAIRS_MAX;
    r.most = r.margin;
    for (size_t i = 0; i < r.all; i++) {
        size_t n = json_array_size(json_object_get(claim_of(&r, i), "differences"));
        r.measured |= n > 0;
        for (size_t j = 0; j < n; j++) {
            double size = fabs(difference_of(claim_of(&r, i), j));
            r.most = isfinite(size) ? fmax(r.most, size) : r.most;
        }
    }
    r.most = r.by * (r.most > 0 ? r.most : 1);
    return r;
}

int figure_pairs_height(const json_t *report)
{
    const struct rows r = rows_of(report);
    if (r.all == 0)
        return 0;
    return r.measured ? HEAD + FOOT + (r.shown > FEW ? ROW : ROW_OF_FEW) * (int)r.shown
                      : HEAD + ROW_OF_FEW;
}

/* "dsa, mean over the grid", "dsa, seq_len 64" */
static void say_place(const struct rows *r, size_t i, struct buf *to)
{
    const size_t primary = json_array_size(r->primary);
    bool several = r->all > primary, mean = several && i < primary;
    const json_t *at = mean ? NULL : several ? claim_of(r, i) : json_array_get(r->secondary, i);
    figure_clip(reading_text(claim_of(r, i), "arm"), ARM_MAX, to);
    if (mean)
        buf_adds(to, ", mean over the grid");
    else if (json_object_size(json_object_get(at, "grid")) > 0) {
        buf_adds(to, ", ");
        reading_grid(json_object_get(at, "grid"), to);
    }
}

/* "better: 8 of 8 pairs", "invalid (causality): 7 of 8 pairs, 1 lost by one" */
static void say_note(const struct rows *r, size_t i, struct buf *to)
{
    const json_t *claim = claim_of(r, i);
    buf_adds(to, reading_text(claim, "verdict"));
    if (reading_known(claim, "against"))
        buf_addf(to, " (%s)", reading_text(claim, "against"));
    if (json_is_true(json_object_get(claim, "skewed")))
        buf_adds(to, ", skewed");
    buf_addf(to, ": %s", reading_text(json_object_get(claim, "pairs"), "note"));
}

static const char *text_of(const struct buf *text)
{
    return text->data != NULL ? text->data : "";
}

/* One side's labels: a row each, from the top. */
static void add_labels(const struct rows *r, const char *axis, size_t most,
                       void (*say)(const struct rows *, size_t, struct buf *), struct buf *to)
{
    buf_addf(to, "set %s scale 0 font ',10' (", axis);
    for (size_t i = 0; i < r->shown; i++) {
        struct buf text, clipped;
        buf_init(&text, 0);
        buf_init(&clipped, 0);
        say(r, i, &text);
        figure_clip(text_of(&text), most, &clipped);
        buf_adds(to, i > 0 ? ", " : "");
        figure_quoted(text_of(&clipped), to);
        buf_addf(to, " %zu", i + 1);
        buf_done(&text);
        buf_done(&clipped);
    }
    buf_adds(to, ")\n");
}

static size_t place_among_arms(const json_t *report, const char *arm)
{
    const char *name;
    json_t *ignored;
    size_t i = 0;
    json_object_foreach(json_object_get(report, "arms"), name, ignored)
    {
        if (strcmp(name, arm) == 0)
            break;
        i++;
    }
    return i;
}

/* Where a value stands: what isn't finite a little beyond the greatest difference. */
static double within(const struct rows *r, double value)
{
    const double end = 1.05 * r->most;
    return fmax(-end, fmin(end, r->by * value));
}

/* The datablock of all dots, $pairs, or of all crosses, $diverged: x y colour. Returns how many
 * there are. */
static size_t add_dots(const struct rows *r, bool diverged, struct buf *to)
{
    size_t drawn = 0;
    buf_addf(to, "$%s << END\n", diverged ? "diverged" : "pairs");
    for (size_t row = 0; row < r->shown; row++) {
        const json_t *claim = claim_of(r, row);
        const size_t n = json_array_size(json_object_get(claim, "differences"));
        const size_t arm = place_among_arms(r->report, reading_text(claim, "arm"));
        for (size_t i = 0; i < n; i++) {
            double value = difference_of(claim, i);
            if (isnan(value) || (isinf(value) != 0) != diverged)
                continue;
            figure_number(within(r, value), to);
            figure_number((double)row + 0.75 + 0.5 * ((double)i + 0.5) / (double)n, to);
            buf_addf(to, " 0x%s%s\n", diverged ? "00" : "60", figure_look(arm).color);
            drawn++;
        }
    }
    buf_adds(to, "END\n");
    return drawn;
}

/* $means: x row; $spans: low row length. */
static void add_estimates(const struct rows *r, struct buf *to)
{
    buf_adds(to, "$means << END\n");
    for (size_t i = 0; i < r->shown; i++) {
        double mean = reading_number(claim_of(r, i), "mean_difference");
        figure_number(isfinite(mean) ? r->by * mean : (double)NAN, to);
        buf_addf(to, " %zu\n", i + 1);
    }
    buf_adds(to, "END\n$spans << END\n");
    for (size_t i = 0; i < r->shown; i++) {
        const json_t *ends = json_object_get(claim_of(r, i), "ci95");
        double low = NAN, high = NAN;
        bool known = jsonx_to_double(json_array_get(ends, 0), &low) == 0 &&
                     jsonx_to_double(json_array_get(ends, 1), &high) == 0 && !isnan(low) &&
                     !isnan(high);
        figure_number(known ? within(r, low) : (double)NAN, to);
        buf_addf(to, " %zu", i + 1);
        figure_number(known ? within(r, high) - within(r, low) : (double)NAN, to);
        buf_addc(to, '\n');
    }
    buf_adds(to, "END\n");
}

/* A line of the text below the panel, so many pixels above the page's foot. */
static void add_line(int label, const char *text, int above, int page, struct buf *to)
{
    buf_addf(to, "set label %d ", label);
    figure_quoted(text, to);
    buf_addf(to, " at screen 0.5,%g center font ',11' textcolor rgb '#555555'\n",
             (double)above / page);
}

/* What the marks are, and how many rows there are not. */
static void add_legend(const struct rows *r, bool diverged, int page, struct buf *to)
{
    struct buf text;
    add_line(3,
             "Dot: the difference of one seed, arm − baseline, the first seed on top. Stroke: the "
             "mean. Bar: 95 % interval, not adjusted.",
             30, page, to);
    buf_init(&text, 0);
    if (r->margin > 0) {
        buf_adds(&text, "Band: within ±");
        jsonx_dump_double(r->by * r->margin, &text);
        buf_addf(&text, "%s%s. ", r->unit[0] != '\0' ? " " : "", r->unit);
    }
    buf_adds(&text, diverged ? "Cross: one of the two diverged. " : "");
    if (r->all > r->shown)
        buf_addf(&text, "%zu of %zu claims are shown; the report has all.", r->shown, r->all);
    add_line(4, text_of(&text), 13, page, to);
    buf_done(&text);
}

/* Between marks of the axis: one to three on either side of 0. */
static double axis_step(double most)
{
    double unit = pow(10, floor(log10(most / 3))), n = most / 3 / unit;
    return unit * (n > 5 ? 10 : n > 2 ? 5 : n > 1 ? 2 : 1);
}

static void begin(const struct rows *r, int page, struct buf *to)
{
    const int height = figure_pairs_height(r->report);
    struct buf text;
    buf_addf(to,
             "set lmargin at screen %g\nset rmargin at screen %g\nset bmargin at screen %g\n"
             "set tmargin at screen %g\n",
             r->measured ? 0.275 : 0, r->measured ? 0.575 : 1,
             r->measured ? (double)FOOT / page : 0, (double)(height - HEAD) / page);
    buf_init(&text, 0);
    buf_addf(&text, "%s: differences to %s, paired by seed", reading_judged(r->report),
             reading_text(json_array_get(r->primary, 0), "baseline"));
    buf_adds(to, "set title ");
    figure_quoted(text_of(&text), to);
    buf_adds(to, " offset 0,-0.5\nset ylabel ''\nunset logscale x\nunset grid\n");
    buf_done(&text);
}

/* The labels on both sides, the axis below, and what lies behind the dots. */
static void add_axes(const struct rows *r, struct buf *to)
{
    struct buf text;
    add_labels(r, "ytics", LABEL_MAX, say_place, to);
    add_labels(r, "y2tics", NOTE_MAX, say_note, to);
    buf_addf(to, "set border 1\nset xtics nomirror norotate font ',10' %.9g\nset xlabel ",
             axis_step(r->most));
    buf_init(&text, 0);
    buf_addf(&text, "Δ %s%s%s", reading_judged(r->report), r->unit[0] != '\0' ? ", " : "", r->unit);
    figure_quoted(text_of(&text), to);
    buf_done(&text);
    const double end = 1.1 * r->most, margin = r->by * r->margin;
    buf_addf(to,
             " offset 0,0.3\nset xrange [%.9g:%.9g]\nset yrange [%zu.5:0.5]\n"
             "set y2range [%zu.5:0.5]\n",
             -end, end, r->shown, r->shown);
    if (margin > 0)
        buf_addf(to,
                 "set object 1 rectangle from %.9g, graph 0 to %.9g, graph 1 behind fillcolor rgb "
                 "'#e9eef3' fillstyle solid noborder\n",
                 -margin, margin);
    buf_adds(to, "set arrow 1 from 0, graph 0 to 0, graph 1 nohead back linecolor rgb '#888888' "
                 "linewidth 1\n");
}

static void add_rows(const struct rows *r, int page, struct buf *to)
{
    add_dots(r, false, to);
    const bool diverged = add_dots(r, true, to) > 0;
    add_estimates(r, to);
    add_axes(r, to);
    add_legend(r, diverged, page, to);
    buf_addf(
        to,
        "plot $spans using 1:2:3:(0) with vectors nohead linecolor rgb '#A0222222' linewidth 5 "
        "dashtype 1 notitle, $means using 1:($2-0.38):(0):(0.76) with vectors nohead linecolor rgb "
        "'#222222' linewidth 2 dashtype 1 notitle, $pairs using 1:2:3 with points pointtype 7 "
        "pointsize 0.7 linecolor rgb variable notitle%s\n"
        "unset object 1\nunset arrow 1\nunset label 3\nunset label 4\n",
        diverged ? ", $diverged using 1:2:3 with points pointtype 2 pointsize 0.7 linewidth 1.6 "
                   "linecolor rgb variable notitle"
                 : "");
}

void figure_pairs(const json_t *report, int page, struct buf *to)
{
    const struct rows r = rows_of(report);
    begin(&r, page, to);
    if (r.measured)
        add_rows(&r, page, to);
    else
        buf_adds(to, "unset border\nunset tics\nset xlabel ''\n"
                     "set label 9 'No seed has a value of both arms yet.' at graph 0.5,0.5 center\n"
                     "plot [0:1][0:1] -1 notitle\nunset label 9\n");
}
