/* Two threads and one lock: the trainer appends lines to a backlog; the I/O thread writes them to
 * the file, and lets the link send out of that file. An error of the file stays in `failure`, where
 * the trainer finds it (emit_failed). */
#include "worker/process/emit.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/wire/launch.h"
#include "worker/process/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct emit {
    int fd; /* the file, or standard output */
    bool is_file;
    void (*sink)(void *arg, const char *line, size_t len);
    void *sink_arg;
    struct link link;
    pthread_t thread;
    int wake; /* eventfd: there is something for the I/O thread */
    atomic_int stop_asked;
    const char *_Atomic stop_reason;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved;
    struct buf backlog; /* lines that the file hasn't taken */
    bool want_sync, ending;
    struct err failure;

    /* the trainer's own */
    uint64_t seq;
    const char *const *names;
    size_t names_n, rows_n;
    int64_t sent_ms; /* when metrics were last sent */
    int64_t steps[EMIT_METRICS_ROWS];
    double values[EMIT_METRICS_ROWS * EMIT_METRICS_NAMES];
};

static void out_of_memory(void)
{
    log_error("an event's memory was refused");
    _exit(EXIT_OUT_OF_MEMORY);
}

/* The I/O thread. */

static void fail(struct emit *emit, const char *doing)
{
    pthread_mutex_lock(&emit->lock);
    err_errno(&emit->failure, ERR_STORAGE, "%s", doing);
    pthread_cond_broadcast(&emit->moved);
    pthread_mutex_unlock(&emit->lock);
}

/* Writes once; a full disk is waited for. Returns whether there was progress. */
static bool write_some(struct emit *emit)
{
    pthread_mutex_lock(&emit->lock);
    size_t n = emit->failure.code == 0 ? emit->backlog.len : 0;
    bool sync = emit->want_sync;
    char *bytes = NULL;
    if (n > 0) {
        /* The trainer only appends, and appending may move the buffer: write from a copy. */
        n = n < 65536 ? n : 65536;
        bytes = malloc(n);
        if (bytes == NULL)
            out_of_memory();
        memcpy(bytes, emit->backlog.data, n);
    }
    pthread_mutex_unlock(&emit->lock);
    ssize_t done = n > 0 ? write(emit->fd, bytes, n) : 0;
    int code = errno;
    free(bytes);
    if (done < 0 && code != EINTR && code != ENOSPC && code != EDQUOT && code != EAGAIN) {
        fail(emit, emit->is_file ? "can't write the events" : "can't write to standard output");
        return false;
    }
    pthread_mutex_lock(&emit->lock);
    if (done > 0)
        buf_shift(&emit->backlog, (size_t)done);
    bool drained = emit->backlog.len == 0;
    pthread_mutex_unlock(&emit->lock);
    if (drained && sync) {
        /* After a failure of any kind nobody knows what is on the disk. */
        if (emit->is_file && fdatasync(emit->fd) != 0)
            fail(emit, "can't make the events durable");
        pthread_mutex_lock(&emit->lock);
        emit->want_sync = false;
        pthread_mutex_unlock(&emit->lock);
    }
    pthread_mutex_lock(&emit->lock);
    pthread_cond_broadcast(&emit->moved);
    pthread_mutex_unlock(&emit->lock);
    return done > 0;
}

static bool has_work(struct emit *emit, bool *ret_ending)
{
    pthread_mutex_lock(&emit->lock);
    bool work = (emit->backlog.len > 0 || emit->want_sync) && emit->failure.code == 0;
    *ret_ending = emit->ending;
    pthread_mutex_unlock(&emit->lock);
    return work;
}

static void *io_main(void *arg)
{
    struct emit *emit = arg;
    int64_t retry_at = 0;
    for (;;) {
        bool ending, blocked = false;
        while (has_work(emit, &ending) && !blocked)
            if (clock_mono_ms() < retry_at || !write_some(emit)) {
                blocked = has_work(emit, &ending);
                if (blocked && clock_mono_ms() >= retry_at)
                    retry_at = clock_mono_ms() + 1000; /* the disk is full */
            }
        const char *reason = link_turn(&emit->link);
        if (reason != NULL) {
            emit->stop_reason = reason;
            emit->stop_asked = 1;
        }
        if (ending && !blocked)
            return NULL;
        struct pollfd polls[2] = { { emit->wake, POLLIN, 0 }, { -1, 0, 0 } };
        int64_t wait = link_poll(&emit->link, &polls[1]);
        if (blocked && retry_at - clock_mono_ms() < wait)
            wait = retry_at - clock_mono_ms();
        poll(polls, 2, wait < 0 ? 0 : (int)wait);
        uint64_t ignored;
        if (polls[0].revents != 0 && read(emit->wake, &ignored, sizeof ignored) < 0)
            continue;
    }
}

/* The trainer's side. */

static void wake(struct emit *emit)
{
    const uint64_t one = 1;
    if (write(emit->wake, &one, sizeof one) < 0)
        return; /* it is awake already */
}

