#include "common/log.h"

#include "common/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

const char *const log_level_names[LOG_LEVELS + 1] = { "debug", "info", "warn", "error", NULL };

static atomic_int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

/* Appends text to line[*used …] with escapes, and stops while `room` bytes are still free: a
 * message cut short must not lose its closing quote. */
static void add_escaped(char line[LINE_BYTES], size_t *used, size_t room, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        char escaped[8];
        const char *out = escaped;
        switch (*c) {
        case '"':
            out = "\\\"";
            break;
        case '\\':
            out = "\\\\";
            break;
        case '\n':
            out = "\\n";
            break;
        case '\t':
            out = "\\t";
            break;
        default:
            if ((unsigned char)*c < 0x20 || *c == 0x7f)
                snprintf(escaped, sizeof escaped, "\\x%02x", (unsigned)(unsigned char)*c);
            else
                snprintf(escaped, sizeof escaped, "%c", *c);
        }
        size_t len = strlen(out);
        if (*used + len + room > LINE_BYTES)
            return;
        memcpy(line + *used, out, len);
        *used += len;
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load(&threshold))
        return;
    int saved_errno = errno;
    char message[LINE_BYTES], line[LINE_BYTES], stamp[CLOCK_ISO_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    clock_iso(clock_wall_ms(), stamp);
    size_t used =
        (size_t)snprintf(line, sizeof line, "%s %-5s msg=\"", stamp, log_level_names[level]);
    add_escaped(line, &used, 2, message);
    line[used++] = '"';
    line[used++] = '\n';
    /* A log that can't be written has nobody left to be told. */
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
    errno = saved_errno;
}
