/* A line is put together on the stack and written at once: nothing is allocated, so that a line can
 * tell of memory that ran out. */
#include "common/base/log.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A message leaves ABOUT_BYTES free for the fields behind it; of those a text has TEXT_BYTES at
 * most. */
enum { LINE_BYTES = 4096, ABOUT_BYTES = 512, TEXT_BYTES = 128 };

const char *const log_level_names[LOG_LEVELS + 1] = { "debug", "info", "warn", "error", NULL };

static atomic_int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

/* Appends text with escapes, and stops while `room` bytes are still free. */
static void add_escaped(struct line *line, size_t room, const char *text)
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
        if (line->len + len + room > LINE_BYTES)
            return;
        memcpy(line->text + line->len, out, len);
        line->len += len;
    }
}

static void add(struct line *line, const char *text)
{
    size_t len = strlen(text);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void add_text(struct line *line, size_t room, const char *key, const char *text)
{
    add(line, key);
    add(line, "\"");
    add_escaped(line, room, text);
    add(line, "\"");
}

static void add_about(struct line *line, const struct log_about *about)
{
    const struct {
        const char *key;
        int64_t id;
    } ids[] = { { "experiment", about->experiment },
                { "run", about->run },
                { "attempt", about->attempt } };
    const struct {
        const char *key, *text;
    } texts[] = { { " code=", about->code }, { " client=", about->client } };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id != 0)
            line->len += (size_t)snprintf(line->text + line->len, ABOUT_BYTES, " %s=%lld",
                                          ids[i].key, (long long)ids[i].id);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text != NULL)
            add_text(line, LINE_BYTES - line->len - TEXT_BYTES, texts[i].key, texts[i].text);
}

void log_write(enum log_level level, const struct log_about *about, const char *format, ...)
{
    if ((int)level < atomic_load(&threshold))
        return;
    int saved_errno = errno;
    char message[LINE_BYTES], stamp[CLOCK_ISO_BYTES];
    struct line line;
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    clock_iso(clock_wall_ms(), stamp);
    line.len = (size_t)snprintf(line.text, sizeof line.text, "ts=%s level=%s", stamp,
                                log_level_names[level]);
    add_text(&line, ABOUT_BYTES, " msg=", message);
    if (about != NULL)
        add_about(&line, about);
    add(&line, "\n");
    /* Nobody is left to be told that the log can't be written. */
    ssize_t ignored = write(STDERR_FILENO, line.text, line.len);
    (void)ignored;
    errno = saved_errno;
}
