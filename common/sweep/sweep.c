/* An experiment: checked once, as a whole, before any run exists.
 *
 * sweep_new works on a spec in which everything is filled in, so that what is stored is what was
 * meant even after a default has changed. Counting comes before building: sizes are multiplied with
 * overflow in mind, and the lists themselves are only walked once their product is known to be
 * small.
 */
#include "common/sweep/sweep.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/names.h"
#include "common/spec/metrics.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep_fields.h"
#include "common/sweep/sweep_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A list whose elements must differ: their canonical texts are kept as an object's keys. */
static int check_distinct(const json_t *list, const char *pointer, struct err *err)
{
    json_t *seen = json_object();
    struct buf text;
    buf_init(&text, 0);
    int status = 0;
    for (size_t i = 0; i < json_array_size(list) && status == 0; i++) {
        char index[24], at[sizeof err->pointer];
        buf_clear(&text);
        jsonx_dump(json_array_get(list, i), JSONX_CANONICAL, &text);
        if (text.failed) {
            status = err_no_memory(err, "the check of a list");
        } else if (json_object_get(seen, text.data) != NULL) {
            snprintf(index, sizeof index, "%zu", i);
            jsonx_pointer(at, sizeof at, pointer, index);
            status = err_set_at(err, ERR_INVALID_VALUE, at, "%.*s stands in the list already",
                                (int)jsonx_prefix(text.data, 64), text.data);
        } else {
            json_object_set_new(seen, text.data, json_true());
        }
    }
    buf_done(&text);
    json_decref(seen);
    return status;
}

/* Overrides of one arm, or the factors of the grid: known paths, none inside another. */
static int check_paths(const json_t *overrides, const char *pointer, struct err *err)
{
    const char *path, *other;
    json_t *value, *ignored, *iterable = (json_t *)(uintptr_t)overrides;
    json_object_foreach(iterable, path, value)
    {
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, pointer, path);
        if (!spec_path_known(path))
            return err_set_at(
                err, ERR_UNKNOWN_FIELD, at,
                "\"%.*s\" is not the path of a field of data, model or train, such as "
                "data.seq_len or model.attention.top_k",
                (int)jsonx_prefix(path, 64), path);
        json_object_foreach(iterable, other, ignored)
        {
            size_t len = strlen(other);
            if (strncmp(path, other, len) == 0 && path[len] == '.')
                return err_set_at(err, ERR_INCONSISTENT, at, "\"%s\" is a part of \"%s\"", path,
                                  other);
        }
    }
    return 0;
}

static int check_arms(struct sweep *sweep, json_t *arms, struct err *err)
{
    const char *name;
    json_t *overrides;
    size_t n = json_object_size(arms);
    if (n < 1 || n > SWEEP_MAX_ARMS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/arms",
                          "\"arms\" must have 1 to %d arms, not %zu", SWEEP_MAX_ARMS, n);
    json_object_foreach(arms, name, overrides)
    {
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, "/arms", name);
        int status = names_check(name, "an arm's name", at, err);
        if (status < 0)
            return status;
        if (!json_is_object(overrides))
            return err_set_at(err, ERR_WRONG_TYPE, at,
                              "an arm must be an object of paths and values");
        status = check_paths(overrides, at, err);
        if (status < 0)
            return status;
        sweep->arm_names[sweep->arms_n++] = name;
    }
    return 0;
}

static int check_grid(struct sweep *sweep, json_t *grid, struct err *err)
{
    const char *path;
    json_t *values;
    int status = check_paths(grid, "/grid", err);
    if (status < 0)
        return status;
    if (json_object_size(grid) > SWEEP_MAX_FACTORS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/grid",
                          "\"grid\" must have at most %d factors, not %zu", SWEEP_MAX_FACTORS,
                          json_object_size(grid));
    json_object_foreach(grid, path, values)
    {
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, "/grid", path);
        if (!json_is_array(values))
            return err_set_at(err, ERR_WRONG_TYPE, at, "a factor must be an array of values");
        if (json_array_size(values) == 0)
            return err_set_at(err, ERR_OUT_OF_RANGE, at, "a factor must have at least one value");
        sweep->factor_paths[sweep->factors_n] = path;
        sweep->factor_values[sweep->factors_n++] = values;
    }
    return 0;
}

