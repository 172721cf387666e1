/* The figure as a script for gnuplot: its panels, with their data in it. */
#include "server/report/figure.h"

#include "common/json/jsonx_dump.h"
#include "common/spec/metrics.h"
#include "common/spec/point.h"
#include "server/report/figure_pairs.h"
#include "server/report/figure_parts.h"
#include "server/report/reading.h"

#include <math.h>
#include <string.h>

const char *const figure_format_names[] = { "svg", "png", NULL };

/* The page is 1000 wide in these units, and UPPER high without the panel of differences. */
enum { WIDTH = 1000, UPPER = 760 };

static const struct {
    const char *kind, *settings;
    int scale; /* pixels a unit */
} terminals[] = {
    [FIGURE_SVG] = { "svg", "fixed noenhanced font 'DejaVu Sans,Helvetica,sans-serif,12'", 1 },
    [FIGURE_PNG] = { "pngcairo",
                     "noenhanced font 'DejaVu Sans,12' fontscale 2 linewidth 2 pointscale 2", 2 },
};

enum { ARMS_MAX = 64, LEGEND_NAME = 36 }; /* arms; characters of a name in the legend */

/* The figure's view of the report. */
struct view {
    const json_t *report;
    const char *arms[ARMS_MAX];
    size_t arms_n;
    const char *factor; /* the path along the x axis; NULL: a mark an arm */
    json_t *points;     /* owned: [{arm, grid}], the full grid point that stands for each slot */
    json_t *xs;         /* owned: the factor's values, as the grid has them */
    double least, most; /* of them */
    bool log;           /* doubling lengths stand evenly */
    const char *judged, *by_step; /* the metric that decides; the one in the curves */
    int height;                   /* of the page */
};

/* The grid factor that is left after tuning and is made of two numbers or more; L before others. */
static const char *find_factor(const json_t *report)
{
    const json_t *grid = json_object_get(json_object_get(report, "experiment"), "grid");
    const json_t *tuned = json_object_get(json_object_get(report, "tuning"), "paths");
    const char *path, *found = NULL;
    json_t *values;
    json_object_foreach((json_t *)(uintptr_t)grid, path, values)
    {
        bool fits = json_array_size(values) > 1;
        for (size_t i = 0; i < json_array_size(values); i++)
            fits &= json_is_number(json_array_get(values, i));
        for (size_t i = 0; i < json_array_size(tuned); i++)
            fits &= strcmp(json_string_value(json_array_get(tuned, i)), path) != 0;
        if (fits && (found == NULL || strcmp(path, "data.seq_len") == 0))
            found = path;
    }
    return found;
}

/* Which cells are drawn: of each arm the chosen ones; of further factors the first value that is
 * met. */
static json_t *find_points(const json_t *report)
{
    const json_t *tried = json_object_get(json_object_get(report, "tuning"), "tried");
    const json_t *rows = json_object_get(report, "table");
    json_t *points = json_array(), *row;
    size_t i;
    if (json_array_size(tried) == 0) {
        json_array_foreach((json_t *)(uintptr_t)rows, i, row) json_array_append_new(
            points, json_pack("{s:O, s:O}", "arm", json_object_get(row, "arm"), "grid",
                              json_object_get(row, "grid")));
        return points;
    }
    json_array_foreach((json_t *)(uintptr_t)tried, i, row)
    {
        if (!json_is_true(json_object_get(row, "chosen")))
            continue;
        json_t *grid = json_copy(json_object_get(row, "grid"));
        json_object_update(grid, json_object_get(row, "values"));
        json_array_append_new(
            points, json_pack("{s:O, s:o}", "arm", json_object_get(row, "arm"), "grid", grid));
    }
    return points;
}

