/* log: structured lines for operators, logfmt on standard error:
 *   ts=2026-01-31T09:05:00.250Z level=info msg="started, pid 4242" run=17 attempt=1
 * Only main, the end of a request and the supervisor log; library code returns errors instead.
 */
#ifndef ABLATE_COMMON_LOG_H
#define ABLATE_COMMON_LOG_H

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };

extern const char *const log_level_names[LOG_LEVELS + 1]; /* "debug" …, NULL at the end */

/* The subjects of a line, by which all lines about one of them are found; 0 and NULL: none. Texts
 * are borrowed. */
struct log_about {
    int64_t experiment, run, attempt;
    const char *code, *client; /* a problem's code; an address */
};

/* Lines below `level` are dropped from now on; LOG_INFO at first. */
void log_set_level(enum log_level level);
/* One line, at most 4 KiB, written by one write(2) so that threads don't mix; about may be NULL.
 * The format yields the message, which is cut before anything else is; control characters, quotes
 * and backslashes are escaped. Thread-safe; keeps errno. */
void log_write(enum log_level level, const struct log_about *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_write(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, NULL, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, NULL, __VA_ARGS__)

#endif
