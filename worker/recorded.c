#include "worker/recorded.h"

#include "common/recompute.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "no memory for the run's values");
}

static struct recorded_series *add_series(struct recorded *r, const char *metric)
{
    struct recorded_series *more = realloc(r->series, (r->n + 1) * sizeof *more);
    char *name = strdup(metric);
    if (more != NULL)
        r->series = more;
    if (more == NULL || name == NULL) {
        free(name);
        return NULL;
    }
    r->series[r->n] = (struct recorded_series){ .metric = name };
    return &r->series[r->n++];
}

static bool grow(struct recorded_series *s)
{
    size_t size = s->size == 0 ? 64 : 2 * s->size;
    int64_t *steps = realloc(s->steps, size * sizeof *steps);
    s->steps = steps != NULL ? steps : s->steps;
    double *values = realloc(s->values, size * sizeof *values);
    s->values = values != NULL ? values : s->values;
    bool *met = realloc(s->met, size * sizeof *met);
    s->met = met != NULL ? met : s->met;
    if (steps == NULL || values == NULL || met == NULL)
        return false;
    s->size = size;
    return true;
}

/* Rows come by metric, then step. */
static int take(void *arg, const char *metric, int64_t step, double value, struct err *err)
{
    struct recorded *r = arg;
    struct recorded_series *s = r->n > 0 ? &r->series[r->n - 1] : NULL;
    if (s == NULL || strcmp(s->metric, metric) != 0)
        s = add_series(r, metric);
    if (s == NULL || (s->n == s->size && !grow(s)))
        return no_memory(err);
    s->steps[s->n] = step;
    s->values[s->n] = value;
    s->met[s->n++] = false;
    return 0;
}

int recorded_read(const struct capsule *capsule, int64_t run, struct recorded *ret, struct err *err)
{
    struct recorded recorded = { 0 };
    int status = capsule_metrics(capsule, run, take, &recorded, err);
    if (status != 0) {
        recorded_done(&recorded);
        return status;
    }
    *ret = recorded;
    return 0;
}

void recorded_done(struct recorded *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->series[i].metric);
        free(r->series[i].steps);
        free(r->series[i].values);
        free(r->series[i].met);
    }
    free(r->series);
    *r = (struct recorded){ 0 };
}

static int by_name(const void *key, const void *series)
{
    return strcmp(key, ((const struct recorded_series *)series)->metric);
}

static int by_step(const void *key, const void *step)
{
    int64_t a = *(const int64_t *)key, b = *(const int64_t *)step;
    return (a > b) - (a < b);
}

bool recorded_meet(struct recorded *r, const char *metric, int64_t step, double *ret)
{
    struct recorded_series *s =
        r->n > 0 ? bsearch(metric, r->series, r->n, sizeof *r->series, by_name) : NULL;
    const int64_t *at =
        s != NULL ? bsearch(&step, s->steps, s->n, sizeof *s->steps, by_step) : NULL;
    if (at == NULL)
        return false;
    s->met[at - s->steps] = true;
    *ret = s->values[at - s->steps];
    return true;
}

const char *recorded_unmet(const struct recorded *r, int64_t *ret_step, double *ret_value)
{
    const char *found = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct recorded_series *s = &r->series[i];
        size_t k = 0;
        while (k < s->n && s->met[k])
            k++;
        if (recompute_exempts(s->metric) || k == s->n ||
            (found != NULL && s->steps[k] >= *ret_step))
            continue;
        found = s->metric;
        *ret_step = s->steps[k];
        *ret_value = s->values[k];
    }
    return found;
}