static void view_init(struct view *v, const json_t *report)
{
    const json_t *experiment = json_object_get(report, "experiment");
    const json_t *tuning = json_object_get(report, "tuning");
    const char *name;
    json_t *ignored;
    *v = (struct view){ .report = report, .factor = find_factor(report) };
    v->points = find_points(report);
    v->xs = json_array();
    if (v->factor != NULL)
        json_array_extend(v->xs, json_object_get(json_object_get(experiment, "grid"), v->factor));
    v->least = INFINITY;
    v->most = -INFINITY;
    for (size_t i = 0; i < json_array_size(v->xs); i++) {
        v->least = fmin(v->least, json_number_value(json_array_get(v->xs, i)));
        v->most = fmax(v->most, json_number_value(json_array_get(v->xs, i)));
    }
    v->log = v->least > 0 && v->most / v->least >= 2;
    v->height = UPPER + figure_pairs_height(report);
    const char *metric = reading_text(json_object_get(experiment, "compare"), "metric");
    v->judged = json_is_object(tuning) ? reading_text(tuning, "compared") : metric;
    v->by_step = json_is_object(tuning) ? reading_text(tuning, "chosen_by") : metric;
    json_object_foreach(json_object_get(report, "arms"), name, ignored) if (v->arms_n < ARMS_MAX)
        v->arms[v->arms_n++] = name;
}

static void view_done(struct view *v)
{
    json_decref(v->points);
    json_decref(v->xs);
}

/* The full grid point of an arm at the i-th x (any, without a factor); NULL if it has none. */
static const json_t *point_of(const struct view *v, const char *arm, size_t i)
{
    size_t k;
    json_t *point;
    json_array_foreach(v->points, k, point)
    {
        const json_t *grid = json_object_get(point, "grid");
        if (strcmp(reading_text(point, "arm"), arm) == 0 &&
            (v->factor == NULL ||
             json_equal(json_object_get(grid, v->factor), json_array_get(v->xs, i))))
            return grid;
    }
    return NULL;
}

static const json_t *metric_at(const struct view *v, const char *arm, const json_t *grid,
                               const char *metric)
{
    size_t k;
    json_t *row;
    json_array_foreach(
        json_object_get(v->report, "table"), k,
        row) if (strcmp(reading_text(row, "arm"), arm) == 0 &&
                 json_equal(json_object_get(row, "grid"),
                            grid)) return json_object_get(json_object_get(row, "metrics"), metric);
    return NULL;
}

/* Where an arm's value at the i-th x is drawn: beside the others', so that error bars don't hide
 * each other. */
static double place_of(const struct view *v, size_t arm, size_t i)
{
    double x = json_number_value(json_array_get(v->xs, i));
    double aside = 0.012 * ((double)arm - (double)(v->arms_n - 1) / 2);
    if (v->factor == NULL)
        return (double)arm + 1;
    return v->log ? x * pow(v->most / v->least, aside) : x + (v->most - v->least) * aside;
}

/* Writes the datablock $name_<arm>: x mean sd. Returns how many finite means there are. */
static size_t add_by_factor(const struct view *v, const char *block, const char *metric,
                            double scale, struct buf *to)
{
    size_t finite = 0, xs = v->factor != NULL ? json_array_size(v->xs) : 1;
    for (size_t a = 0; a < v->arms_n; a++) {
        buf_addf(to, "$%s_%zu << END\n", block, a);
        for (size_t i = 0; i < xs; i++) {
            const json_t *grid = point_of(v, v->arms[a], i);
            const json_t *m = grid != NULL ? metric_at(v, v->arms[a], grid, metric) : NULL;
            double mean = reading_number(m, "mean"), sd = reading_number(m, "sd");
            figure_number(place_of(v, a, i), to);
            figure_number(scale * mean, to);
            figure_number(isfinite(sd) ? scale * sd : 0, to);
            buf_addc(to, '\n');
            finite += isfinite(mean) ? 1 : 0;
        }
        buf_adds(to, "END\n");
    }
    return finite;
}