static int count_runs(struct sweep *sweep, const json_t *seeds, struct err *err)
{
    uint64_t points = 1, runs = 0;
    bool overflow = false;
    sweep->seeds_n = json_array_size(seeds);
    for (size_t i = 0; i < sweep->factors_n; i++)
        overflow |=
            __builtin_mul_overflow(points, json_array_size(sweep->factor_values[i]), &points);
    overflow |= __builtin_mul_overflow(points, sweep->arms_n, &runs);
    overflow |= __builtin_mul_overflow(runs, sweep->seeds_n, &runs);
    const char *at = points > 1 || overflow ? "/grid" : "/seeds";
    if (overflow)
        return err_set_at(err, ERR_TOO_MANY_RUNS, at,
                          "the grid has more than 10^18 runs; at most %d are accepted",
                          SWEEP_MAX_RUNS);
    if (runs > SWEEP_MAX_RUNS)
        return err_set_at(err, ERR_TOO_MANY_RUNS, at,
                          "%zu arms, %llu grid points and %zu seeds make %llu runs; at most %d are "
                          "accepted",
                          sweep->arms_n, (unsigned long long)points, sweep->seeds_n,
                          (unsigned long long)runs, SWEEP_MAX_RUNS);
    sweep->runs_n = runs;
    return 0;
}

static int decode_seeds(struct sweep *sweep, const json_t *seeds, struct err *err)
{
    if (sweep->seeds_n == 0)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/seeds", "\"seeds\" must have at least one seed");
    sweep->seeds = calloc(sweep->seeds_n, sizeof *sweep->seeds);
    if (sweep->seeds == NULL)
        return err_no_memory(err, "the seeds");
    for (size_t i = 0; i < sweep->seeds_n; i++) {
        char at[sizeof err->pointer];
        snprintf(at, sizeof at, "/seeds/%zu", i);
        int status = jsonx_decode_value(json_array_get(seeds, i), &sweep_seed_row, &sweep->seeds[i],
                                        at, err);
        if (status < 0)
            return status;
    }
    return check_distinct(seeds, "/seeds", err);
}

int sweep_tags_check(const json_t *tags, struct err *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(tags) > SWEEP_MAX_TAGS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/tags",
                          "\"tags\" must have at most %d tags, not %zu", SWEEP_MAX_TAGS,
                          json_object_size(tags));
    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        char at[sizeof err->pointer], ignored[NAMES_BYTES];
        jsonx_pointer(at, sizeof at, "/tags", key);
        int status = names_check(key, "a tag's name", at, err);
        if (status == 0)
            status = jsonx_decode_value(value, &sweep_tag_row, ignored, at, err);
        if (status < 0)
            return status;
    }
    return 0;
}

static int check_tune(const struct sweep *sweep, struct err *err)
{
    for (size_t i = 0; i < json_array_size(sweep->compare.tune); i++) {
        char at[sizeof err->pointer];
        const char *path = json_string_value(json_array_get(sweep->compare.tune, i));
        bool found = false;
        for (size_t j = 0; path != NULL && j < sweep->factors_n && !found; j++)
            found = strcmp(path, sweep->factor_paths[j]) == 0;
        snprintf(at, sizeof at, "/compare/tune/%zu", i);
        if (path == NULL)
            return err_set_at(err, ERR_WRONG_TYPE, at, "\"tune\" must be an array of strings");
        if (!found)
            return err_set_at(err, ERR_INCONSISTENT, at, "\"%.*s\" is not a factor of the grid",
                              (int)jsonx_prefix(path, 64), path);
    }
    return check_distinct(sweep->compare.tune, "/compare/tune", err);
}

/* The first look is at the seeds that are submitted; later ones are at seeds that are added. */
static int check_looks(const struct sweep *sweep, struct err *err)
{
    static const struct jsonx_field row = {
        .key = "looks", .type = JSONX_INT, .min = 1, .max = SWEEP_MAX_RUNS
    };
    size_t n = json_array_size(sweep->compare.looks);
    int64_t before = 0;
    if (n > SWEEP_MAX_LOOKS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/compare/looks",
                          "\"looks\" must have at most %d numbers, not %zu", SWEEP_MAX_LOOKS, n);
    for (size_t i = 0; i < n; i++) {
        char at[sizeof err->pointer];
        int64_t look = 0;
        snprintf(at, sizeof at, "/compare/looks/%zu", i);
        int status =
            jsonx_decode_value(json_array_get(sweep->compare.looks, i), &row, &look, at, err);
        if (status < 0)
            return status;
        if (look <= before)
            return err_set_at(err, ERR_INVALID_VALUE, at,
                              "numbers of seeds must ascend: %lld follows %lld", (long long)look,
                              (long long)before);
        if (i == 0 && look != (int64_t)sweep->seeds_n)
            return err_set_at(err, ERR_INCONSISTENT, at,
                              "the first look is at the seeds that are submitted: there are %zu, "
                              "not %lld",
                              sweep->seeds_n, (long long)look);
        before = look;
    }
    return 0;
}

