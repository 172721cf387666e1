#include "common/err.h"

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

/* Bytes of the UTF-8 character at text; 0 when it is none, or was cut. */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead, low; /* low: the least second byte after the very lead */
        size_t len;
    } forms[] = {
        { 0x80, 0x00, 0, 1 }, { 0xe0, 0xc0, 0, 2 }, { 0xf0, 0xe0, 0xa0, 3 }, { 0xf8, 0xf0, 0x90, 4 }
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        for (size_t j = 1; j < forms[i].len; j++)
            if ((text[j] & 0xc0) != 0x80)
                return 0;
        bool overlong = text[0] == 0xc0 || text[0] == 0xc1 ||
                        (text[0] == forms[i].lead && text[1] < forms[i].low);
        bool surrogate = text[0] == 0xed && text[1] >= 0xa0;
        bool beyond = text[0] > 0xf4 || (text[0] == 0xf4 && text[1] >= 0x90);
        return overlong || surrogate || beyond ? 0 : forms[i].len;
    }
    return 0;
}

/* What strangers sent is quoted in messages, and long ones are cut anywhere: yet a message goes
 * into JSON. */
static void make_utf8(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0';) {
        size_t len = character(c);
        if (len == 0)
            *c = '?';
        c += len == 0 ? 1 : len;
    }
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
    }
    return -(int)code;
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