/* The steps of an arm at its grid point: x mean least greatest. */
static size_t add_curve(const struct view *v, size_t a, const json_t *grid, struct buf *to)
{
    size_t i, j, finite = 0;
    json_t *point, *row;
    buf_addf(to, "$curve_%zu << END\n", a);
    json_array_foreach(json_object_get(v->report, "dynamics"), i, point)
    {
        if (grid == NULL || !json_equal(json_object_get(point, "grid"), grid))
            continue;
        json_array_foreach(json_object_get(point, "steps"), j, row)
        {
            const json_t *m = json_object_get(json_object_get(row, "arms"), v->arms[a]);
            if (m == NULL)
                continue;
            figure_number(reading_number(row, "step"), to);
            figure_number(reading_number(m, "mean"), to);
            figure_number(reading_number(m, "min"), to);
            figure_number(reading_number(m, "max"), to);
            buf_addc(to, '\n');
            finite += isfinite(reading_number(m, "mean")) ? 1 : 0;
        }
    }
    buf_adds(to, "END\n");
    return finite;
}

/* A height above the foot of the page's upper part, as a part of the page. */
static double upper(const struct view *v, double height)
{
    return 1 - (1 - height) * UPPER / v->height;
}

/* Places of the panels in the upper part: left, right, bottom, top. */
static const double places[4][4] = { { 0.095, 0.475, 0.54, 0.85 },
                                     { 0.59, 0.97, 0.54, 0.85 },
                                     { 0.095, 0.475, 0.11, 0.42 },
                                     { 0.59, 0.97, 0.11, 0.42 } };

static void begin_panel(const struct view *v, size_t panel, const char *title, const char *ylabel,
                        struct buf *to)
{
    const double *p = places[panel];
    buf_addf(to,
             "set lmargin at screen %g\nset rmargin at screen %g\nset bmargin at screen %g\n"
             "set tmargin at screen %g\n",
             p[0], p[1], upper(v, p[2]), upper(v, p[3]));
    buf_adds(to, "set title ");
    figure_quoted(title, to);
    buf_adds(to, " offset 0,-0.5\nset ylabel ");
    figure_quoted(ylabel, to);
    buf_adds(to, " offset 1.5,0\n");
}

static void add_empty(struct buf *to)
{
    buf_adds(to, "unset logscale x\nset label 9 'nothing measured yet' at graph 0.5,0.5 center\n"
                 "plot [0:1][0:1] -1 notitle\nunset label 9\n");
}

/* The x axis of the panels by factor. */
static void add_factor_axis(const struct view *v, struct buf *to)
{
    buf_adds(to, "set xtics nomirror (");
    if (v->factor == NULL) {
        for (size_t a = 0; a < v->arms_n; a++) {
            buf_adds(to, a > 0 ? ", " : "");
            figure_quoted(v->arms[a], to);
            buf_addf(to, " %zu", a + 1);
        }
        buf_addf(to, ")%s\nset xrange [0.5:%g]\nset xlabel ''\nunset logscale x\n",
                 v->arms_n > 4 ? " rotate by -20" : "", (double)v->arms_n + 0.5);
        return;
    }
    for (size_t i = 0; i < json_array_size(v->xs); i++) {
        double x = json_number_value(json_array_get(v->xs, i));
        buf_adds(to, i > 0 ? ", '" : "'");
        jsonx_dump_double(x, to);
        buf_adds(to, "'");
        figure_number(x, to);
    }
    double pad = v->log ? pow(v->most / v->least, 0.08) : (v->most - v->least) * 0.08;
    buf_adds(to, ")\nset xrange [");
    figure_number(v->log ? v->least / pad : v->least - pad, to);
    buf_addc(to, ':');
    figure_number(v->log ? v->most * pad : v->most + pad, to);
    buf_addf(to, "]\n%s logscale x\nset xlabel ", v->log ? "set" : "unset");
    figure_quoted(strcmp(v->factor, "data.seq_len") == 0 ? "L, sequence length" : v->factor, to);
    buf_adds(to, " offset 0,0.3\n");
}

/* A panel by factor: names of the datablocks, of the metric and of what is drawn. */
struct panel {
    const char *block, *metric, *title, *ylabel;
    double scale;
};