static int check_allow(const json_t *allow, struct err *err)
{
    for (size_t i = 0; i < json_array_size(allow); i++) {
        char at[sizeof err->pointer];
        const char *name = json_string_value(json_array_get(allow, i));
        snprintf(at, sizeof at, "/compare/allow/%zu", i);
        if (name == NULL)
            return err_set_at(err, ERR_WRONG_TYPE, at, "\"allow\" must be an array of strings");
        if (!spec_path_known(name) && concern_of(name) == CONCERN_NONE)
            return err_set_at(err, ERR_UNKNOWN_FIELD, at,
                              "\"%.*s\" is neither the path of a field, such as train.lr, nor one "
                              "of attention, model_size, regularisation, optimiser, data, budget, "
                              "precision",
                              (int)jsonx_prefix(name, 64), name);
    }
    return check_distinct(allow, "/compare/allow", err);
}

/* Without a goal it is the metric's own: of accuracy more is better. */
static int resolve_goal(struct sweep_compare *compare, bool given, struct err *err)
{
    const struct metric_info *metric = &metric_table[compare->metric];
    if (given)
        return 0;
    if (metric->goal == AIM_NEITHER)
        return err_set_at(err, ERR_INCONSISTENT, "/compare/goal",
                          "neither less nor more %s is better by itself: goal must say which",
                          metric->name);
    compare->goal = metric->goal == AIM_MAX ? GOAL_MAX : GOAL_MIN;
    return 0;
}

int sweep_goal_check(const struct sweep *sweep, struct err *err)
{
    static const enum metric_goal goals[] = { [GOAL_MIN] = AIM_MIN, [GOAL_MAX] = AIM_MAX };
    const struct metric_info *metric = &metric_table[sweep->compare.metric];
    if (metric->goal == AIM_NEITHER || metric->goal == goals[sweep->compare.goal])
        return 0;
    bool more = metric->goal == AIM_MAX;
    return err_set_at(err, ERR_INCONSISTENT, "/compare/goal",
                      "%s %s is better: goal must be \"%s\", or left out", more ? "more" : "less",
                      metric->name, more ? "max" : "min");
}

/* Reads sweep->spec's "compare" (an object), checks it, and writes it back filled in. */
static int decode_compare(struct sweep *sweep, struct err *err)
{
    struct sweep_compare *compare = &sweep->compare;
    const json_t *given = json_object_get(sweep->spec, "compare");
    int status = jsonx_decode(given, sweep_compare_table.rows, sweep_compare_table.n, compare,
                              "/compare", err);
    if (status == 0)
        status = resolve_goal(compare, json_object_get(given, "goal") != NULL, err);
    if (status < 0)
        return status;
    if (compare->baseline[0] == '\0')
        snprintf(compare->baseline, sizeof compare->baseline, "%s", sweep->arm_names[0]);
    if (json_object_get(json_object_get(sweep->spec, "arms"), compare->baseline) == NULL)
        return err_set_at(err, ERR_INCONSISTENT, "/compare/baseline", "there is no arm \"%.*s\"",
                          (int)jsonx_prefix(compare->baseline, 64), compare->baseline);
    json_t *tune = compare->tune != NULL ? json_incref(compare->tune) : json_array();
    json_t *filled = jsonx_encode(sweep_compare_table.rows, sweep_compare_table.n, compare);
    json_object_set_new(filled, "tune", tune);
    if (json_array_size(compare->looks) > 0) /* later fields: absent without any */
        json_object_set(filled, "looks", compare->looks);
    if (json_array_size(compare->allow) > 0)
        json_object_set(filled, "allow", compare->allow);
    json_object_set_new(sweep->spec, "compare", filled);
    compare->tune = tune;
    compare->looks = json_object_get(filled, "looks");
    compare->allow = json_object_get(filled, "allow");
    status = check_tune(sweep, err);
    if (status == 0)
        status = check_looks(sweep, err);
    return status == 0 ? check_allow(compare->allow, err) : status;
}

/* Some run must measure what is compared. A run that can't be built counts as one: it is refused
 * when its turn comes, with a better reason. */
static int check_metric(const struct sweep *sweep, struct err *err)
{
    enum metric metric = (enum metric)sweep->compare.metric;
    size_t first_seed = sweep->runs_n / sweep->seeds_n;
    bool measured = metric_needs(metric) == NULL;
    for (size_t i = 0; i < first_seed && !measured; i++) {
        struct sweep_item item = { 0 };
        measured = sweep_run(sweep, i, &item, NULL) != 0 || metric_measured(metric, &item.spec);
        json_decref(item.grid);
    }
    return measured ? 0
                    : err_set_at(err, ERR_INCONSISTENT, "/compare/metric",
                                 "no run measures %s: that takes %s", metric_names[metric],
                                 metric_needs(metric));
}

