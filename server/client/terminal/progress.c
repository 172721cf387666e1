/* Runs are kept by id, since events name them; there are up to ten thousand. */
#include "server/client/terminal/progress.h"

#include "common/json/jsonx.h"
#include "server/client/terminal/say.h"

#include <stdlib.h>
#include <string.h>

const char progress_loss[] = "train/loss";

static void arm_done(struct progress_arm *arm)
{
    free(arm->name);
    free(arm->reason);
    free(arm->curves);
}

void progress_done(struct progress *p)
{
    for (size_t i = 0; i < p->arms_n; i++)
        arm_done(&p->arms[i]);
    free(p->arms);
    free(p->runs);
    free(p->name);
    free(p->metric);
    *p = (struct progress){ 0 };
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

bool progress_begin(struct progress *p, const json_t *experiment)
{
    const json_t *arms = json_object_get(experiment, "arms");
    progress_done(p);
    p->id = json_integer_value(json_object_get(experiment, "id"));
    p->name = say_name(text_of(experiment, "name"));
    p->metric = strdup(text_of(json_object_get(experiment, "compare"), "metric"));
    snprintf(p->state, sizeof p->state, "%s", text_of(experiment, "state"));
    size_t n = json_array_size(arms);
    p->arms = calloc(n + 1, sizeof *p->arms);
    if (p->id == 0 || p->name == NULL || p->metric == NULL || p->arms == NULL)
        return false;
    for (; p->arms_n < n; p->arms_n++) {
        struct progress_arm *arm = &p->arms[p->arms_n];
        arm->name = say_name(json_string_value(json_array_get(arms, p->arms_n)));
        arm->curves = calloc(PROGRESS_CURVES, sizeof *arm->curves);
        if (arm->name == NULL || arm->curves == NULL) {
            arm_done(arm);
            return false;
        }
    }
    return true;
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct progress_run *)a)->id, y = ((const struct progress_run *)b)->id;
    return (x > y) - (x < y);
}

const struct progress_run *progress_find(const struct progress *p, int64_t id)
{
    const struct progress_run key = { .id = id };
    return p->runs_n > 0 ? bsearch(&key, p->runs, p->runs_n, sizeof *p->runs, by_id) : NULL;
}

/* The run's place, which is made; runs mostly come in the order of their ids. */
static struct progress_run *place(struct progress *p, int64_t id)
{
    const struct progress_run *known = progress_find(p, id);
    if (known != NULL)
        return &p->runs[known - p->runs];
    if (p->runs_n == p->runs_size) {
        size_t size = p->runs_size == 0 ? 64 : p->runs_size * 2;
        struct progress_run *runs = reallocarray(p->runs, size, sizeof *runs);
        if (runs == NULL)
            return NULL;
        p->runs = runs;
        p->runs_size = size;
    }
    size_t at = p->runs_n++;
    for (; at > 0 && p->runs[at - 1].id > id; at--)
        p->runs[at] = p->runs[at - 1];
    p->runs[at] = (struct progress_run){ .id = id };
    return &p->runs[at];
}

static size_t arm_of(const struct progress *p, const json_t *run)
{
    char *name = say_name(text_of(run, "arm"));
    size_t arm = 0;
    while (name != NULL && arm < p->arms_n && strcmp(p->arms[arm].name, name) != 0)
        arm++;
    free(name);
    return arm;
}

static bool begins_later(const struct progress *p, const struct progress_run *run, int64_t than)
{
    const struct progress_run *other = progress_find(p, than);
    return other == NULL || strcmp(run->started_at, other->started_at) > 0;
}