int emit_new(const struct emit_config *config, struct emit **ret, struct err *err)
{
    struct emit *emit = calloc(1, sizeof *emit);
    if (emit == NULL)
        return err_no_memory(err, "the events");
    emit->link.fd = emit->link.file = -1; /* link_done may come before link_init */
    emit->fd = STDOUT_FILENO;
    emit->is_file = config->file != NULL;
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
    emit->sink = config->sink;
    emit->sink_arg = config->sink_arg;
    emit->sent_ms = clock_mono_ms() - EMIT_METRICS_MS;
    buf_init(&emit->backlog, 0);
    pthread_mutex_init(&emit->lock, NULL);
    pthread_cond_init(&emit->moved, NULL);
    int status = 0;
    emit->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (emit->wake < 0)
        status = err_errno(err, ERR_INTERNAL, "can't make an eventfd");
    if (status == 0 && emit->is_file) {
        while ((emit->fd = open(config->file, flags, 0600)) < 0 && errno == ENOSPC)
            sleep(1); /* no event can say so yet */
        if (emit->fd < 0)
            status = err_errno(err, ERR_STORAGE, "can't create %s", config->file);
    }
    if (status == 0)
        status = link_init(&emit->link, config->file, config->door, &config->hello, err);
    if (status == 0 && pthread_create(&emit->thread, NULL, io_main, emit) != 0)
        status = err_set(err, ERR_NO_MEMORY,
                         "the I/O thread was refused: no memory, or too many processes");
    if (status != 0) {
        link_done(&emit->link);
        if (emit->is_file && emit->fd >= 0)
            close(emit->fd);
        if (emit->wake >= 0)
            close(emit->wake);
        free(emit);
        return status;
    }
    *ret = emit;
    return 0;
}

/* Appends a finished line; waits while too much is waiting, and, if durable, until it is on disk.
 */
static void append(struct emit *emit, struct buf *line, bool durable)
{
    if (line->failed)
        out_of_memory();
    if (emit->sink != NULL) {
        emit->sink(emit->sink_arg, line->data, line->len);
        return;
    }
    pthread_mutex_lock(&emit->lock);
    while (emit->backlog.len > EMIT_BACKLOG_BYTES && emit->failure.code == 0)
        pthread_cond_wait(&emit->moved, &emit->lock);
    buf_add(&emit->backlog, line->data, line->len);
    if (emit->backlog.failed)
        out_of_memory();
    emit->want_sync |= durable;
    pthread_mutex_unlock(&emit->lock);
    wake(emit);
    pthread_mutex_lock(&emit->lock);
    while (durable && emit->want_sync && emit->failure.code == 0)
        pthread_cond_wait(&emit->moved, &emit->lock);
    pthread_mutex_unlock(&emit->lock);
}

static void flush_metrics(struct emit *emit)
{
    if (emit->rows_n == 0)
        return;
    struct buf line;
    buf_init(&line, 0);
    wire_encode_metrics(++emit->seq, emit->names, emit->names_n, emit->steps, emit->values,
                        emit->rows_n, &line);
    append(emit, &line, false);
    buf_done(&line);
    emit->rows_n = 0;
    emit->sent_ms = clock_mono_ms();
}

void emit_metrics(struct emit *emit, const char *const *names, size_t n, int64_t step,
                  const double *values)
{
    emit->names = names;
    emit->names_n = n;
    emit->steps[emit->rows_n] = step;
    memcpy(emit->values + emit->rows_n * n, values, n * sizeof *values);
    emit->rows_n++;
    if (emit->rows_n == EMIT_METRICS_ROWS || clock_mono_ms() - emit->sent_ms >= EMIT_METRICS_MS)
        flush_metrics(emit);
}

void emit_event(struct emit *emit, enum wire_type type, json_t *take_body, bool durable)
{
    flush_metrics(emit);
    struct buf line;
    buf_init(&line, 0);
    wire_encode_event(type, ++emit->seq, take_body, &line);
    append(emit, &line, durable);
    buf_done(&line);
}

void emit_sync(struct emit *emit)
{
    struct buf nothing;
    flush_metrics(emit);
    buf_init(&nothing, 0);
    if (emit->is_file)
        append(emit, &nothing, true);
    buf_done(&nothing);
}

void emit_log(struct emit *emit, const char *level, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    emit_event(emit, WIRE_LOG, json_pack("{s:s, s:s}", "level", level, "message", text), false);
}

const char *emit_stopped(struct emit *emit)
{
    return emit->stop_asked ? emit->stop_reason : NULL;
}

void emit_stop(struct emit *emit, const char *reason)
{
    emit->stop_reason = reason;
    emit->stop_asked = 1;
}

int emit_failed(struct emit *emit, struct err *err)
{
    pthread_mutex_lock(&emit->lock);
    struct err failure = emit->failure;
    pthread_mutex_unlock(&emit->lock);
    if (failure.code == 0)
        return 0;
    if (err != NULL)
        *err = failure;
    return -failure.code;
}

void emit_free(struct emit *emit, int64_t grace_ms)
{
    if (emit == NULL)
        return;
    flush_metrics(emit);
    int64_t until = clock_mono_ms() + grace_ms;
    while (link_enabled(&emit->link) && clock_mono_ms() < until &&
           link_acked(&emit->link) < emit->seq)
        poll(NULL, 0, 5);
    pthread_mutex_lock(&emit->lock);
    emit->ending = true;
    pthread_mutex_unlock(&emit->lock);
    wake(emit);
    pthread_join(emit->thread, NULL);
    link_done(&emit->link);
    if (emit->is_file)
        close(emit->fd);
    close(emit->wake);
    buf_done(&emit->backlog);
    pthread_mutex_destroy(&emit->lock);
    pthread_cond_destroy(&emit->moved);
    free(emit);
}
