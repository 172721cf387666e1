/* Decoding and encoding by field tables: a function a type in `types`, and one walk over the rows.
 */
#include "common/json/jsonx_fields.h"

#include "common/json/jsonx.h"
#include "common/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SAFE_INTEGER                                                                           \
    9007199254740991.0 /* 2^53 − 1: above it a real may stand for two integers */

struct place {
    const struct jsonx_field *field;
    void *member;
    const char *pointer; /* of the value */
    struct err *err;
};

static const char *type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "a boolean";
    }
}

static int wrong_type(const struct place *at, const char *wanted, const json_t *value)
{
    return err_set_at(at->err, ERR_WRONG_TYPE, at->pointer, "\"%s\" must be %s, not %s",
                      at->field->key, wanted, type_of(value));
}

static int out_of_range(const struct place *at, double value)
{
    const struct jsonx_field *field = at->field;
    return err_set_at(at->err, ERR_OUT_OF_RANGE, at->pointer,
                      "\"%s\" must be from %.16g%s to %.16g%s, not %.16g", field->key, field->min,
                      field->exclusive_min ? " (exclusive)" : "", field->max,
                      field->exclusive_max ? " (exclusive)" : "", value);
}

/* The same for an integer, which a double may not hold. */
static int integer_out_of_range(const struct place *at, int64_t value)
{
    return err_set_at(at->err, ERR_OUT_OF_RANGE, at->pointer,
                      "\"%s\" must be from %.16g to %.16g, not %lld", at->field->key,
                      at->field->min, at->field->max, (long long)value);
}

static bool in_range(const struct jsonx_field *field, double value)
{
    bool above = field->exclusive_min ? value > field->min : value >= field->min;
    bool below = field->exclusive_max ? value < field->max : value <= field->max;
    return above && below;
}

static int decode_int(const json_t *value, const struct place *at)
{
    if (!json_is_number(value))
        return wrong_type(at, "an integer", value);
    double real = json_number_value(value);
    if (json_is_real(value) && real != trunc(real))
        return err_set_at(at->err, ERR_WRONG_TYPE, at->pointer,
                          "\"%s\" must be an integer, not %.16g", at->field->key, real);
    if (json_is_integer(value) && !in_range(at->field, real))
        return integer_out_of_range(at, json_integer_value(value));
    if (!in_range(at->field, real) || (json_is_real(value) && fabs(real) > MAX_SAFE_INTEGER))
        return out_of_range(at, real);
    *(int64_t *)at->member =
        json_is_integer(value) ? (int64_t)json_integer_value(value) : (int64_t)real;
    return 0;
}

static int decode_double(const json_t *value, const struct place *at)
{
    if (!json_is_number(value))
        return wrong_type(at, "a number", value);
    double real = json_number_value(value);
    if (!in_range(at->field, real))
        return out_of_range(at, real);
    *(double *)at->member = real;
    return 0;
}

static int decode_bool(const json_t *value, const struct place *at)
{
    if (!json_is_boolean(value))
        return wrong_type(at, "true or false", value);
    *(bool *)at->member = json_is_true(value);
    return 0;
}

static int decode_enum(const json_t *value, const struct place *at)
{
    const struct jsonx_field *field = at->field;
    if (!json_is_string(value))
        return wrong_type(at, "a string", value);
    const char *text = json_string_value(value);
    for (int i = 0; field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], text) == 0) {
            *(int *)at->member = i;
            return 0;
        }
    char accepted[256] = "";
    size_t used = 0;
    for (int i = 0; field->choices[i] != NULL && used < sizeof accepted; i++)
        used += (size_t)snprintf(accepted + used, sizeof accepted - used, "%s\"%s\"",
                                 i == 0 ? "" : ", ", field->choices[i]);
    return err_set_at(at->err, ERR_INVALID_VALUE, at->pointer,
                      "\"%s\" must be one of %s, not \"%.*s\"", field->key, accepted,
                      (int)jsonx_prefix(text, 64), text);
}

