/* Fields that would have no effect. Synthetic tasks draw their windows: the fields of a stored
 * corpus mean nothing to them, and a person who gives one expects otherwise. Only a submission is
 * checked for this: a run's frozen spec has every field, and a preset's values are meant for the
 * preset's own corpus. */
#include "common/sweep/sweep_unused.h"

#include "common/json/jsonx.h"
#include "common/spec/spec_fields.h"
#include "common/sweep/sweep.h"

#include <stdio.h>
#include <string.h>

static const char *const corpus_fields[] = { "documents", "tokens", "split", "val_fraction",
                                             "test_fraction" };

static bool is_synthetic(const json_t *dataset)
{
    static const char prefix[] = "synthetic:";
    const char *name = json_string_value(dataset);
    return name != NULL && strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Whether no run of the arm has a stored corpus; the grid's datasets take the place of its own. */
static bool arm_is_synthetic(const struct sweep *sweep, const json_t *arm)
{
    static const char path[] = "data.dataset";
    const json_t *value;
    size_t i;
    for (size_t f = 0; f < sweep->factors_n; f++) {
        if (strcmp(sweep->factor_paths[f], path) != 0)
            continue;
        json_array_foreach(sweep->factor_values[f], i, value)
        {
            if (!is_synthetic(value))
                return false;
        }
        return true;
    }
    const json_t *own = json_object_get(arm, path);
    return is_synthetic(
        own != NULL ? own : json_object_get(json_object_get(sweep->spec, "data"), "dataset"));
}

/* A default is no mistake: stored experiments, which may be submitted again, are full of them. */
static bool is_default(const char *field, const json_t *value)
{
    bool same = false;
    for (size_t i = 0; i < spec_data_table.n; i++) {
        const struct jsonx_field *row = &spec_data_table.rows[i];
        if (strcmp(row->key, field) != 0)
            continue;
        json_t *preset = json_loads(row->preset, JSON_DECODE_ANY, NULL);
        same = json_is_number(value) && json_is_number(preset)
                   ? json_number_value(value) == json_number_value(preset)
                   : json_equal(value, preset) != 0;
        json_decref(preset);
    }
    return same;
}

static int check_value(const char *field, const json_t *value, const char *pointer, struct err *err)
{
    if (value == NULL || is_default(field, value))
        return 0;
    return err_set_at(err, ERR_INCONSISTENT, pointer,
                      "\"%s\" belongs to a stored corpus; a synthetic task draws its windows, and "
                      "has no documents to take or split",
                      field);
}

/* The fields as members of obj, under the names prefix + field; a grid's are lists. */
static int check_members(const json_t *obj, const char *prefix, const char *pointer,
                         struct err *err)
{
    int status = 0;
    for (size_t f = 0; f < sizeof corpus_fields / sizeof *corpus_fields && status == 0; f++) {
        char name[64], at[sizeof err->pointer], index[24];
        snprintf(name, sizeof name, "%s%s", prefix, corpus_fields[f]);
        jsonx_pointer(at, sizeof at, pointer, name);
        const json_t *value = json_object_get(obj, name), *one;
        size_t i;
        if (!json_is_array(value))
            status = check_value(corpus_fields[f], value, at, err);
        json_array_foreach(value, i, one)
        {
            snprintf(index, sizeof index, "%zu", i);
            char of[sizeof err->pointer];
            jsonx_pointer(of, sizeof of, at, index);
            if (status == 0)
                status = check_value(corpus_fields[f], one, of, err);
        }
    }
    return status;
}

int sweep_unused_check(const struct sweep *sweep, const json_t *submission, struct err *err)
{
    struct err ignored;
    if (err == NULL)
        err = &ignored;
    const json_t *arms = json_object_get(sweep->spec, "arms");
    bool all = true;
    int status = 0;
    for (size_t a = 0; a < sweep->arms_n && status == 0; a++) {
        const json_t *arm = json_object_get(arms, sweep->arm_names[a]);
        char at[sizeof err->pointer];
        jsonx_pointer(at, sizeof at, "/arms", sweep->arm_names[a]);
        bool synthetic = arm_is_synthetic(sweep, arm);
        all &= synthetic;
        if (synthetic)
            status = check_members(arm, "data.", at, err);
    }
    if (status == 0 && all)
        status = check_members(json_object_get(submission, "data"), "", "/data", err);
    if (status == 0 && all)
        status = check_members(json_object_get(sweep->spec, "grid"), "data.", "/grid", err);
    return status;
}
