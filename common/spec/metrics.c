/* The table of metrics.h, and what can be asked of it. */
#include "common/spec/metrics.h"

#include "common/spec/attention.h"

#include <string.h>

#define NAME(id, name_, ...) name_,
#define ROW(id, name_, title_, unit_, format_, goal_, needs_, ...)                                 \
    [METRIC_##id] = { .name = name_,                                                               \
                      .title = title_,                                                             \
                      .unit = unit_,                                                               \
                      .format = FORMAT_##format_,                                                  \
                      .goal = AIM_##goal_,                                                         \
                      .needs = NEEDS_##needs_,                                                     \
                      __VA_ARGS__ },
const struct metric_info metric_table[] = { METRIC_LIST(ROW) };
const char *const metric_names[] = { METRIC_LIST(NAME) NULL };
#undef ROW
#undef NAME

static bool is_routed(const struct run_spec *spec)
{
    return spec->model.experts > 1;
}

static bool trains_indexer(const struct run_spec *spec)
{
    return run_spec_any(spec, attention_learns);
}

static bool chooses(const struct spec_attention *attention)
{
    return attention_info_of(attention)->chooses;
}

static bool chooses_keys(const struct run_spec *spec)
{
    return run_spec_any(spec, chooses);
}

static const struct {
    bool (*met)(const struct run_spec *spec); /* NULL: by every run */
    const char *words;
} needs[] = {
    [NEEDS_NOTHING] = { NULL, NULL },
    [NEEDS_EXPERTS] = { is_routed, "more than one expert" },
    [NEEDS_TRAINED_INDEXER] = { trains_indexer, "an indexer that is trained" },
    [NEEDS_CHOICE] = { chooses_keys, "attention that chooses its keys" },
};

const struct metric_info *metric_find(const char *name)
{
    for (int i = 0; i < METRICS; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}

bool metric_measured(enum metric metric, const struct run_spec *spec)
{
    bool (*met)(const struct run_spec *) = needs[metric_table[metric].needs].met;
    return met == NULL || met(spec);
}

const char *metric_needs(enum metric metric)
{
    return needs[metric_table[metric].needs].words;
}

bool metric_is_share(const char *name)
{
    const struct metric_info *info = metric_find(name);
    return info != NULL && info->format == FORMAT_SHARE;
}

bool metric_is_clock(const char *name)
{
    const struct metric_info *info = metric_find(name);
    return info != NULL && info->clock;
}

json_t *metrics_json(void)
{
    static const char *const formats[] = {
        [FORMAT_DECIMAL] = "decimal", [FORMAT_SIGNIFICANT] = "significant",
        [FORMAT_SHORT] = "short",     [FORMAT_SHARE] = "share",
        [FORMAT_SECONDS] = "seconds",
    };
    static const char *const goals[] = { [AIM_MIN] = "min", [AIM_MAX] = "max" };
    json_t *list = json_array();
    for (int i = 0; i < METRICS; i++) {
        const struct metric_info *info = &metric_table[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b, s:s?}", "name", info->name,
                                        "title", info->title, "unit", info->unit, "format",
                                        formats[info->format], "goal", goals[info->goal], "clock",
                                        (int)info->clock, "needs", metric_needs((enum metric)i)));
    }
    return list;
}
