/* Rows come by metric, then step, so that a series grows at its end and is searched by halves. */
#include "worker/capsule/capsule_values.h"

#include "common/spec/metrics.h"
#include "worker/capsule/capsule_run_reader.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(struct err *err)
{
    return err_no_memory(err, "the run's values");
}

static struct capsule_series *add_series(struct capsule_values *r, const char *metric)
{
    struct capsule_series *more = realloc(r->series, (r->n + 1) * sizeof *more);
    char *name = strdup(metric);
    if (more != NULL)
        r->series = more;
    if (more == NULL || name == NULL) {
        free(name);
        return NULL;
    }
    r->series[r->n] = (struct capsule_series){ .metric = name };
    return &r->series[r->n++];
}

static bool grow(struct capsule_series *s)
{
    size_t size = s->size == 0 ? 64 : 2 * s->size;
    struct capsule_point *more = realloc(s->values, size * sizeof *more);
    if (more == NULL)
        return false;
    s->values = more;
    s->size = size;
    return true;
}

/* Rows come by metric, then step. */
static int take(void *arg, const char *metric, int64_t step, double value, struct err *err)
{
    struct capsule_values *r = arg;
    struct capsule_series *s = r->n > 0 ? &r->series[r->n - 1] : NULL;
    if (s == NULL || strcmp(s->metric, metric) != 0)
        s = add_series(r, metric);
    if (s == NULL || (s->n == s->size && !grow(s)))
        return no_memory(err);
    s->values[s->n++] = (struct capsule_point){ .step = step, .value = value };
    return 0;
}

int capsule_values_read(const struct capsule *capsule, int64_t run, struct capsule_values *ret,
                        struct err *err)
{
    struct capsule_values values = { 0 };
    int status = capsule_metrics(capsule, run, take, &values, err);
    if (status != 0) {
        capsule_values_done(&values);
        return status;
    }
    *ret = values;
    return 0;
}

void capsule_values_done(struct capsule_values *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->series[i].metric);
        free(r->series[i].values);
    }
    free(r->series);
    *r = (struct capsule_values){ 0 };
}

static int by_name(const void *key, const void *series)
{
    return strcmp(key, ((const struct capsule_series *)series)->metric);
}

static int by_step(const void *key, const void *value)
{
    int64_t a = *(const int64_t *)key, b = ((const struct capsule_point *)value)->step;
    return (a > b) - (a < b);
}

bool capsule_values_meet(struct capsule_values *r, const char *metric, int64_t step, double *ret)
{
    struct capsule_series *s =
        r->n > 0 ? bsearch(metric, r->series, r->n, sizeof *r->series, by_name) : NULL;
    struct capsule_point *at =
        s != NULL ? bsearch(&step, s->values, s->n, sizeof *s->values, by_step) : NULL;
    if (at == NULL)
        return false;
    at->met = true;
    *ret = at->value;
    return true;
}

const char *capsule_values_unmet(const struct capsule_values *r, int64_t *ret_step,
                                 double *ret_value)
{
    const char *found = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct capsule_series *s = &r->series[i];
        size_t k = 0;
        while (k < s->n && s->values[k].met)
            k++;
        if (metric_is_clock(s->metric) || k == s->n ||
            (found != NULL && s->values[k].step >= *ret_step))
            continue;
        found = s->metric;
        *ret_step = s->values[k].step;
        *ret_value = s->values[k].value;
    }
    return found;
}
