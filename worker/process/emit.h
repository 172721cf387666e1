/* emit: an attempt's events: numbered, written to its file, then sent to the daemon.
 *
 * The file is the log, the socket only its fast path: the I/O thread appends every line to
 * events.ndjson and streams the daemon out of that same file, from the line after the last one it
 * has acknowledged. So a reconnection, a full disk or a daemon that is away needs no second
 * mechanism, and nothing waits in memory but what the file hasn't taken yet (at most
 * EMIT_BACKLOG_BYTES: then the trainer waits). Heartbeats go on meanwhile.
 *
 * Without a file the lines go to standard output, or to a function.
 */
#ifndef ABLATE_WORKER_EMIT_H
#define ABLATE_WORKER_EMIT_H

#include "common/base/err.h"
#include "common/wire/wire.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emit;

enum {
    EMIT_BACKLOG_BYTES = 8 << 20,
    EMIT_METRICS_MS = 100,   /* rows that come faster are sent together … */
    EMIT_METRICS_ROWS = 500, /* … up to so many */
    EMIT_METRICS_NAMES = 16
};

struct emit_config {
    const char *file; /* events.ndjson; NULL = standard output */
    int door;         /* to the daemon, by the keeper (door.h); 0 = none */
    struct wire_hello hello;
    /* Without a file: takes each line, on the trainer's thread, in place of standard output. May
     * call emit_stop. */
    void (*sink)(void *arg, const char *line, size_t len);
    void *sink_arg;
};
int emit_new(const struct emit_config *config, struct emit **ret, struct err *err);
/* Appends an event; steals body (NULL: memory ran out, and the process ends with
 * EXIT_OUT_OF_MEMORY). `durable`: returns only when it has reached the disk. */
void emit_event(struct emit *emit, enum wire_type type, json_t *take_body, bool durable);
/* Everything that was emitted is on the disk when it returns, or can't be (emit_failed). Nothing to
 * do without a file. */
void emit_sync(struct emit *emit);
/* A row of metrics; names stay alive and the same for the whole attempt. */
void emit_metrics(struct emit *emit, const char *const *names, size_t n, int64_t step,
                  const double *values);
/* A log event. */
void emit_log(struct emit *emit, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The daemon (or emit_stop) asked for the end: why, or NULL. */
const char *emit_stopped(struct emit *emit);
/* Asks for it; safe in a signal handler. */
void emit_stop(struct emit *emit, const char *reason);
/* Whether the log can't be written any more (anything but a full disk); fills err. */
int emit_failed(struct emit *emit, struct err *err);
/* Writes what is left, waits up to grace_ms for the daemon to acknowledge it, and ends. */
void emit_free(struct emit *emit, int64_t grace_ms);

#endif
