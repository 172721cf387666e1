/* SQLite numbers a statement's parameters from 1 and knows each by its name, with its : @ or $, by
 * "?5" where it was numbered, or by nothing. */
#include "server/store/store_params.h"

#include "common/json/jsonx.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* before there is a statement */

static int check_value(const json_t *value, const char *key, size_t *bytes, struct err *err)
{
    char at[sizeof err->pointer];
    jsonx_pointer(at, sizeof at, "/params", key);
    if (json_is_object(value) || json_is_array(value))
        return err_set_at(err, ERR_WRONG_TYPE, at,
                          "a parameter must be a number, a string, a boolean or null");
    *bytes += strlen(key) + (json_is_string(value) ? json_string_length(value) : 8);
    return 0;
}

int store_params_check(const json_t *params, struct err *err)
{
    size_t bytes = 0, i,
           n = json_is_array(params) ? json_array_size(params) : json_object_size(params);
    const char *key;
    json_t *value;
    int status = 0;
    if (params == NULL)
        return 0;
    if (!json_is_array(params) && !json_is_object(params))
        return err_set_at(err, ERR_WRONG_TYPE, "/params",
                          "\"params\" must be an array (for ?) or an object (for :name)");
    if (n > STORE_PARAMS)
        return err_set_at(err, ERR_OUT_OF_RANGE, "/params",
                          "\"params\" must have at most %d values, not %zu", STORE_PARAMS, n);
    json_array_foreach((json_t *)(uintptr_t)params, i, value)
    {
        char place[24];
        snprintf(place, sizeof place, "%zu", i);
        if (status == 0)
            status = check_value(value, place, &bytes, err);
    }
    json_object_foreach((json_t *)(uintptr_t)params, key, value)
    {
        if (status == 0)
            status = check_value(value, key, &bytes, err);
    }
    if (status == 0 && bytes > STORE_PARAMS_BYTES)
        status = err_set_at(err, ERR_OUT_OF_RANGE, "/params",
                            "\"params\" must have at most %d bytes together, not %zu",
                            STORE_PARAMS_BYTES, bytes);
    return status;
}

static json_t *pack(json_t *value)
{
    return json_is_real(value) ? json_pack("{s:O}", "real", value) : json_incref(value);
}

json_t *store_params_pack(const json_t *params)
{
    size_t i;
    const char *key;
    json_t *value, *packed = json_is_array(params) ? json_array() : json_object();
    json_array_foreach((json_t *)(uintptr_t)params, i, value)
        json_array_append_new(packed, pack(value));
    json_object_foreach((json_t *)(uintptr_t)params, key, value)
        json_object_set_new(packed, key, pack(value));
    return packed;
}

/* binding */

static int bind(sqlite3_stmt *s, int i, const json_t *value, struct err *err)
{
    int code;
    if (json_is_object(value))
        code = sqlite3_bind_double(s, i, json_number_value(json_object_get(value, "real")));
    else if (json_is_integer(value))
        code = sqlite3_bind_int64(s, i, json_integer_value(value));
    else if (json_is_string(value))
        code = sqlite3_bind_text(s, i, json_string_value(value), -1, SQLITE_STATIC);
    else if (json_is_boolean(value))
        code = sqlite3_bind_int(s, i, json_is_true(value));
    else
        code = sqlite3_bind_null(s, i);
    return code == SQLITE_OK ? 0 : err_no_memory(err, "the query's parameters");
}

static bool is_named(const char *name)
{
    return name != NULL && *name != '?';
}

/* in order */
static int bind_array(sqlite3_stmt *s, int n, const json_t *params, struct err *err)
{
    size_t given = json_array_size(params);
    int status = 0;
    for (int i = 1; i <= n; i++)
        if (is_named(sqlite3_bind_parameter_name(s, i)))
            return err_set_at(err, ERR_INCONSISTENT, "/params",
                              "the SQL has the parameter %.64s, whose value comes with \"params\" "
                              "as an object",
                              sqlite3_bind_parameter_name(s, i));
    if (given != (size_t)n)
        return err_set_at(err, ERR_INCONSISTENT, "/params",
                          "the SQL has %d parameters, and \"params\" %zu values", n, given);
    for (int i = 1; i <= n && status == 0; i++)
        status = bind(s, i, json_array_get(params, (size_t)i - 1), err);
    return status;
}

/* A name may stand in the SQL as :x and as $x, which are two parameters. */
static bool is_wanted(sqlite3_stmt *s, int n, const char *key)
{
    for (int i = 1; i <= n; i++)
        if (strcmp(sqlite3_bind_parameter_name(s, i) + 1, key) == 0)
            return true;
    return false;
}

/* by name */
static int bind_object(sqlite3_stmt *s, int n, const json_t *params, struct err *err)
{
    char at[sizeof err->pointer];
    const char *key;
    json_t *value;
    int status = 0;
    for (int i = 1; i <= n && status == 0; i++) {
        const char *name = sqlite3_bind_parameter_name(s, i);
        if (!is_named(name))
            return err_set_at(err, ERR_INCONSISTENT, "/params",
                              "the SQL has a parameter without a name, whose value comes with "
                              "\"params\" as an array");
        jsonx_pointer(at, sizeof at, "/params", name + 1);
        value = json_object_get(params, name + 1);
        status = value != NULL ? bind(s, i, value, err)
                               : err_set_at(err, ERR_MISSING_FIELD, at,
                                            "the SQL has the parameter %.64s, and \"params\" no "
                                            "value for it",
                                            name);
    }
    json_object_foreach((json_t *)(uintptr_t)params, key, value)
    {
        jsonx_pointer(at, sizeof at, "/params", key);
        if (status == 0 && !is_wanted(s, n, key))
            status = err_set_at(err, ERR_UNKNOWN_FIELD, at,
                                "the SQL has no parameter of the name \"%.*s\"",
                                (int)jsonx_prefix(key, 64), key);
    }
    return status;
}

int store_params_bind(sqlite3_stmt *s, const json_t *params, struct err *err)
{
    int n = sqlite3_bind_parameter_count(s);
    if (params != NULL)
        return json_is_array(params) ? bind_array(s, n, params, err)
                                     : bind_object(s, n, params, err);
    return n == 0 ? 0
                  : err_set_at(err, ERR_INCONSISTENT, "/params",
                               "the SQL has %d parameter%s, and there are no \"params\"", n,
                               n == 1 ? "" : "s");
}
