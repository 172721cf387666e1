/* Bodies that are made while they are sent. microhttpd pulls: a source is asked whenever the socket
 * takes more, and sleeps when it has nothing; a file is read on the pool, chunk by chunk, the
 * connection suspended meanwhile. */
#include "server/http/exchange/exchange_sending.h"

#include "server/http/exchange/exchange_remains.h"
#include "server/http/exchange/exchange_turns.h"

#include "common/base/clock.h"
#include "server/http/exchange/range.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, SOURCE_BYTES = 16384, DEAD_PEER_MS = 60000 };
/* What the kernel takes of a source beyond what its peer has taken. Left to itself it takes
 * megabytes for each of those who never read, and the time for that is missing to those who do. */
enum { AHEAD_BYTES = 128 << 10 };

/* Lives until microhttpd lets go of the response, which is after the exchange. */
struct sending {
    struct exchange *exchange; /* NULL once the exchange is over */
    struct reply_source source;
    struct app *app;
    int fd;
    bool nameless;       /* its blocks are freed when it is closed */
    uint64_t from, size; /* the part of the file that is sent */
    uint64_t at;         /* of the chunk in the file */
    size_t len;          /* bytes in the chunk */
    char *chunk;
    bool failed;
    int64_t since_ms, asleep_ms; /* of a whole source: begun, less what it slept; fell asleep */
    uint64_t sent;
};

static struct sending *sending_new(struct exchange *x)
{
    struct sending *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->exchange = x;
    s->app = x->req.app;
    s->fd = -1;
    x->sending = s;
    return s;
}

static void sending_free(void *arg)
{
    struct sending *s = arg;
    if (s->exchange != NULL)
        s->exchange->sending = NULL;
    if (s->source.closed != NULL)
        s->source.closed(s->source.source);
    if (s->nameless)
        remains_let_go(s->app, s->fd, NULL);
    else if (s->fd >= 0)
        close(s->fd);
    free(s->chunk);
    free(s);
}

void sending_end(struct exchange *x)
{
    struct sending *s = x->sending;
    if (x->reply.source.closed != NULL) /* made, and never sent */
        x->reply.source.closed(x->reply.source.source);
    x->reply.source.closed = NULL;
    if (s == NULL)
        return;
    x->sending = NULL;
    s->exchange = NULL;
    if (s->source.closed != NULL) /* a source must not wake what is gone */
        s->source.closed(s->source.source);
    s->source = (struct reply_source){ 0 };
    if (x->state != EXCHANGE_SENT)
        sending_free(s); /* microhttpd has never seen it */
}

/* Sources. */

void sending_wake(struct exchange *x)
{
    if (x->sending != NULL && x->sending->source.read != NULL)
        exchange_resume(x);
}

bool sending_sleeps(const struct exchange *x)
{
    return x->suspended && x->sending != NULL && x->sending->source.beat != NULL;
}

void sending_beat(struct exchange *x)
{
    x->sending->source.beat(x->sending->source.source);
}

/* The client of a whole source has the time that one of a file of what it got so far would have;
 * while the source sleeps nobody waits for the client. */
static void keep_pace(struct sending *s, long n)
{
    int64_t now = clock_mono_ms();
    if (s->asleep_ms != 0)
        s->since_ms += now - s->asleep_ms;
    s->asleep_ms = n == 0 ? now : 0;
    s->sent += (uint64_t)n;
    int64_t allowed = SENDING_MS + (int64_t)(s->sent / SENDING_BYTES_PER_MS) - (now - s->since_ms);
    peer_wait(s->exchange->peer, n == 0 ? 0 : allowed > 0 ? allowed : 1);
}

static ssize_t pull_source(void *arg, uint64_t pos, char *to, size_t max)
{
    (void)pos;
    struct sending *s = arg;
    bool whole = s->source.whole;
    if (s->exchange == NULL || s->exchange->left || s->exchange->req.app->closing)
        return whole ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    s->exchange->all->calls++;
    long n = s->source.read(s->source.source, to, max);
    if (n < 0)
        return n == REPLY_BROKEN ? MHD_CONTENT_READER_END_WITH_ERROR
                                 : MHD_CONTENT_READER_END_OF_STREAM;
    if (whole)
        keep_pace(s, n);
    if (n == 0)
        exchange_suspend(s->exchange);
    return n;
}

/* A suspended connection never notices that its peer has gone: the kernel shall. */
static void watch_peer(const struct peer *peer, bool whole)
{
    const unsigned dead_ms = DEAD_PEER_MS;
    const int on = 1, ahead = AHEAD_BYTES;
    if (!whole)
        setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &ahead, sizeof ahead);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    setsockopt(peer->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

struct MHD_Response *sending_source(struct exchange *x)
{
    struct sending *s = sending_new(x);
    if (s == NULL)
        return NULL;
    s->source = x->reply.source;
    x->reply.source.closed = NULL; /* it has moved */
    s->since_ms = clock_mono_ms();
    if (x->peer != NULL)
        watch_peer(x->peer, s->source.whole);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, s->source.whole ? CHUNK_BYTES : SOURCE_BYTES, pull_source, s,
        sending_free);
    if (response == NULL)
        sending_free(s);
    return response;
}

