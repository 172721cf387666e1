/* watch: what there is, then the events behind it; at the end the verdict.
 *
 * On a terminal a picture is drawn and drawn again in its place; elsewhere a line is printed at
 * every tenth, and the picture once, at the end. Ctrl-C ends the watching alone.
 */
#include "server/client/commands/command_watch.h"
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/follow.h"
#include "server/client/terminal/progress.h"
#include "server/client/terminal/say.h"
#include "server/client/terminal/spark.h"
#include "server/client/terminal/units.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { BAR = 40, SPARK_MIN = 8, SPARK_MAX = 40, SPARK_FILE = 24, DRAW_MS = 100, POINTS = 200 };

/* How an experiment ended, as an exit status; the greatest of what holds, but for a refusal. */
enum {
    EXIT_SOUND = 0,
    EXIT_INVALID = 1,
    EXIT_FAILED = 2,
    EXIT_CANCELLED = 3,
    EXIT_INTERRUPT = 130
};

struct watcher {
    struct call *call;
    struct progress progress;
    int64_t as_of;
    bool json, ascii, changed, again, over, failed;
    int columns;  /* 0: not a terminal */
    size_t lines; /* of the picture that stands there */
    int64_t drawn_ms;
    int tenth; /* the last one that was told */
};

/* The picture. */

static void draw_arm(struct buf *to, const struct watcher *w, const struct progress_arm *arm,
                     size_t name_width)
{
    const struct progress_run *run = progress_find(&w->progress, arm->lead);
    char value[UNITS_TEXT];
    buf_addf(to, "  %s%*s", arm->name, (int)(name_width - say_width(arm->name)), "");
    if (run == NULL) {
        buf_adds(to, "  waits");
        return;
    }
    char where[64];
    snprintf(where, sizeof where, "seed %lld, step %lld of %lld", (long long)run->seed,
             (long long)run->step, (long long)run->steps);
    buf_addf(to, "  %-28s  ", where);
    bool compared = arm->curves[0].n > 1 || arm->curves[1].n == 0;
    const struct curve *curve = &arm->curves[compared ? 0 : 1];
    size_t used = name_width + 34 + strlen(w->progress.metric) + 16;
    size_t width = w->columns == 0                         ? SPARK_FILE
                   : (size_t)w->columns > used + SPARK_MIN ? (size_t)w->columns - used
                                                           : SPARK_MIN;
    spark_line(to, curve->values, curve->n, width < SPARK_MAX ? width : SPARK_MAX, w->ascii);
    if (curve->n > 0) {
        json_t *last = jsonx_number(curve->last);
        buf_addf(to, "  %s %s", compared ? w->progress.metric : progress_loss,
                 units_value(last, value));
        json_decref(last);
    }
    if (arm->reason != NULL)
        buf_addf(to, "  %s: %s", run->state, arm->reason);
}

/* A line for the whole, and one for each of so many arms. */
static void draw(const struct watcher *w, size_t arms, struct buf *to)
{
    const struct progress *p = &w->progress;
    size_t ended, width = 0;
    double share = progress_share(p, &ended);
    for (size_t i = 0; i < p->arms_n; i++) {
        size_t one = say_width(p->arms[i].name);
        width = one > width ? one : width;
    }
    buf_adds(to, "[");
    spark_bar(to, share, BAR, w->ascii);
    buf_addf(to, "] %d %%, %zu of %zu runs\n", (int)(share * 100), ended, p->runs_n);
    for (size_t i = 0; i < p->arms_n && i < arms; i++) {
        draw_arm(to, w, &p->arms[i], width);
        buf_addc(to, '\n');
    }
    if (arms < p->arms_n)
        buf_addf(to, "  and %zu more arms\n", p->arms_n - arms);
}

