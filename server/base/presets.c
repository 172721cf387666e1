/* The list of presets, a preset by name, and a body merged onto one. */
#include "server/base/presets.h"

#include "common/json/jsonx.h"
#include "common/spec/spec.h"
#include "common/spec/spec_json.h"
#include "server/base/embed.h"

#include <stdio.h>
#include <string.h>

static const char folder[] = "schema/presets/", suffix[] = ".json";

static int load(const struct embedded *file, json_t **ret, struct err *err)
{
    return jsonx_load(file->data, file->len, ret, err);
}

int presets_list(json_t **ret, struct err *err)
{
    json_t *items = json_array();
    int status = 0;
    for (size_t i = 0; i < embedded_n && status == 0; i++) {
        json_t *spec = NULL;
        if (strncmp(embedded[i].path, folder, strlen(folder)) != 0)
            continue;
        const char *name = embedded[i].path + strlen(folder);
        status = load(&embedded[i], &spec, err);
        if (status == 0) {
            const char *what = json_string_value(json_object_get(spec, "description"));
            json_t *label = json_stringn(name, strlen(name) - strlen(suffix));
            json_array_append_new(items, json_pack("{s:o, s:s}", "name", label, "description",
                                                   what != NULL ? what : ""));
        }
        json_decref(spec);
    }
    if (status != 0) {
        json_decref(items);
        return status;
    }
    *ret = items;
    return 0;
}

int preset_load(const char *name, json_t **ret, struct err *err)
{
    char path[200];
    int len = snprintf(path, sizeof path, "%s%s%s", folder, name, suffix);
    const struct embedded *file = len < (int)sizeof path ? embed_find(path) : NULL;
    json_t *spec = NULL;
    if (file == NULL)
        return err_set(err, ERR_UNKNOWN_PRESET,
                       "there is no preset \"%.*s\"; GET /api/v1/presets lists them",
                       (int)jsonx_prefix(name, 64), name);
    int status = load(file, &spec, err);
    if (status != 0)
        return status;
    json_object_del(spec, "description");
    *ret = spec;
    return 0;
}

int preset_apply(json_t *body, json_t **ret, struct err *err)
{
    static const char *const replaced[] = { "arms", "grid" };
    static const char at[] = "/preset";
    const json_t *name = json_object_get(body, "preset");
    json_t *base = NULL;
    if (name == NULL) {
        *ret = json_incref(body);
        return 0;
    }
    if (!json_is_string(name))
        return err_set_at(err, ERR_WRONG_TYPE, at, "\"preset\" must be a string");
    int status = preset_load(json_string_value(name), &base, err);
    if (status != 0) {
        snprintf(err->pointer, sizeof err->pointer, "%s", at);
        return status;
    }
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
        if (json_object_get(body, replaced[i]) != NULL)
            json_object_del(base, replaced[i]);
    const json_t *train = json_object_get(body, "train");
    spec_budget_yield(json_object_get(base, "train"), json_object_get(train, "steps") != NULL,
                      json_number_value(json_object_get(train, "flops")) > 0);
    status = jsonx_merge(base, body);
    json_object_del(base, "preset");
    if (status != 0) {
        json_decref(base);
        return err_no_memory(err, "the preset");
    }
    *ret = base;
    return 0;
}
