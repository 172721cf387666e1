#include "common/jsonx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Jansson's own bound on nesting (2048) is too generous for text from strangers, so brackets
 * outside strings are counted first. Text that isn't JSON may be miscounted; the parser then says
 * what is wrong. */
static int check_depth(const char *text, size_t len, struct err *err)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSONX_MAX_DEPTH)
                return err_set(err, ERR_TOO_DEEP, "the JSON text nests deeper than %d levels",
                               JSONX_MAX_DEPTH);
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

static enum err_code code_of(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return ERR_TRUNCATED;
    case json_error_invalid_utf8:
        return ERR_BAD_UTF8;
    case json_error_duplicate_key:
        return ERR_DUPLICATE_KEY;
    case json_error_stack_overflow:
        return ERR_TOO_DEEP;
    case json_error_numeric_overflow:
        return ERR_OUT_OF_RANGE;
    case json_error_out_of_memory:
        return ERR_INTERNAL;
    default:
        return ERR_MALFORMED;
    }
}

int jsonx_load(const char *text, size_t len, json_t **ret, struct err *err)
{
    int status = check_depth(text, len, err);
    if (status < 0)
        return status;
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_MALFORMED, "the JSON text contains a NUL byte");
    json_error_t error;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL)
        return err_set(err, code_of(&error), "line %d, column %d: %s", error.line, error.column,
                       error.text);
    *ret = value;
    return 0;
}

json_t *jsonx_number(double value)
{
    if (isnan(value))
        return json_string("nan");
    if (isinf(value))
        return json_string(value > 0 ? "inf" : "-inf");
    return json_real(value);
}

int jsonx_to_double(const json_t *value, double *ret)
{
    static const struct {
        const char *text;
        double value;
    } words[] = { { "nan", NAN }, { "inf", INFINITY }, { "-inf", -INFINITY } };

    if (json_is_number(value)) {
        *ret = json_number_value(value);
        return 0;
    }
    if (json_is_string(value))
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (strcmp(json_string_value(value), words[i].text) == 0) {
                *ret = words[i].value;
                return 0;
            }
    return -ERR_WRONG_TYPE;
}

size_t jsonx_prefix(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len <= max)
        return len;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void jsonx_pointer(char *ret, size_t size, const char *base, const char *key)
{
    size_t used = jsonx_prefix(base, size - 1);
    if (ret != base)
        memmove(ret, base, used);
    if (used + 1 < size)
        ret[used++] = '/';
    for (const char *c = key; *c != '\0';) {
        bool escaped = *c == '~' || *c == '/';
        size_t len = 1;
        while (((unsigned char)c[len] & 0xC0) == 0x80)
            len++;
        if (used + len + escaped >= size)
            break;
        if (escaped) {
            ret[used++] = '~';
            ret[used++] = *c == '~' ? '0' : '1';
        } else {
            memcpy(ret + used, c, len);
            used += len;
        }
        c += len;
    }
    ret[used] = '\0';
}

int jsonx_merge(json_t *into, const json_t *from)
{
    const char *key;
    json_t *value;
    /* Jansson's iteration takes a non-const object but doesn't change it. */
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        json_t *present = json_object_get(into, key);
        if (json_is_object(present) && json_is_object(value)) {
            int status = jsonx_merge(present, value);
            if (status < 0)
                return status;
        } else if (json_object_set_new(into, key, json_deep_copy(value)) != 0) {
            return -ERR_INTERNAL;
        }
    }
    return 0;
}