bool progress_run(struct progress *p, const json_t *object, size_t *ret_lead)
{
    int64_t id = json_integer_value(json_object_get(object, "id"));
    size_t arm = arm_of(p, object);
    *ret_lead = p->arms_n;
    if (id <= 0 || arm == p->arms_n)
        return true; /* another experiment's */
    struct progress_run *run = place(p, id);
    if (run == NULL)
        return false;
    run->arm = arm;
    run->seed = json_integer_value(json_object_get(object, "seed"));
    run->step = json_integer_value(json_object_get(object, "step"));
    run->steps = json_integer_value(json_object_get(object, "steps"));
    snprintf(run->state, sizeof run->state, "%s", text_of(object, "state"));
    snprintf(run->started_at, sizeof run->started_at, "%s", text_of(object, "started_at"));
    struct progress_arm *of = &p->arms[arm];
    if (run->started_at[0] != '\0' && of->lead != id && begins_later(p, run, of->lead)) {
        of->lead = id;
        memset(of->curves, 0, PROGRESS_CURVES * sizeof *of->curves);
        *ret_lead = arm;
    }
    if (of->lead == id) {
        free(of->reason);
        of->reason = strcmp(run->state, "failed") == 0 ? say_name(text_of(object, "reason")) : NULL;
    }
    return true;
}

static void add(struct curve *curve, int64_t step, const json_t *value)
{
    double number;
    if ((curve->n > 0 && step <= curve->step) || jsonx_to_double(value, &number) != 0)
        return;
    curve->step = step;
    curve->last = number;
    curve->every = curve->every > 0 ? curve->every : 1;
    if (++curve->skipped < curve->every)
        return;
    if (curve->n == PROGRESS_VALUES) { /* this one is the first half of a longer wait */
        for (size_t i = 0; i < PROGRESS_VALUES / 2; i++)
            curve->values[i] = curve->values[2 * i + 1];
        curve->n = PROGRESS_VALUES / 2;
        curve->every *= 2;
        return;
    }
    curve->skipped = 0;
    curve->values[curve->n++] = number;
}

/* Elements that begin with the step; the value stands in place `at`. */
static void add_all(struct curve *curve, const json_t *elements, size_t step_at, size_t at)
{
    size_t i;
    json_t *one;
    json_array_foreach(elements, i, one)
        add(curve, json_integer_value(json_array_get(one, step_at)), json_array_get(one, at));
}

static struct progress_arm *led_by(struct progress *p, int64_t run)
{
    for (size_t i = 0; i < p->arms_n; i++)
        if (p->arms[i].lead == run && run != 0)
            return &p->arms[i];
    return NULL;
}

void progress_series(struct progress *p, int64_t run, const json_t *series)
{
    struct progress_run *of = (struct progress_run *)(uintptr_t)progress_find(p, run);
    struct progress_arm *arm = led_by(p, run);
    const char *name;
    json_t *points;
    json_object_foreach((json_t *)(uintptr_t)series, name, points)
    {
        size_t n = json_array_size(points);
        int64_t step = json_integer_value(json_array_get(json_array_get(points, n - 1), 0));
        if (of != NULL && n > 0 && step > of->step)
            of->step = step;
    }
    if (arm == NULL)
        return;
    add_all(&arm->curves[0], json_object_get(series, p->metric), 0, 1);
    add_all(&arm->curves[1], json_object_get(series, progress_loss), 0, 1);
}

/* A bucket is [first step, last step, min, max, mean, count, not finite]. */
static void add_series(struct curve *curve, const json_t *one)
{
    add_all(curve, json_object_get(one, "points"), 0, 1);
    add_all(curve, json_object_get(one, "buckets"), 1, 4);
}

void progress_curves(struct progress *p, int64_t run, const json_t *series)
{
    struct progress_arm *arm = led_by(p, run);
    if (arm == NULL)
        return;
    add_series(&arm->curves[0], json_object_get(series, p->metric));
    add_series(&arm->curves[1], json_object_get(series, progress_loss));
}

static bool has_ended(const struct progress_run *run)
{
    return strcmp(run->state, "queued") != 0 && strcmp(run->state, "running") != 0;
}

double progress_share(const struct progress *p, size_t *ret_ended)
{
    double done = 0, total = 0;
    *ret_ended = 0;
    for (size_t i = 0; i < p->runs_n; i++) {
        bool ended = has_ended(&p->runs[i]);
        *ret_ended += ended;
        done += (double)(ended ? p->runs[i].steps : p->runs[i].step);
        total += (double)p->runs[i].steps;
    }
    return total > 0 ? done / total : 0;
}

bool progress_over(const struct progress *p)
{
    size_t ended;
    progress_share(p, &ended);
    return p->runs_n > 0 && ended == p->runs_n;
}