static int check_length(size_t len, const struct place *at)
{
    const struct jsonx_field *field = at->field;
    if ((double)len >= field->min && (double)len <= field->max)
        return 0;
    return err_set_at(at->err, ERR_OUT_OF_RANGE, at->pointer,
                      "\"%s\" must have from %.0f to %.0f bytes, not %zu", field->key, field->min,
                      field->max, len);
}

static int decode_text(const json_t *value, const struct place *at)
{
    if (!json_is_string(value))
        return wrong_type(at, "a string", value);
    int status = check_length(json_string_length(value), at);
    if (status == 0)
        *(const char **)at->member = json_string_value(value);
    return status;
}

static int decode_string(const json_t *value, const struct place *at)
{
    const char *text = "";
    struct place borrowed = *at;
    borrowed.member = &text;
    int status = decode_text(value, &borrowed);
    if (status == 0)
        snprintf(at->member, at->field->size, "%s", text);
    return status;
}

static int decode_name(const json_t *value, const struct place *at)
{
    if (!json_is_string(value))
        return wrong_type(at, "a string", value);
    const char *text = json_string_value(value);
    char what[80];
    snprintf(what, sizeof what, "\"%s\"", at->field->key);
    int status = names_check(text, what, at->pointer, at->err);
    if (status == 0)
        snprintf(at->member, NAMES_BYTES, "%s", text);
    return status;
}

static int decode_pair(const json_t *value, const struct place *at)
{
    if (!json_is_array(value) || json_array_size(value) != 2)
        return wrong_type(at, "an array of two numbers", value);
    double *pair = at->member;
    for (size_t i = 0; i < 2; i++) {
        char pointer[sizeof at->err->pointer];
        jsonx_pointer(pointer, sizeof pointer, at->pointer, i == 0 ? "0" : "1");
        struct place one = { at->field, &pair[i], pointer, at->err };
        int status = decode_double(json_array_get(value, i), &one);
        if (status < 0)
            return status;
    }
    return 0;
}

static int decode_object(const json_t *value, const struct place *at)
{
    if (!json_is_object(value))
        return wrong_type(at, "an object", value);
    *(const json_t **)at->member = value;
    return 0;
}

static int decode_array(const json_t *value, const struct place *at)
{
    if (!json_is_array(value))
        return wrong_type(at, "an array", value);
    *(const json_t **)at->member = value;
    return 0;
}

static int decode_any(const json_t *value, const struct place *at)
{
    *(const json_t **)at->member = value;
    return 0;
}

static json_t *encode_int(const struct jsonx_field *field, const void *member)
{
    (void)field;
    return json_integer(*(const int64_t *)member);
}

static json_t *encode_double(const struct jsonx_field *field, const void *member)
{
    (void)field;
    return jsonx_number(*(const double *)member);
}

static json_t *encode_bool(const struct jsonx_field *field, const void *member)
{
    (void)field;
    return json_boolean(*(const bool *)member);
}

static json_t *encode_enum(const struct jsonx_field *field, const void *member)
{
    return json_string(field->choices[*(const int *)member]);
}

static json_t *encode_string(const struct jsonx_field *field, const void *member)
{
    (void)field;
    return json_string(member);
}

static json_t *encode_text(const struct jsonx_field *field, const void *member)
{
    (void)field;
    return json_string(*(const char *const *)member);
}

static json_t *encode_pair(const struct jsonx_field *field, const void *member)
{
    (void)field;
    const double *pair = member;
    return json_pack("[o, o]", jsonx_number(pair[0]), jsonx_number(pair[1]));
}

static const struct {
    const char *name;
    int (*decode)(const json_t *value, const struct place *at);
    json_t *(*encode)(const struct jsonx_field *field, const void *member); /* NULL: left out */
} types[] = {
    [JSONX_INT] = { "integer", decode_int, encode_int },
    [JSONX_DOUBLE] = { "number", decode_double, encode_double },
    [JSONX_BOOL] = { "boolean", decode_bool, encode_bool },
    [JSONX_ENUM] = { "enum", decode_enum, encode_enum },
    [JSONX_STRING] = { "string", decode_string, encode_string },
    [JSONX_NAME] = { "name", decode_name, encode_string },
    [JSONX_TEXT] = { "string", decode_text, encode_text },
    [JSONX_PAIR] = { "pair", decode_pair, encode_pair },
    [JSONX_OBJECT] = { "object", decode_object, NULL },
    [JSONX_ARRAY] = { "array", decode_array, NULL },
    [JSONX_VALUE] = { "value", decode_any, NULL },
};