/* The members of `in` that hold JSON, and what stands for them when they are absent. */
static const struct {
    const char *key;
    size_t offset;
    const char *preset;
} nested[] = {
    { "tags", offsetof(struct sweep_in, tags), "{}" },
    { "arms", offsetof(struct sweep_in, arms), "{\"main\": {}}" },
    { "grid", offsetof(struct sweep_in, grid), "{}" },
    { "seeds", offsetof(struct sweep_in, seeds), "[42]" },
    { "compare", offsetof(struct sweep_in, compare), "{}" },
    { "artifacts", offsetof(struct sweep_in, artifacts), "[\"final\"]" },
};

/* Makes sweep->spec: the decoded fields, the sections with their defaults, the rest as given. */
static int fill(struct sweep *sweep, const struct sweep_in *in, struct err *err)
{
    json_t *sections = NULL;
    int status = spec_fill(in->data, in->model, in->train, &sections, err);
    if (status < 0)
        return status;
    sweep->spec = jsonx_encode(sweep_table.rows, sweep_table.n, in);
    json_object_update(sweep->spec, sections);
    json_decref(sections);
    for (size_t i = 0; i < sizeof nested / sizeof nested[0]; i++) {
        const json_t *given = *(json_t *const *)((const char *)in + nested[i].offset);
        json_t *value =
            given != NULL ? json_deep_copy(given) : json_loads(nested[i].preset, 0, NULL);
        if (json_object_set_new(sweep->spec, nested[i].key, value) != 0)
            return err_no_memory(err, "the experiment");
    }
    return 0;
}

static bool overridden(const struct sweep *sweep, const char *path)
{
    const json_t *arms = json_object_get(sweep->spec, "arms");
    bool everywhere = true;
    for (size_t i = 0; i < sweep->factors_n; i++)
        if (strcmp(sweep->factor_paths[i], path) == 0)
            return true;
    for (size_t i = 0; i < sweep->arms_n; i++)
        everywhere &= json_object_get(json_object_get(arms, sweep->arm_names[i]), path) != NULL;
    return everywhere;
}

static int check(struct sweep *sweep, struct err *err)
{
    json_t *seeds = json_object_get(sweep->spec, "seeds");
    unsigned artifacts;
    int status = sweep_tags_check(json_object_get(sweep->spec, "tags"), err);
    if (status == 0)
        status = check_arms(sweep, json_object_get(sweep->spec, "arms"), err);
    if (status == 0)
        status = check_grid(sweep, json_object_get(sweep->spec, "grid"), err);
    if (status == 0)
        status = count_runs(sweep, seeds, err);
    if (status == 0)
        status = decode_seeds(sweep, seeds, err);
    for (size_t i = 0; i < sweep->factors_n && status == 0; i++) {
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, "/grid", sweep->factor_paths[i]);
        status = check_distinct(sweep->factor_values[i], at, err);
    }
    if (status == 0)
        status = decode_compare(sweep, err);
    if (status == 0)
        status = spec_artifacts_decode(json_object_get(sweep->spec, "artifacts"), "/artifacts",
                                       &artifacts, err);
    const json_t *data = json_object_get(sweep->spec, "data");
    if (status == 0 && json_object_get(data, "dataset") == NULL &&
        !overridden(sweep, "data.dataset"))
        status = err_set_at(err, ERR_MISSING_FIELD, "/data/dataset", "\"dataset\" is required");
    if (status == 0)
        status = check_metric(sweep, err);
    return status;
}

int sweep_new(const json_t *spec, struct sweep **ret, struct err *err)
{
    struct err ignored;
    if (err == NULL)
        err = &ignored;
    struct sweep_in in;
    int status = jsonx_decode(spec, sweep_table.rows, sweep_table.n, &in, "", err);
    if (status < 0)
        return status;
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (sweep == NULL)
        return err_no_memory(err, "the experiment");
    memcpy(sweep->name, in.name, sizeof sweep->name);
    sweep->priority = in.priority;
    sweep->max_attempts = in.max_attempts;
    sweep->exclusive = in.exclusive;
    status = fill(sweep, &in, err);
    if (status == 0)
        status = check(sweep, err);
    if (status < 0) {
        sweep_free(sweep);
        return status;
    }
    sweep->notes = json_string_value(json_object_get(sweep->spec, "notes"));
    sweep->hypothesis = json_string_value(json_object_get(sweep->spec, "hypothesis"));
    sweep->tags = json_object_get(sweep->spec, "tags");
    *ret = sweep;
    return 0;
}

void sweep_free(struct sweep *sweep)
{
    if (sweep == NULL)
        return;
    json_decref(sweep->spec);
    free(sweep->seeds);
    free(sweep);
}
