/* Formatting, cleaning and writing; and what is to be known of the terminal. */
#include "server/client/terminal/say.h"

#include "common/base/utf8.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/client/terminal/clean.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static void write_clean(FILE *to, const char *text, size_t len, enum clean_kind kind)
{
    struct buf out;
    buf_init(&out, 0);
    clean_add(&out, text, len, kind);
    if (!out.failed && out.len > 0)
        fwrite(out.data, 1, out.len, to);
    buf_done(&out);
}

static void write_format(FILE *to, enum clean_kind kind, const char *format, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    if (len >= 0) {
        write_clean(to, text, (size_t)len, kind);
        free(text);
    }
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_format(stdout, CLEAN_TEXT, format, args);
    va_end(args);
}

void say_text(const char *text, size_t len)
{
    write_clean(stdout, text, len, CLEAN_TEXT);
}

void say_aside(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("ablate: ", stderr);
    va_start(args, format);
    write_format(stderr, CLEAN_LINE, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void say_json(const json_t *value)
{
    struct buf text, out;
    buf_init(&text, 0);
    buf_init(&out, 0);
    jsonx_dump(value, JSONX_KEEP_ORDER, &text);
    clean_add_json(&out, text.failed ? "null" : text.data, text.failed ? 4 : text.len);
    buf_addc(&out, '\n');
    if (!out.failed)
        fwrite(out.data, 1, out.len, stdout);
    buf_done(&out);
    buf_done(&text);
}

void say_raw(FILE *to, const char *text)
{
    fputs(text, to);
}

char *say_name(const char *text)
{
    struct buf out;
    buf_init(&out, 0);
    if (text != NULL)
        clean_add(&out, text, strlen(text), CLEAN_LINE);
    char *made = buf_take(&out, NULL);
    return made != NULL ? made : calloc(1, 1);
}

int say_flush(struct err *err)
{
    return fflush(stdout) == 0 && !ferror(stdout)
               ? 0
               : err_errno(err, ERR_STORAGE, "can't write to standard output");
}

int say_columns(FILE *to)
{
    struct winsize size;
    if (!isatty(fileno(to)))
        return 0;
    return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool say_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

size_t say_width(const char *text)
{
    size_t len = strlen(text), width = 0;
    for (size_t i = 0, n; i < len; i += n) {
        if (utf8_char(text + i, len - i) == 0) {
            n = 1;
            width++;
            continue;
        }
        int columns = wcwidth((wchar_t)utf8_decode(text + i, len - i, &n));
        width += columns >= 0 ? (size_t)columns : 1;
    }
    return width;
}