/* Over the one before; lines are cut by the terminal, not wrapped. */
static void redraw(struct watcher *w)
{
    struct winsize size = { 0 };
    struct buf text;
    char up[16];
    w->columns = say_columns(stdout);
    ioctl(1, TIOCGWINSZ, &size);
    size_t arms = size.ws_row > 6 ? (size_t)size.ws_row - 4 : w->progress.arms_n;
    buf_init(&text, 0);
    draw(w, arms, &text);
    snprintf(up, sizeof up, "\033[%zuA", w->lines);
    if (w->lines > 0)
        say_raw(stdout, up);
    say_raw(stdout, "\033[?7l");
    w->lines = 0;
    for (const char *line = text.data, *end; line != NULL && (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        say_text(line, (size_t)(end - line));
        say_raw(stdout, "\033[K\n");
        w->lines++;
    }
    say_raw(stdout, "\033[?7h");
    fflush(stdout);
    buf_done(&text);
    w->drawn_ms = clock_mono_ms();
    w->changed = false;
}

static void tell_tenth(struct watcher *w)
{
    size_t ended;
    double share = progress_share(&w->progress, &ended);
    int tenth = (int)(share * 10);
    w->changed = false;
    if (tenth <= w->tenth)
        return;
    w->tenth = tenth;
    say("%3d %%, %zu of %zu runs\n", (int)(share * 100), ended, w->progress.runs_n);
    fflush(stdout);
}

static void show(struct watcher *w)
{
    if (w->json || !w->changed)
        return;
    if (w->columns == 0)
        tell_tenth(w);
    else if (clock_mono_ms() - w->drawn_ms >= DRAW_MS)
        redraw(w);
}

static void on_tick(void *arg)
{
    show(arg);
}

/* What there is. */

static int load_curves(struct watcher *w, size_t arm, struct err *err)
{
    int64_t run = w->progress.arms[arm].lead;
    char points[16];
    json_t *value = NULL;
    struct buf path = path_of("/runs/%lld/metrics", run), names;
    buf_init(&names, 0);
    buf_adds(&names, progress_loss);
    if (strcmp(w->progress.metric, progress_loss) != 0)
        buf_addf(&names, ",%s", w->progress.metric);
    snprintf(points, sizeof points, "%d", POINTS);
    http_query(&path, "names", names.failed ? progress_loss : names.data);
    http_query(&path, "points", points);
    int status = http_json(w->call->http, "GET", path.data, NULL, &value, err);
    if (status == 0)
        progress_curves(&w->progress, run, json_object_get(value, "series"));
    json_decref(value);
    buf_done(&names);
    buf_done(&path);
    return status;
}

static int load_runs(struct watcher *w, struct err *err)
{
    char *token = NULL, id[24];
    int status = 0;
    snprintf(id, sizeof id, "%lld", (long long)w->progress.id);
    do {
        struct buf path = path_of("/runs", 0);
        json_t *page = NULL, *run;
        size_t i, lead;
        http_query(&path, "experiment", id);
        http_query(&path, "page_size", "1000");
        if (token != NULL)
            http_query(&path, "page_token", token);
        free(token);
        token = NULL;
        status = http_json(w->call->http, "GET", path.data, NULL, &page, err);
        json_array_foreach(json_object_get(page, "items"), i,
                           run) if (status == 0 && !progress_run(&w->progress, run, &lead)) status =
            err_no_memory(err, "the runs");
        const char *next = json_string_value(json_object_get(page, "next_page_token"));
        if (status == 0 && next != NULL && i > 0)
            token = strdup(next);
        json_decref(page);
        buf_done(&path);
    } while (token != NULL);
    return status;
}

static int load(struct watcher *w, int64_t id, struct err *err)
{
    json_t *experiment = NULL;
    struct buf path = path_of("/experiments/%lld", id);
    int status = http_json(w->call->http, "GET", path.data, NULL, &experiment, err);
    if (status == 0 && !progress_begin(&w->progress, experiment))
        status = err_set(err, ERR_PROTOCOL, "the daemon's answer is no experiment");
    w->as_of = json_integer_value(json_object_get(experiment, "as_of"));
    json_decref(experiment);
    buf_done(&path);
    if (status == 0)
        status = load_runs(w, err);
    for (size_t i = 0; i < w->progress.arms_n && status == 0; i++)
        if (w->progress.arms[i].lead != 0 && !w->json)
            status = load_curves(w, i, err);
    w->over = progress_over(&w->progress);
    w->changed = true;
    return status;
}

/* What happens. */

static int on_event(void *arg, int64_t id, const char *name, const json_t *data)
{
    struct watcher *w = arg;
    (void)id;
    size_t lead;
    if (w->json) {
        json_t *line = json_pack("{s:s,s:O}", "event", name, "data", data);
        say_json(line);
        json_decref(line);
        fflush(stdout);
    }
    if (strcmp(name, "resync") == 0)
        w->again = true;
    else if (strcmp(name, "run") == 0)
        w->failed |= !progress_run(&w->progress, json_object_get(data, "run"), &lead);
    else if (strcmp(name, "metrics") == 0)
        progress_series(&w->progress, json_integer_value(json_object_get(data, "run")),
                        json_object_get(data, "series"));
    else if (strcmp(name, "experiment") == 0)
        w->again |=
            json_object_get(data, "deleted") != NULL ||
            json_integer_value(json_object_get(json_object_get(data, "experiment"), "runs")) >
                (json_int_t)w->progress.runs_n; /* seeds were added */
    w->changed = true;
    w->over = progress_over(&w->progress);
    show(w);
    return w->again || w->over || w->failed;
}

static int follow(struct watcher *w, int64_t id, struct err *err)
{
    char text[24];
    int64_t trouble_ms = 0;
    struct buf path = path_of("/events", 0);
    int status = 0;
    snprintf(text, sizeof text, "%lld", (long long)id);
    http_query(&path, "experiment", text);
    do {
        status = load(w, id, err);
        if (status != 0) {
            if (follow_wait(w->call, status, err, &trouble_ms))
                continue;
            break;
        }
        trouble_ms = 0;
        show(w);
        struct follow stream = { .call = w->call,
                                 .path = path.data,
                                 .after = w->as_of,
                                 .take = on_event,
                                 .tick = on_tick,
                                 .arg = w };
        w->again = false;
        if (!w->over)
            status = follow_events(&stream, err);
        if (w->failed)
            status = err_no_memory(err, "the runs");
        if (status != 0)
            break;
    } while (!w->over && !follow_interrupted());
    buf_done(&path);
    return follow_interrupted() ? 0 : status;
}

/* The end. */

static int exit_of(const json_t *report)
{
    const json_t *counts = json_object_get(json_object_get(report, "experiment"), "counts");
    size_t i;
    json_t *claim;
    int exit = EXIT_SOUND;
    json_array_foreach(json_object_get(report, "primary"), i, claim)
    {
        const char *verdict = json_string_value(json_object_get(claim, "verdict"));
        if (verdict != NULL && strcmp(verdict, "invalid") == 0)
            exit = EXIT_INVALID;
    }
    if (json_integer_value(json_object_get(counts, "failed")) > 0)
        exit = EXIT_FAILED;
    if (json_integer_value(json_object_get(counts, "cancelled")) > 0)
        exit = EXIT_CANCELLED;
    return exit;
}

static int conclude(struct watcher *w, int64_t id, struct err *err)
{
    json_t *report = NULL, *remark;
    size_t i;
    struct buf path = path_of("/experiments/%lld/report", id);
    int status = http_json(w->call->http, "GET", path.data, NULL, &report, err);
    const json_t *verdict = json_object_get(report, "verdict");
    if (status == 0)
        w->call->exit = exit_of(report);
    if (status == 0 && w->json) {
        json_t *line = json_pack("{s:s,s:O?,s:O?,s:i}", "event", "end", "experiment",
                                 json_object_get(report, "experiment"), "verdict", verdict, "exit",
                                 w->call->exit);
        say_json(line);
        json_decref(line);
    } else if (status == 0) {
        char *sentence = say_name(json_string_value(json_object_get(verdict, "sentence")));
        say("%s\n", sentence);
        free(sentence);
        json_array_foreach(json_object_get(report, "remarks"), i, remark)
        {
            char *text = say_name(json_string_value(remark));
            say("%s\n", text);
            free(text);
        }
    }
    json_decref(report);
    buf_done(&path);
    return status;
}

static void say_last(struct watcher *w)
{
    struct buf text;
    if (w->columns > 0) {
        redraw(w);
        return;
    }
    buf_init(&text, 0);
    draw(w, w->progress.arms_n, &text);
    say_text(text.data != NULL ? text.data : "", text.len);
    buf_done(&text);
}

int watch_experiment(struct call *call, int64_t id, struct err *err)
{
    struct watcher *w = calloc(1, sizeof *w);
    int64_t patience;
    if (w == NULL)
        return err_no_memory(err, "the watcher");
    w->call = call;
    w->json = call->option[OPTION_JSON] != NULL;
    w->ascii = call->option[OPTION_ASCII] != NULL || !say_utf8();
    w->columns = say_columns(stdout);
    w->tenth = -1;
    follow_catch();
    int status = option_number(call, OPTION_PATIENCE, 0, 31536000, 0, &patience, err);
    if (status == 0)
        status = follow(w, id, err);
    if (status == 0 && w->over) {
        if (!w->json)
            say_last(w);
        int64_t trouble_ms = 0;
        do
            status = conclude(w, id, err);
        while (status != 0 && follow_wait(call, status, err, &trouble_ms));
    } else if (status == 0) {
        call->exit = EXIT_INTERRUPT;
        say_aside(
            "the runs of experiment %lld train on; ablate watch %lld follows them again, ablate "
            "cancel %lld ends them",
            (long long)id, (long long)id, (long long)id);
    }
    progress_done(&w->progress);
    free(w);
    return status;
}

int command_watch(struct call *call, struct err *err)
{
    int64_t id = 0;
    int status = take_number("an experiment", call->operands[0], 1, 9007199254740991, &id, err);
    return status == 0 ? watch_experiment(call, id, err) : status;
}
