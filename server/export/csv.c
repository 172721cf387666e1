/* What a cell's first character means decides on the guard, what is anywhere in it on the quotes. */
#include "server/export/csv.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <stdbool.h>
#include <string.h>

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* Whether a text is a decimal number and nothing else. */
static bool is_number(const char *text)
{
    text += *text == '+' || *text == '-';
    size_t whole = digits(text), part = 0;
    text += whole;
    if (*text == '.')
        text += 1 + (part = digits(text + 1));
    if (whole + part == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        size_t exponent = digits(text);
        if (exponent == 0)
            return false;
        text += exponent;
    }
    return *text == '\0';
}

void csv_text(const char *text, struct buf *to)
{
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted)
        buf_addc(to, '"');
    if (*text != '\0' && strchr("=+-@\t\r", *text) != NULL && !is_number(text))
        buf_addc(to, '\'');
    for (size_t n; *text != '\0'; text += n) {
        n = strcspn(text, "\"");
        buf_add(to, text, n);
        if (text[n] == '"') {
            buf_adds(to, "\"\"");
            n++;
        }
    }
    if (quoted)
        buf_addc(to, '"');
}

void csv_value(const json_t *value, struct buf *to)
{
    struct buf text;
    if (json_is_string(value)) {
        csv_text(json_string_value(value), to);
    } else if (json_is_integer(value)) {
        csv_int(json_integer_value(value), to);
    } else if (json_is_real(value)) {
        jsonx_dump_double(json_real_value(value), to);
    } else if (json_is_boolean(value)) {
        buf_adds(to, json_is_true(value) ? "true" : "false");
    } else if (json_is_object(value) || json_is_array(value)) {
        buf_init(&text, 0);
        jsonx_dump(value, JSONX_CANONICAL, &text);
        to->failed |= text.failed;
        if (!text.failed)
            csv_text(text.data, to);
        buf_done(&text);
    }
}

void csv_int(int64_t value, struct buf *to)
{
    char text[24], *at = text + sizeof text;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        *--at = '-';
    buf_add(to, at, (size_t)(text + sizeof text - at));
}