static void add_panel_by_factor(const struct view *v, size_t at, const struct panel *p,
                                struct buf *to)
{
    size_t finite = add_by_factor(v, p->block, p->metric, p->scale, to);
    begin_panel(v, at, p->title, p->ylabel, to);
    if (finite == 0) {
        add_empty(to);
        return;
    }
    add_factor_axis(v, to);
    for (size_t a = 0; a < v->arms_n; a++) {
        buf_addf(to, "%s $%s_%zu using 1:2:3 with yerrorbars linestyle %zu dashtype 1 notitle",
                 a == 0 ? "plot" : ",", p->block, a, a + 1);
        if (v->factor != NULL)
            buf_addf(to, ", $%s_%zu using 1:2 with linespoints linestyle %zu notitle", p->block, a,
                     a + 1);
    }
    buf_addc(to, '\n');
}

/* The compared metric by step where x is greatest. */
static void add_panel_curves(const struct view *v, struct buf *to)
{
    size_t last = 0, finite = 0, drawn = 0;
    struct buf title;
    for (size_t i = 0; i < json_array_size(v->xs); i++)
        if (json_number_value(json_array_get(v->xs, i)) >
            json_number_value(json_array_get(v->xs, last)))
            last = i;
    for (size_t a = 0; a < v->arms_n; a++)
        finite += add_curve(v, a, point_of(v, v->arms[a], last), to);
    buf_init(&title, 0);
    buf_addf(&title, "%s by step", v->by_step);
    if (v->factor != NULL) {
        bool length = strcmp(v->factor, "data.seq_len") == 0;
        buf_addf(&title, ", %s = ", length ? "L" : point_factor(v->factor));
        jsonx_dump(json_array_get(v->xs, last), JSONX_CANONICAL, &title);
    }
    begin_panel(v, 3, title.data != NULL ? title.data : "", v->by_step, to);
    buf_done(&title);
    buf_adds(to, "unset logscale x\nset xtics nomirror autofreq norotate\nset xrange [0:*]\n"
                 "set xlabel 'step' offset 0,0.3\n");
    if (finite == 0) {
        add_empty(to);
        return;
    }
    for (size_t a = 0; a < v->arms_n; a++)
        buf_addf(to,
                 "%s $curve_%zu using 1:3:4 with filledcurves fillstyle transparent solid 0.18 "
                 "noborder linecolor rgb '#%s' notitle",
                 drawn++ == 0 ? "plot" : ",", a, figure_look(a).color);
    size_t interval = 1 + finite / v->arms_n / 10; /* about ten marks a curve */
    for (size_t a = 0; a < v->arms_n; a++)
        buf_addf(to,
                 ", $curve_%zu using 1:2 with linespoints linestyle %zu pointinterval %zu notitle",
                 a, a + 1, interval);
    buf_addc(to, '\n');
}

/* The legend: a panel of its own above the others. */
static void add_legend(const struct view *v, struct buf *to)
{
    const bool many = v->arms_n > 5; /* two rows of larger letters wouldn't have the room */
    buf_addf(to,
             "set lmargin at screen 0.04\nset rmargin at screen 0.98\nset bmargin at screen %g\n"
             "set tmargin at screen %g\n",
             upper(v, 0.90), upper(v, 0.95));
    buf_adds(to, "unset border\nunset tics\nunset title\n"
                 "unset xlabel\nunset ylabel\nunset grid\n");
    buf_addf(to, "set key center center horizontal maxrows 2 samplen %d font ',%d'\n", many ? 2 : 3,
             many ? 9 : 12);
    for (size_t a = 0; a < v->arms_n; a++) {
        const json_t *arm = json_object_get(json_object_get(v->report, "arms"), v->arms[a]);
        double diverged = reading_number(json_object_get(arm, "counts"), "diverged");
        struct buf label;
        buf_init(&label, 0);
        figure_clip(v->arms[a], many ? LEGEND_NAME / 2 : LEGEND_NAME, &label);
        if (json_is_false(json_object_get(arm, "valid")))
            buf_adds(&label, " (invalid)");
        if (diverged > 0)
            buf_addf(&label, " (%g diverged)", diverged);
        buf_addf(to, "%s -1 with linespoints linestyle %zu title ",
                 a == 0 ? "plot [0:1][0:1]" : ",", a + 1);
        figure_quoted(label.data != NULL ? label.data : "", to);
        buf_done(&label);
    }
    buf_addc(to, '\n');
}

