/* One run out of a sweep: the sections, with the arm's overrides and then the grid's put in.
 *
 * The run's decoder knows nothing of overrides, so an error it finds is translated: if an override
 * wrote the place that it points to, the error points into that override. A rule over several
 * fields may point to one that the base gave while an override caused the contradiction; the
 * culprit is then the override without which the run would be sound.
 */
#include "common/sweep/sweep_run.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep.h"

#include <stdio.h>
#include <string.h>

enum { MAX_OVERRIDES = 256 };

struct override {
    const char *path;
    json_t *value; /* borrowed */
    size_t index;  /* of the value in its factor; SIZE_MAX for an arm's */
};

struct overrides {
    struct override items[MAX_OVERRIDES];
    size_t n;
    const char *arm;
};

/* Run i is seed i / (points·arms), then the grid point with its last factor fastest, then the arm.
 */
static void locate(const struct sweep *sweep, size_t i, size_t *ret_arm,
                   size_t ret_point[SWEEP_MAX_FACTORS], size_t *ret_seed)
{
    *ret_arm = i % sweep->arms_n;
    i /= sweep->arms_n;
    for (size_t j = sweep->factors_n; j-- > 0;) {
        size_t n = json_array_size(sweep->factor_values[j]);
        ret_point[j] = i % n;
        i /= n;
    }
    *ret_seed = i;
}

static int collect(const struct sweep *sweep, size_t arm, const size_t point[SWEEP_MAX_FACTORS],
                   struct overrides *ret, struct err *err)
{
    const char *path;
    json_t *value;
    json_t *own = json_object_get(json_object_get(sweep->spec, "arms"), sweep->arm_names[arm]);
    ret->n = 0;
    ret->arm = sweep->arm_names[arm];
    if (json_object_size(own) > MAX_OVERRIDES - SWEEP_MAX_FACTORS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/arms", "arm \"%s\" has too many paths",
                          ret->arm);
    json_object_foreach(own, path, value)
    {
        ret->items[ret->n++] = (struct override){ path, value, SIZE_MAX };
    }
    for (size_t j = 0; j < sweep->factors_n; j++)
        ret->items[ret->n++] =
            (struct override){ sweep->factor_paths[j],
                               json_array_get(sweep->factor_values[j], point[j]), point[j] };
    return 0;
}

/* "a.b.c" as "/a/b/c". Paths are known ones, so they need no escapes. */
static void path_pointer(const char *path, char *ret, size_t size)
{
    snprintf(ret, size, "/%s", path);
    for (char *c = ret; *c != '\0'; c++)
        if (*c == '.')
            *c = '/';
}

static void override_pointer(const struct overrides *overrides, const struct override *override,
                             char *ret, size_t size)
{
    char index[24];
    if (override->index == SIZE_MAX) {
        jsonx_pointer(ret, size, "/arms", overrides->arm);
        jsonx_pointer(ret, size, ret, override->path);
    } else {
        snprintf(index, sizeof index, "%zu", override->index);
        jsonx_pointer(ret, size, "/grid", override->path);
        jsonx_pointer(ret, size, ret, index);
    }
}

/* Of steps and flops, an arm's (the grid's) takes the place of what stands there before. */
static void yield_budget(const struct overrides *overrides, size_t skip, bool grid, json_t *train)
{
    bool steps = false, flops = false;
    for (size_t i = 0; i < overrides->n; i++) {
        const struct override *o = &overrides->items[i];
        if (i == skip || (o->index != SIZE_MAX) != grid)
            continue;
        steps |= strcmp(o->path, "train.steps") == 0;
        flops |= strcmp(o->path, "train.flops") == 0 && json_number_value(o->value) > 0;
    }
    spec_budget_yield(train, steps, flops);
}

