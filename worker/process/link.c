/* A state machine that never waits: a connection by way of the keeper, hello, welcome, then the
 * file's bytes. Each turn does what its descriptors allow. */
#include "worker/process/link.h"

#include "common/base/clock.h"
#include "worker/process/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAUSE_MS = 100, PAUSE_MAX_MS = 5000, CHUNK = 65536, IDLE_MS = 1000, ANSWER_MS = 5000 };

int link_init(struct link *link, const char *file, int door, const struct wire_hello *hello,
              struct err *err)
{
    *link =
        (struct link){ .file = -1, .door = door, .fd = -1, .pause_ms = PAUSE_MS, .hello = *hello };
    buf_init(&link->out, 0);
    buf_init(&link->in, WIRE_LINE_MAX);
    if (file == NULL || door == 0)
        return 0;
    link->file = open(file, O_RDONLY | O_CLOEXEC);
    return link->file < 0 ? err_errno(err, ERR_STORAGE, "can't read %s", file) : 0;
}

static void disconnect(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->asked = link->welcomed = false;
    buf_clear(&link->out);
    buf_clear(&link->in);
    link->next_try_ms = clock_mono_ms() + link->pause_ms;
    link->pause_ms = link->pause_ms * 2 < PAUSE_MAX_MS ? link->pause_ms * 2 : PAUSE_MAX_MS;
}

void link_done(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    if (link->file >= 0)
        close(link->file);
    buf_done(&link->out);
    buf_done(&link->in);
    link->fd = link->file = -1;
}

bool link_enabled(const struct link *link)
{
    return link->file >= 0;
}

uint64_t link_acked(struct link *link)
{
    return link->acked;
}

/* Asks the keeper for a connection when it is time, and takes what it answers. */
static void connect_on(struct link *link)
{
    if (!link->asked && clock_mono_ms() < link->next_try_ms)
        return;
    if (!link->asked) {
        link->asked = door_ask(link->door);
        link->asked_ms = clock_mono_ms();
    }
    int fd = link->asked ? door_take(link->door) : DOOR_REFUSED;
    if (fd == DOOR_WAIT && clock_mono_ms() - link->asked_ms < ANSWER_MS)
        return;
    if (fd < 0) { /* an answer may have been dropped: it is asked for again */
        disconnect(link);
        return;
    }
    link->asked = false;
    link->fd = fd;
    wire_encode_hello(&link->hello, &link->out);
    link->beat_ms = clock_mono_ms();
}

/* Finds the line after number `acked`: its offset in the file. Lines stand in order, from 1. */
static void seek_after(struct link *link, uint64_t acked)
{
    char chunk[CHUNK];
    int64_t at = 0, start = 0;
    uint64_t lines = 0;
    while (lines < acked) {
        ssize_t n = pread(link->file, chunk, sizeof chunk, at);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n && lines < acked; i++)
            if (chunk[i] == '\n') {
                lines++;
                start = at + i + 1;
            }
        at += n;
    }
    link->offset = start;
    link->mid_line = false;
}

static void take_line(struct link *link, const char *line, size_t len)
{
    struct wire_message message;
    struct err err;
    if (wire_decode(line, len, &message, &err) != 0) {
        disconnect(link);
        return;
    }
    json_t *body = message.body;
    switch (message.type) {
    case WIRE_WELCOME:
        link->acked = (uint64_t)json_integer_value(json_object_get(body, "acked"));
        seek_after(link, link->acked);
        link->welcomed = true;
        link->pause_ms = PAUSE_MS;
        break;
    case WIRE_ACK:
        link->acked = (uint64_t)json_integer_value(json_object_get(body, "seq"));
        break;
    case WIRE_STOP:
        if (link->reason[0] == '\0')
            snprintf(link->reason, sizeof link->reason, "%s",
                     json_string_value(json_object_get(body, "reason")));
        break;
    default:
        break;
    }
    wire_message_done(&message);
}

static void receive(struct link *link)
{
    char chunk[4096];
    while (link->fd >= 0) {
        ssize_t n = recv(link->fd, chunk, sizeof chunk, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            disconnect(link);
            return;
        }
        buf_add(&link->in, chunk, (size_t)n);
        for (const char *end; link->fd >= 0 && link->in.len > 0 &&
                              (end = memchr(link->in.data, '\n', link->in.len)) != NULL;) {
            size_t len = (size_t)(end - link->in.data) + 1;
            take_line(link, link->in.data, len);
            if (link->fd >= 0)
                buf_shift(&link->in, len);
        }
    }
}

/* Reads on in the file, whole or half lines alike: the stream's bytes are the file's. A heartbeat
 * may only stand between lines. */
static void fill(struct link *link)
{
    char chunk[CHUNK];
    if (!link->welcomed || link->out.len > 0)
        return;
    ssize_t n = pread(link->file, chunk, sizeof chunk, link->offset);
    if (n > 0) {
        const char *end = memrchr(chunk, '\n', (size_t)n);
        if (end != NULL)
            n = end - chunk + 1;
        else if ((size_t)n < sizeof chunk)
            n = 0; /* the rest of the line isn't in the file yet */
        buf_add(&link->out, chunk, (size_t)n);
        link->offset += n;
        link->mid_line = n > 0 ? chunk[n - 1] != '\n' : link->mid_line;
    }
    if (n <= 0 && !link->mid_line && clock_mono_ms() - link->beat_ms >= LINK_HEARTBEAT_MS) {
        wire_encode_heartbeat(&link->out);
        link->beat_ms = clock_mono_ms();
    }
}

static void transmit(struct link *link)
{
    while (link->fd >= 0) {
        fill(link);
        if (link->out.len == 0)
            return;
        ssize_t n = send(link->fd, link->out.data, link->out.len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            disconnect(link);
            return;
        }
        buf_shift(&link->out, (size_t)n);
    }
}

const char *link_turn(struct link *link)
{
    if (link->file < 0)
        return NULL;
    if (link->fd < 0)
        connect_on(link);
    receive(link);
    transmit(link);
    return link->reason[0] != '\0' ? link->reason : NULL;
}

int64_t link_poll(const struct link *link, struct pollfd *ret)
{
    *ret = (struct pollfd){ .fd = -1 };
    if (link->file < 0)
        return IDLE_MS;
    if (link->asked) {
        *ret = (struct pollfd){ .fd = link->door, .events = POLLIN };
        return IDLE_MS;
    }
    if (link->fd < 0) {
        int64_t wait = link->next_try_ms - clock_mono_ms();
        return wait < 0 ? 0 : wait;
    }
    *ret = (struct pollfd){ .fd = link->fd,
                            .events = (short)(POLLIN | (link->out.len > 0 ? POLLOUT : 0)) };
    return IDLE_MS;
}