static void add_page(const struct view *v, enum figure_format format, struct buf *to)
{
    const json_t *experiment = json_object_get(v->report, "experiment");
    const int scale = terminals[format].scale;
    buf_addf(to, "set terminal %s size %d,%d %s background rgb 'white'\nset encoding utf8\n",
             terminals[format].kind, scale * WIDTH, scale * v->height, terminals[format].settings);
    for (size_t a = 0; a < v->arms_n; a++) {
        const struct figure_look look = figure_look(a);
        buf_addf(to,
                 "set style line %zu linecolor rgb '#%s' linewidth 1.6 pointtype %d pointsize 0.9 "
                 "dashtype %d\n",
                 a + 1, look.color, look.point, look.dash);
    }
    buf_adds(to, "set multiplot\nset label 1 ");
    figure_quoted(reading_text(experiment, "name"), to);
    buf_addf(to,
             " at screen 0.5,%g center font ',15'\nset label 2 'Error bars: ± one standard "
             "deviation over seeds. Band: least to greatest seed. Seeds planned: ",
             upper(v, 0.972));
    const json_t *tuned = json_object_get(json_object_get(v->report, "tuning"), "paths");
    size_t factors = json_object_size(json_object_get(experiment, "grid")) - json_array_size(tuned);
    buf_addf(to, "%zu.%s' at screen 0.5,%g center textcolor rgb '#555555'\n",
             json_array_size(json_object_get(experiment, "seeds")),
             factors > (v->factor != NULL) ? " Other factors at their first value." : "",
             upper(v, 0.02));
}

/* Some times were taken while something else used the machine. */
static bool is_disturbed(const json_t *report)
{
    size_t i;
    json_t *row;
    bool found = false;
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        found |= json_is_false(json_object_get(json_object_get(row, "timing"), "clean"));
    }
    return found;
}

void figure_script(const json_t *report, enum figure_format format, struct buf *to)
{
    struct view v;
    size_t from = to->len;
    char title[96], time_title[48];
    view_init(&v, report);
    snprintf(title, sizeof title, "Final %s", v.judged);
    bool test = strncmp(v.judged, "test/", 5) == 0;
    const char *accuracy = metric_table[test ? METRIC_TEST_ACCURACY : METRIC_VAL_ACCURACY].name;
    const char *loss = metric_table[test ? METRIC_TEST_LOSS : METRIC_VAL_LOSS].name;
    const struct metric_info *time = &metric_table[METRIC_STEP_S];
    snprintf(time_title, sizeof time_title, "%s%s", time->title,
             is_disturbed(report) ? " (disturbed)" : "");
    struct panel panels[] = { { "judged", v.judged, title, v.judged, 1 },
                              { "accuracy", accuracy, "Accuracy", accuracy, 1 },
                              { "time", time->name, time_title, "ms", 1000 } };
    for (size_t i = 1; i < 3; i++) /* the first shows it already */
        if (strcmp(panels[i].metric, v.judged) == 0)
            panels[i] = (struct panel){ "loss", loss, "Loss", loss, 1 };
    add_page(&v, format, to);
    if (v.arms_n > 0)
        add_legend(&v, to);
    buf_adds(to, "unset label 1\nunset label 2\nset border 3 linecolor rgb '#555555'\n"
                 "set tics nomirror out scale 0.5\nset ytics nomirror\nunset key\n"
                 "set grid ytics linecolor rgb '#cccccc' linewidth 1 dashtype 1\n");
    for (size_t i = 0; i < 3 && v.arms_n > 0; i++)
        add_panel_by_factor(&v, i, &panels[i], to);
    if (v.arms_n > 0)
        add_panel_curves(&v, to);
    if (v.height > UPPER)
        figure_pairs(report, v.height, to);
    buf_adds(to, "unset multiplot\n");
    if (format == FIGURE_PNG)
        figure_only_drawable(to, from);
    view_done(&v);
}
