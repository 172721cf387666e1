/* An attempt's events.ndjson is the log, the socket only its fast path. Lines stand in it in order
 * and without gaps, so that line n carries seq n: those that the store has are passed
 * over by counting newlines. */
#include "server/runs/ingest_file.h"

#include "common/wire/wire.h"
#include "server/store/curves/store_metrics.h"
#include "server/store/runs/store_attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART_BYTES = 2 << 20, CHUNK = 65536 }; /* of a file, a transaction */

int ingest_line(struct store *store, int64_t run, int64_t attempt, const char *line, size_t len,
                uint64_t *ret_acked, struct err *err)
{
    struct wire_message message;
    struct err why = { 0 };
    int status = wire_decode(line, len, &message, &why);
    if (status != 0)
        return err_set(err, ERR_PROTOCOL, "%s", why.message);
    if (wire_type_is_event(message.type))
        status = store_event_apply(store, run, attempt, &message, ret_acked, err);
    else if (message.type != WIRE_HEARTBEAT)
        status = err_set(err, ERR_PROTOCOL, "a %s message doesn't belong here",
                         wire_type_name(message.type));
    wire_message_done(&message);
    return status;
}

/* The offset behind line number n; -1 when the file has fewer. */
static off_t skip_lines(int fd, uint64_t n)
{
    char chunk[CHUNK];
    off_t at = 0;
    ssize_t len;
    while (n > 0 && (len = pread(fd, chunk, sizeof chunk, at)) > 0) {
        const char *from = chunk, *end = chunk + len;
        while (n > 0 && (from = memchr(from, '\n', (size_t)(end - from))) != NULL) {
            from++;
            n--;
        }
        at += n > 0 ? len : from - chunk;
    }
    return n > 0 ? -1 : at;
}

static int apply_part(struct store *store, int64_t run, int64_t attempt, uint64_t acked,
                      const char *text, size_t len, struct err *err)
{
    const char *end;
    int status = 0;
    for (; status == 0 && len > 0 && (end = memchr(text, '\n', len)) != NULL;) {
        size_t line = (size_t)(end - text) + 1;
        struct err why = { 0 };
        status = ingest_line(store, run, attempt, text, line, &acked, &why);
        if (status == -ERR_PROTOCOL || status == -ERR_CONFLICT)
            status = err_set(err, ERR_PROTOCOL, "line %llu: %s", (unsigned long long)acked + 1,
                             why.message);
        else if (status != 0 && err != NULL)
            *err = why;
        text += line;
        len -= line;
    }
    return status;
}

int ingest_file(struct store *store, const char *attempt_dir, int64_t run, int64_t attempt,
                bool *ret_more, struct err *err)
{
    char path[PATH_MAX + 16];
    struct attempt_row row = { 0 };
    int status = store_attempt_get(store, run, attempt, &row, err);
    if (status != 0)
        return status;
    uint64_t acked = (uint64_t)row.acked_seq;
    attempt_row_done(&row);
    snprintf(path, sizeof path, "%s/events.ndjson", attempt_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (acked > 0)
            return err_set(err, ERR_PROTOCOL, "the file is gone; %llu lines of it are stored",
                           (unsigned long long)acked);
        *ret_more = false;
        return 0;
    }
    if (fd < 0)
        return err_errno(err, ERR_UNAVAILABLE, "can't read %s", path);
    off_t at = skip_lines(fd, acked);
    char *part = malloc(PART_BYTES);
    ssize_t len = at < 0 || part == NULL ? 0 : pread(fd, part, PART_BYTES, at);
    if (part == NULL)
        status = err_no_memory(err, "the lines of %s", path);
    else if (at < 0)
        status = err_set(err, ERR_PROTOCOL, "it has fewer lines than the %llu that are stored",
                         (unsigned long long)acked);
    else if (len < 0)
        status = err_errno(err, ERR_UNAVAILABLE, "can't read %s", path);
    /* A last line without its newline was never finished: the attempt died while writing it. */
    const char *last = len > 0 ? memrchr(part, '\n', (size_t)len) : NULL;
    if (last != NULL)
        status = apply_part(store, run, attempt, acked, part, (size_t)(last - part) + 1, err);
    else if (len == PART_BYTES)
        status = err_set(err, ERR_PROTOCOL, "line %llu is too long", (unsigned long long)acked + 1);
    if (status == 0)
        *ret_more = last != NULL && len == PART_BYTES;
    free(part);
    close(fd);
    return status;
}
