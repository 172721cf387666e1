/* The sum of a configuration's runs, its rank, and the metrics that choose and are compared. */
#include "common/sweep/tuning.h"

#include "common/spec/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void tuning_add(struct tuning_sum *s, double value)
{
    if (!isfinite(value)) {
        s->diverged++;
        return;
    }
    s->finite++;
    s->mean += (value - s->mean) / (double)s->finite;
}

static int rank_of(const struct tuning_sum *s)
{
    if (tuning_is_empty(s))
        return 4;
    if (s->diverged > 0)
        return s->finite == 0 ? 3 : 2;
    return s->finite + s->cancelled < s->runs ? 1 : 0;
}

bool tuning_prefers(const struct tuning_sum *a, const struct tuning_sum *b, bool maximise)
{
    if (rank_of(a) != rank_of(b))
        return rank_of(a) < rank_of(b);
    return maximise ? a->mean > b->mean : a->mean < b->mean;
}

const char *tuning_metric(const json_t *spec)
{
    const char *metric =
        json_string_value(json_object_get(json_object_get(spec, "compare"), "metric"));
    return metric != NULL ? metric : metric_names[METRIC_VAL_LOSS];
}

void tuning_metrics(const json_t *spec, struct tuning_metrics *ret)
{
    const json_t *compare = json_object_get(spec, "compare");
    const char *metric = tuning_metric(spec);
    const char *slash = strchr(metric, '/');
    size_t part = slash != NULL ? (size_t)(slash - metric) : 0;
    ret->held_out = json_array_size(json_object_get(compare, "tune")) > 0 &&
                    ((part == 3 && strncmp(metric, "val", part) == 0) ||
                     (part == 4 && strncmp(metric, "test", part) == 0));
    const char *by = ret->held_out ? "val" : "", *compared = ret->held_out ? "test" : "";
    const char *rest = ret->held_out ? slash : metric;
    snprintf(ret->chosen_by, sizeof ret->chosen_by, "%s%s", by, rest);
    snprintf(ret->compared, sizeof ret->compared, "%s%s", compared, rest);
}