const char *jsonx_type_name(enum jsonx_type type)
{
    return types[type].name;
}

static int refuse_unknown(const char *key, const struct jsonx_field *fields, size_t n,
                          const char *pointer, struct err *err)
{
    char at[sizeof err->pointer], known[384] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ",
                                 fields[i].key);
    jsonx_pointer(at, sizeof at, pointer, key);
    return err_set_at(err, ERR_UNKNOWN_FIELD, at, "\"%.*s\" is not known here; %s%s",
                      (int)jsonx_prefix(key, 64), key, n > 0 ? "known are: " : "no field is",
                      known);
}

static const struct jsonx_field *find(const char *key, const struct jsonx_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

/* Gives an absent field its default. The types that borrow have fixed ones, since the JSON value of
 * a default doesn't outlive this function. */
static int decode_absent(const struct place *at)
{
    const struct jsonx_field *field = at->field;
    if (field->required)
        return err_set_at(at->err, ERR_MISSING_FIELD, at->pointer, "\"%s\" is required",
                          field->key);
    switch (field->type) {
    case JSONX_OBJECT:
    case JSONX_ARRAY:
    case JSONX_VALUE:
        *(const json_t **)at->member = NULL;
        return 0;
    case JSONX_TEXT:
        *(const char **)at->member = "";
        return 0;
    default:
        break;
    }
    json_t *value = NULL;
    int status = jsonx_load(field->preset, strlen(field->preset), &value, at->err);
    if (status == 0)
        status = types[field->type].decode(value, at);
    json_decref(value);
    return status;
}

int jsonx_decode_value(const json_t *value, const struct jsonx_field *row, void *member,
                       const char *pointer, struct err *err)
{
    struct place at = { row, member, pointer, err };
    return types[row->type].decode(value, &at);
}

int jsonx_decode(const json_t *obj, const struct jsonx_field *fields, size_t n, void *out,
                 const char *pointer, struct err *err)
{
    struct err ignored;
    if (err == NULL)
        err = &ignored;
    if (!json_is_object(obj))
        return err_set_at(err, ERR_WRONG_TYPE, pointer, "this must be an object, not %s",
                          obj != NULL ? type_of(obj) : "absent");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        if (find(key, fields, n) == NULL)
            return refuse_unknown(key, fields, n, pointer, err);
    }
    for (size_t i = 0; i < n; i++) {
        char at_pointer[sizeof err->pointer];
        jsonx_pointer(at_pointer, sizeof at_pointer, pointer, fields[i].key);
        struct place at = { &fields[i], (char *)out + fields[i].offset, at_pointer, err };
        value = json_object_get(obj, fields[i].key);
        int status = value != NULL ? types[fields[i].type].decode(value, &at) : decode_absent(&at);
        if (status < 0)
            return status;
    }
    return 0;
}

static bool is_preset(const struct jsonx_field *field, const json_t *value)
{
    json_t *preset = NULL;
    bool same = jsonx_load(field->preset, strlen(field->preset), &preset, NULL) == 0 &&
                (json_is_number(preset) && json_is_number(value) /* 0 and 0.0 are the same */
                     ? json_number_value(preset) == json_number_value(value)
                     : json_equal(preset, value) == 1);
    json_decref(preset);
    return same;
}

json_t *jsonx_encode(const struct jsonx_field *fields, size_t n, const void *in)
{
    json_t *obj = json_object();
    for (size_t i = 0; i < n; i++) {
        const struct jsonx_field *field = &fields[i];
        if (types[field->type].encode == NULL)
            continue;
        json_t *value = types[field->type].encode(field, (const char *)in + field->offset);
        if (field->sparse && is_preset(field, value)) {
            json_decref(value);
            continue;
        }
        if (json_object_set_new_nocheck(obj, field->key, value) != 0) {
            json_decref(obj);
            return NULL;
        }
    }
    return obj;
}