static ssize_t pull_nothing(void *arg, uint64_t pos, char *to, size_t max)
{
    (void)arg;
    (void)pos;
    (void)to;
    (void)max;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

struct MHD_Response *sending_head(void)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, pull_nothing, NULL, NULL);
    if (response !=
        NULL) /* else it (0.9.75) sends the end of the chunks, which a HEAD's reply has none of */
        MHD_set_response_options(response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    return response;
}

/* Bytes. */

struct bytes {
    uv_work_t work;
    struct exchanges *all;
    char *data; /* owned */
    size_t len;
};

static ssize_t pull_bytes(void *arg, uint64_t pos, char *to, size_t max)
{
    const struct bytes *b = arg;
    size_t n = b->len - (size_t)pos < max ? b->len - (size_t)pos : max;
    memcpy(to, b->data + pos, n);
    b->all->calls++;
    return (ssize_t)n;
}

static void free_on_pool(uv_work_t *work)
{
    const struct bytes *b = work->data;
    free(b->data);
}

static void freed(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

/* Giving 80 MB back to the kernel takes 10 ms. */
static void bytes_free(void *arg)
{
    struct bytes *b = arg;
    b->work.data = b;
    uv_queue_work(work_loop(b->all->app->work), &b->work, free_on_pool, freed);
}

struct MHD_Response *sending_bytes(struct exchange *x, char *take_bytes, size_t len)
{
    struct bytes *b = malloc(sizeof *b);
    struct MHD_Response *response = NULL;
    if (b != NULL) {
        *b = (struct bytes){ .all = x->all, .data = take_bytes, .len = len };
        response = MHD_create_response_from_callback(len, CHUNK_BYTES, pull_bytes, b, bytes_free);
    }
    if (response == NULL) {
        free(take_bytes);
        free(b);
    }
    return response;
}

/* Files. */

static void open_file(struct exchange *x)
{
    struct sending *s = x->sending;
    struct stat info = { 0 };
    s->nameless = x->reply.fd >= 0;
    s->fd = s->nameless ? x->reply.fd
                        : open(x->reply.file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    x->reply.fd = -1; /* it has moved */
    s->failed = s->fd < 0 || fstat(s->fd, &info) != 0 || !S_ISREG(info.st_mode);
    s->size = (uint64_t)info.st_size;
    s->chunk = malloc(CHUNK_BYTES);
}

/* Of a file that is sent to a GET, the part that was asked for. */
static int choose_part(struct exchange *x, struct sending *s)
{
    struct reply *reply = &x->reply;
    uint64_t size = s->size;
    enum range range = RANGE_WHOLE;
    if (!x->head && range_holds(exchange_header(x, "If-Range"), reply_header_value(reply, "ETag"),
                                reply_header_value(reply, "Last-Modified")))
        range = range_of(exchange_header(x, "Range"), size, &s->from, &s->size);
    if (range == RANGE_NOWHERE) {
        reply->headers_n = 0; /* they are the file's */
        reply_header(reply, "Content-Range", "bytes */%llu", (unsigned long long)size);
        return err_set(&x->err, ERR_RANGE, "the file has %llu bytes, and the range none of them",
                       (unsigned long long)size);
    }
    reply_header(reply, "Accept-Ranges", "bytes");
    if (range == RANGE_PART) {
        reply->status = 206;
        reply_header(reply, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)s->from,
                     (unsigned long long)(s->from + s->size - 1), (unsigned long long)size);
    }
    return 0;
}

static void file_opened(struct exchange *x)
{
    struct sending *s = x->sending;
    int status = s->failed ? err_set(&x->err, ERR_NOT_FOUND, "there is no such file any more")
                 : s->chunk == NULL ? err_no_memory(&x->err, "the file")
                                    : choose_part(x, s);
    exchange_ready(x, status);
    if (status != 0)
        sending_free(s);
}

void sending_open(struct exchange *x)
{
    if (sending_new(x) == NULL)
        exchange_ready(x, err_no_memory(&x->err, "the file"));
    else
        exchange_pool(x, open_file, file_opened);
}

static void read_chunk(struct exchange *x)
{
    struct sending *s = x->sending;
    ssize_t n = pread(s->fd, s->chunk, CHUNK_BYTES, (off_t)s->at);
    s->failed = n <= 0;
    s->len = n > 0 ? (size_t)n : 0;
}

static ssize_t pull_file(void *arg, uint64_t pos, char *to, size_t max)
{
    struct sending *s = arg;
    if (s->failed || s->exchange == NULL || s->exchange->all->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    s->exchange->all->calls++;
    pos += s->from;
    if (pos < s->at || pos >= s->at + s->len) {
        s->at = pos;
        s->len = 0;
        exchange_pool(s->exchange, read_chunk, NULL);
        return 0;
    }
    size_t skip = (size_t)(pos - s->at), n = s->len - skip < max ? s->len - skip : max;
    memcpy(to, s->chunk + skip, n);
    return (ssize_t)n;
}

struct MHD_Response *sending_file(struct exchange *x)
{
    struct sending *s = x->sending;
    peer_wait(x->peer, SENDING_MS + (int64_t)(s->size / SENDING_BYTES_PER_MS));
    struct MHD_Response *response =
        MHD_create_response_from_callback(s->size, CHUNK_BYTES, pull_file, s, sending_free);
    if (response == NULL)
        sending_free(s);
    return response;
}
