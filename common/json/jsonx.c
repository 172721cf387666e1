/* Jansson parses. This file refuses beforehand what jansson lets pass (depth, NUL), and says
 * afterwards what jansson can't (which number was too large, and where). Then what is done with
 * values and pointers everywhere: non-finite numbers, prefixes, merging. */
#include "common/json/jsonx.h"

#include "common/json/jsonx_dump.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Of memory that is refused libjansson says nothing: the code is set before it is asked. */
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
        return ERR_NO_MEMORY;
    default:
        return ERR_MALFORMED;
    }
}

/* A level of nesting on the way to a value. */
struct level {
    bool in_object, keyed; /* keyed: the member's key has been read */
    const char *key;       /* as written, with its quotes */
    size_t key_len, index;
};

static void add_level(char *pointer, size_t size, const struct level *level)
{
    char index[24];
    json_t *key = level->in_object && level->keyed
                      ? json_loadb(level->key, level->key_len, JSON_DECODE_ANY, NULL)
                      : NULL;
    snprintf(index, sizeof index, "%zu", level->index);
    jsonx_pointer(pointer, size, pointer, key != NULL ? json_string_value(key) : index);
    json_decref(key);
}

static size_t string_end(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++)
        if (text[i] == '\\')
            i++;
    return i < len ? i + 1 : len;
}

/* The JSON pointer of the value that text[0 … len) breaks off in; it was sound so far. */
static void locate(const char *text, size_t len, char *ret, size_t size)
{
    struct level levels[JSONX_MAX_DEPTH + 1] = { 0 }, *top = levels; /* the first is the text's */
    for (size_t i = 0, end; i < len; i = end) {
        char c = text[i];
        end = c == '"' ? string_end(text, len, i) : i + 1;
        if (c == '"' && top->in_object && !top->keyed) {
            top->keyed = true;
            top->key = text + i;
            top->key_len = end - i;
        } else if (c == ',') {
            top->keyed = false;
            top->index++;
        } else if ((c == '{' || c == '[') && top < levels + JSONX_MAX_DEPTH) {
            *++top = (struct level){ .in_object = c == '{' };
        } else if ((c == '}' || c == ']') && top > levels) {
            top--;
        }
    }
    ret[0] = '\0';
    for (const struct level *level = levels + 1; level <= top; level++)
        add_level(ret, size, level);
}

/* Jansson stops behind a number that it can't hold, before the range of a field is looked at. */
static int refuse_number(const char *text, size_t len, const json_error_t *error, struct err *err)
{
    char pointer[sizeof err->pointer];
    size_t end =
        error->position > 0 && (size_t)error->position < len ? (size_t)error->position : len;
    while (end > 0 && strchr("0123456789", text[end - 1]) == NULL)
        end--;
    size_t begin = end;
    while (begin > 0 && strchr("0123456789+-.eE", text[begin - 1]) != NULL)
        begin--;
    locate(text, begin, pointer, sizeof pointer);
    return err_set_at(err, ERR_OUT_OF_RANGE, pointer,
                      "line %d, column %d: %.*s%s is too large: a number is below 1.8e308",
                      error->line, error->column, (int)(end - begin > 40 ? 40 : end - begin),
                      text + begin, end - begin > 40 ? "…" : "");
}

/* An integer that takes more than 64 bits. */
static bool is_wide(const char *number, size_t len)
{
    enum { DIGITS = 20 }; /* of the widest that could fit, and its sign */
    char text[DIGITS + 1];
    for (size_t i = number[0] == '-'; i < len; i++)
        if (number[i] < '0' || number[i] > '9')
            return false;
    if (len > DIGITS)
        return true;
    memcpy(text, number, len);
    text[len] = '\0';
    errno = 0;
    strtoll(text, NULL, 10);
    return errno == ERANGE;
}

/* Copies text, with such integers made reals by ".0". A double from 2^63 to 10^21 is written by its
 * digits alone (ECMAScript, RFC 8785), and jansson takes that for an integer that it can't hold. */
static void copy_with_reals(const char *text, size_t len, struct buf *to)
{
    for (size_t i = 0, end; i < len; i = end) {
        bool number = strchr("-0123456789", text[i]) != NULL;
        end = text[i] == '"' ? string_end(text, len, i) : i + 1;
        while (number && end < len && strchr("0123456789+-.eE", text[end]) != NULL)
            end++;
        buf_add(to, text + i, end - i);
        if (number && is_wide(text + i, end - i))
            buf_adds(to, ".0");
    }
}

static json_t *parse(const char *text, size_t len, json_error_t *error)
{
    return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, error);
}

static int load_with_reals(const char *text, size_t len, json_t **ret, struct err *err)
{
    struct buf copy;
    json_error_t error = { .text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory };
    int status = 0;
    buf_init(&copy, 0);
    copy_with_reals(text, len, &copy);
    json_t *value = copy.failed ? NULL : parse(copy.data, copy.len, &error);
    if (value != NULL)
        *ret = value;
    else if (copy.failed)
        status = err_no_memory(err, "the JSON text");
    else if (json_error_code(&error) == json_error_numeric_overflow)
        status = refuse_number(copy.data, copy.len, &error, err);
    else
        status = err_set(err, code_of(&error), "line %d, column %d: %s", error.line, error.column,
                         error.text);
    buf_done(&copy);
    return status;
}

int jsonx_load(const char *text, size_t len, json_t **ret, struct err *err)
{
    int status = check_depth(text, len, err);
    if (status < 0)
        return status;
    if (memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_MALFORMED, "the JSON text contains a NUL byte");
    json_error_t error = { .text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory };
    json_t *value = parse(text, len, &error);
    if (value == NULL && json_error_code(&error) == json_error_numeric_overflow)
        return load_with_reals(text, len, ret, err);
    if (value == NULL)
        return err_set(err, code_of(&error), "line %d, column %d: %s", error.line, error.column,
                       error.text);
    *ret = value;
    return 0;
}

/* Whether an integer is written as the double next to it would be written. */
static bool is_exact(const char *number, size_t len)
{
    /* no double is written with more digits; every integer of so few is one */
    enum { DIGITS = 21, SURE = 15 };
    char text[DIGITS + 2];
    struct buf spelt;
    if (len <= SURE || memchr(number, '.', len) != NULL || memchr(number, 'e', len) != NULL ||
        memchr(number, 'E', len) != NULL)
        return true;
    if (len >= sizeof text)
        return false;
    memcpy(text, number, len);
    text[len] = '\0';
    buf_init(&spelt, 0);
    jsonx_dump_double(strtod(text, NULL), &spelt);
    bool same = spelt.data != NULL && strcmp(spelt.data, text) == 0;
    buf_done(&spelt);
    return same;
}

int jsonx_check_integers(const char *text, size_t len, struct err *err)
{
    char pointer[sizeof err->pointer];
    for (size_t i = 0, end; i < len; i = end) {
        end = text[i] == '"' ? string_end(text, len, i) : i + 1;
        if (strchr("-0123456789", text[i]) == NULL)
            continue;
        while (end < len && strchr("0123456789+-.eE", text[end]) != NULL)
            end++;
        if (is_exact(text + i, end - i))
            continue;
        locate(text, i, pointer, sizeof pointer);
        return err_set_at(err, ERR_OUT_OF_RANGE, pointer,
                          "%.*s%s would not be kept exactly: integers are from -9007199254740991 "
                          "to 9007199254740991",
                          (int)(end - i > 40 ? 40 : end - i), text + i, end - i > 40 ? "…" : "");
    }
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
            return -ERR_NO_MEMORY;
        }
    }
    return 0;
}
