/* The serialiser: RFC 8785 (JSON Canonicalization Scheme), or the same with keys in insertion
 * order.
 *
 * Numbers are printed as ECMAScript prints them (RFC 8785 §3.2.2.3): the shortest digits that read
 * back to the same double, plain between 1e-6 and 1e21, with an exponent outside. Keys are sorted
 * by their UTF-16 code units (§3.2.3), which differs from the order of UTF-8 bytes only where a
 * character beyond U+FFFF (a surrogate pair in UTF-16) meets one from U+E000 to U+FFFF.
 */

#include "common/json/jsonx_dump.h"

#include "common/json/shortest.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_zeros(struct buf *to, int n)
{
    for (int i = 0; i < n; i++)
        buf_addc(to, '0');
}

void jsonx_dump_double(double value, struct buf *to)
{
    if (!isfinite(value)) {
        buf_adds(to, isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"");
        return;
    }
    if (fabs(value) < 0x1p53 && value == trunc(value)) {
        buf_addf(to, "%lld", (long long)value); /* also turns -0 into 0, as ECMAScript does */
        return;
    }
    if (value < 0)
        buf_addc(to, '-');
    char digits[SHORTEST_DIGITS];
    int point;
    size_t len = shortest_digits(fabs(value), digits, &point);
    int n = (int)len;
    if (n <= point && point <= 21) {
        buf_add(to, digits, len);
        add_zeros(to, point - n);
    } else if (0 < point && point < n) {
        buf_add(to, digits, (size_t)point);
        buf_addc(to, '.');
        buf_add(to, digits + point, len - (size_t)point);
    } else if (-6 < point && point <= 0) {
        buf_adds(to, "0.");
        add_zeros(to, -point);
        buf_add(to, digits, len);
    } else {
        buf_addc(to, digits[0]);
        if (n > 1) {
            buf_addc(to, '.');
            buf_add(to, digits + 1, len - 1);
        }
        buf_addf(to, "e%+d", point - 1);
    }
}

void jsonx_dump_string(const char *text, size_t len, struct buf *to)
{
    static const char escapes[128] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                       ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };
    static const char digits[] = "0123456789abcdef";
    buf_addc(to, '"');
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(to, text + plain, i - plain);
        plain = i + 1;
        if (escapes[c] != 0)
            buf_add(to, (const char[]){ '\\', escapes[c] }, 2);
        else
            buf_add(to, (const char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
    }
    buf_add(to, text + plain, len - plain);
    buf_addc(to, '"');
}

struct member {
    const char *key;
    size_t len;
    const json_t *value;
};

/* Puts the lead bytes of U+E000 … U+FFFF behind those of the characters beyond, as UTF-16 does. */
static int utf16_rank(unsigned char byte)
{
    return byte == 0xEE || byte == 0xEF ? byte + 0x10 : byte;
}

static int by_utf16(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    size_t common = x->len < y->len ? x->len : y->len;
    for (size_t i = 0; i < common; i++)
        if (x->key[i] != y->key[i])
            return utf16_rank((unsigned char)x->key[i]) - utf16_rank((unsigned char)y->key[i]);
    return x->len < y->len ? -1 : x->len > y->len;
}

static void dump(const json_t *value, int flags, int depth, struct buf *to);

static void new_line(int flags, int depth, struct buf *to)
{
    if ((flags & JSONX_INDENT) == 0)
        return;
    buf_addc(to, '\n');
    for (int i = 0; i < depth; i++)
        buf_adds(to, "  ");
}

static void dump_member(const struct member *member, bool first, int flags, int depth,
                        struct buf *to)
{
    if (!first)
        buf_addc(to, ',');
    new_line(flags, depth + 1, to);
    jsonx_dump_string(member->key, member->len, to);
    buf_addc(to, ':');
    if ((flags & JSONX_INDENT) != 0)
        buf_addc(to, ' ');
    dump(member->value, flags, depth + 1, to);
}

static void dump_object(const json_t *object, int flags, int depth, struct buf *to)
{
    enum { ON_STACK = 32 };
    struct member few[ON_STACK], *members = few;
    size_t n = json_object_size(object), i = 0;
    if (n > ON_STACK && (members = malloc(n * sizeof *members)) == NULL) {
        to->failed = true;
        return;
    }
    json_t *iterable = (json_t *)(uintptr_t)object; /* only read */
    for (void *at = json_object_iter(iterable); at != NULL;
         at = json_object_iter_next(iterable, at))
        members[i++] = (struct member){ .key = json_object_iter_key(at),
                                        .len = json_object_iter_key_len(at),
                                        .value = json_object_iter_value(at) };
    if ((flags & JSONX_KEEP_ORDER) == 0)
        qsort(members, n, sizeof *members, by_utf16);

    buf_addc(to, '{');
    for (i = 0; i < n; i++)
        dump_member(&members[i], i == 0, flags, depth, to);
    if (n > 0)
        new_line(flags, depth, to);
    buf_addc(to, '}');
    if (members != few)
        free(members);
}

static void dump_array(const json_t *array, int flags, int depth, struct buf *to)
{
    size_t n = json_array_size(array);
    /* An array of plain values reads better on one line. */
    bool nested = n > 0 && (json_is_object(json_array_get(array, 0)) ||
                            json_is_array(json_array_get(array, 0)));
    int inner = nested ? flags : flags & ~JSONX_INDENT;
    const char *comma = (flags & JSONX_INDENT) != 0 && !nested ? ", " : ",";
    buf_addc(to, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_adds(to, comma);
        new_line(inner, depth + 1, to);
        dump(json_array_get(array, i), inner, depth + 1, to);
    }
    if (n > 0)
        new_line(inner, depth, to);
    buf_addc(to, ']');
}

static void dump(const json_t *value, int flags, int depth, struct buf *to)
{
    if (value == NULL) {
        to->failed = true;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        dump_object(value, flags, depth, to);
        break;
    case JSON_ARRAY:
        dump_array(value, flags, depth, to);
        break;
    case JSON_STRING:
        jsonx_dump_string(json_string_value(value), json_string_length(value), to);
        break;
    case JSON_INTEGER:
        buf_addf(to, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        jsonx_dump_double(json_real_value(value), to);
        break;
    case JSON_TRUE:
        buf_adds(to, "true");
        break;
    case JSON_FALSE:
        buf_adds(to, "false");
        break;
    case JSON_NULL:
        buf_adds(to, "null");
        break;
    }
}

void jsonx_dump(const json_t *value, int flags, struct buf *to)
{
    dump(value, flags, 0, to);
}

char *jsonx_text(const json_t *value, int flags)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(value, flags, &text);
    char *taken = buf_take(&text, NULL);
    buf_done(&text);
    return taken;
}
