/* The table as an array, and messages made safe for JSON. Filling in an error needs no memory, so
 * that it can tell of memory that was refused. */
#include "common/base/err.h"

#include "common/base/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *title;
    int http, exit;
} table[ERR_COUNT] = { [ERR_NONE] = { "none", "No error", 200, 0 },
#define ERR_ROW(symbol, name, http, exit, title) [ERR_##symbol] = { name, title, http, exit },
                       ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

/* A message goes into JSON, yet it may quote what a stranger sent, and a long one is cut anywhere.
 */
static void make_utf8(char *text)
{
    for (size_t len; *text != '\0'; text += len == 0 ? 1 : len)
        if ((len = utf8_char(text, strnlen(text, 4))) == 0)
            *text = '?';
}

static int fill(struct err *err, enum err_code code, const char *pointer, const char *format,
                va_list args)
{
    if (err != NULL) {
        err->code = (int)code;
        vsnprintf(err->message, sizeof err->message, format, args);
        snprintf(err->pointer, sizeof err->pointer, "%s", pointer != NULL ? pointer : "");
        make_utf8(err->message);
        make_utf8(err->pointer);
        err->character = 0;
        err->context[0] = '\0';
    }
    return -(int)code;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* Characters of text[0, len). */
static int characters(const char *text, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; i++)
        n += begins_character(text[i]);
    return n;
}

int err_character(const char *text, size_t at)
{
    return characters(text, at) + 1;
}

/* The byte at which the character begins that stands n characters behind `at` (n < 0: before). */
static size_t step(const char *text, size_t at, int n)
{
    for (; n > 0 && text[at] != '\0'; n--)
        for (at++; !begins_character(text[at]); at++)
            ;
    for (; n < 0 && at > 0; n++)
        for (at--; at > 0 && !begins_character(text[at]); at--)
            ;
    return at;
}

/* Two lines: the text around the place, and carets below it. */
static void put_context(char *ret, size_t size, const char *text, size_t at, size_t len)
{
    enum { BEFORE = 24, MARKED = 16, AFTER = 12 };
    size_t from = step(text, at, -BEFORE), marked = (size_t)characters(text + at, len);
    marked = marked < 1 ? 1 : marked > MARKED ? MARKED : marked;
    size_t to = step(text, at, (int)marked + AFTER);
    snprintf(ret, size, "%.*s\n%*s%.*s", (int)(to - from), text + from,
             characters(text + from, at - from), "", (int)marked, "^^^^^^^^^^^^^^^^");
    for (size_t i = 0; i < to - from && i < size && ret[i] != '\0'; i++)
        if ((unsigned char)ret[i] < ' ')
            ret[i] = ' ';
    make_utf8(ret);
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = fill(err, code, NULL, format, args);
    va_end(args);
    return status;
}

int err_set_at(struct err *err, enum err_code code, const char *pointer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = fill(err, code, pointer, format, args);
    va_end(args);
    return status;
}

int err_set_in(struct err *err, enum err_code code, const char *text, size_t at, size_t len,
               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = fill(err, code, NULL, format, args);
    va_end(args);
    if (err != NULL) {
        err->character = err_character(text, at);
        put_context(err->context, sizeof err->context, text, at, len);
    }
    return status;
}

int err_no_memory(struct err *err, const char *format, ...)
{
    char what[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_set(err, ERR_NO_MEMORY, "no memory for %s", what);
}

int err_errno(struct err *err, enum err_code code, const char *format, ...)
{
    int cause = errno;
    if (cause == ENOSPC || cause == EDQUOT)
        code = ERR_DISK_FULL;
    va_list args;
    va_start(args, format);
    int status = fill(err, code, NULL, format, args);
    va_end(args);
    if (err != NULL) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(cause));
    }
    return status;
}

static int row(int code)
{
    int positive = abs(code);
    return positive < ERR_COUNT ? positive : ERR_INTERNAL;
}

const char *err_name(int code)
{
    return table[row(code)].name;
}

const char *err_title(int code)
{
    return table[row(code)].title;
}

int err_http_status(int code)
{
    return table[row(code)].http;
}

int err_exit_status(int code)
{
    return table[row(code)].exit;
}