/* Puts value at path; every object on the way there must exist. */
static int apply(json_t *spec, const struct override *override, struct err *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s", override->path);
    json_t *at = spec;
    char *key = path;
    for (char *dot = strchr(key, '.'); dot != NULL; dot = strchr(key, '.')) {
        *dot = '\0';
        at = json_object_get(at, key);
        key = dot + 1;
    }
    /* A copy: a later override may reach into it. */
    if (json_object_set_new(at, key, json_deep_copy(override->value)) != 0) {
        char pointer[sizeof err->pointer];
        path_pointer(override->path, pointer, sizeof pointer);
        *strrchr(pointer, '/') = '\0';
        return err_set_at(err, ERR_WRONG_TYPE, pointer,
                          "%s is put into something that is no object", override->path);
    }
    return 0;
}

/* Builds the run with all overrides but number `skip` (SIZE_MAX: none left out). */
static int build(const struct sweep *sweep, const struct overrides *overrides, size_t skip,
                 int64_t seed, struct run_spec *ret, struct err *err)
{
    static const char *const sections[] = { "data", "model", "train" };
    json_t *spec = json_object();
    int status = 0;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        json_object_set_new(spec, sections[i],
                            json_deep_copy(json_object_get(sweep->spec, sections[i])));
    json_object_set_new(spec, "seed", json_integer(seed));
    json_object_set(spec, "artifacts", json_object_get(sweep->spec, "artifacts"));
    for (size_t i = 0; i < overrides->n && status == 0; i++) {
        bool grid = overrides->items[i].index != SIZE_MAX; /* these come behind the arm's */
        if (i == 0 || grid != (overrides->items[i - 1].index != SIZE_MAX))
            yield_budget(overrides, skip, grid, json_object_get(spec, "train"));
        if (i != skip)
            status = apply(spec, &overrides->items[i], err);
    }
    spec_fill_split(json_object_get(spec, "data"));
    if (status == 0)
        status = run_spec_decode(spec, "", ret, err);
    json_decref(spec);
    return status;
}

/* Whether pointer names the place at `prefix` or something inside it. */
static bool is_within(const char *pointer, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(pointer, prefix, len) == 0 && (pointer[len] == '\0' || pointer[len] == '/');
}

static void blame(const struct sweep *sweep, const struct overrides *overrides, int64_t seed,
                  struct err *err)
{
    char place[128], pointer[sizeof err->pointer];
    for (size_t i = overrides->n; i-- > 0;) {
        path_pointer(overrides->items[i].path, place, sizeof place);
        if (!is_within(err->pointer, place))
            continue;
        override_pointer(overrides, &overrides->items[i], pointer, sizeof pointer);
        size_t used = strlen(pointer);
        snprintf(pointer + used, sizeof pointer - used, "%s", err->pointer + strlen(place));
        memcpy(err->pointer, pointer, sizeof err->pointer);
        return;
    }
    for (size_t i = overrides->n; i-- > 0;) {
        struct run_spec ignored;
        struct err other;
        if (build(sweep, overrides, i, seed, &ignored, &other) == 0) {
            override_pointer(overrides, &overrides->items[i], err->pointer, sizeof err->pointer);
            return;
        }
    }
}

int sweep_run(const struct sweep *sweep, size_t i, struct sweep_item *ret, struct err *err)
{
    struct err ignored;
    if (err == NULL)
        err = &ignored;
    size_t arm, point[SWEEP_MAX_FACTORS], seed;
    struct overrides overrides;
    struct sweep_item item = { 0 };
    locate(sweep, i, &arm, point, &seed);
    int status = collect(sweep, arm, point, &overrides, err);
    if (status < 0)
        return status;
    status = build(sweep, &overrides, SIZE_MAX, sweep->seeds[seed], &item.spec, err);
    if (status < 0) {
        blame(sweep, &overrides, sweep->seeds[seed], err);
        return status;
    }
    item.arm = sweep->arm_names[arm];
    item.grid = json_object();
    for (size_t j = 0; j < sweep->factors_n; j++)
        json_object_set(item.grid, sweep->factor_paths[j],
                        json_array_get(sweep->factor_values[j], point[j]));
    *ret = item;
    return 0;
}
