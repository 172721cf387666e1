/* log: structured lines for operators, logfmt on standard error:
 *   2026-01-31T09:05:00.250Z info  msg="run 17 claimed"
 * Only main, the end of a request and the supervisor log; library code returns errors instead.
 */
#ifndef ABLATE_COMMON_LOG_H
#define ABLATE_COMMON_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };

extern const char *const log_level_names[LOG_LEVELS + 1]; /* "debug" …, NULL at the end */

/* Lines below `level` are dropped from now on; LOG_INFO at first. */
void log_set_level(enum log_level level);
/* One line, at most 4 KiB, written by one write(2) so that threads don't mix. The format yields the
 * message; control characters, quotes and backslashes in it are escaped. Thread-safe; keeps errno.
 */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
