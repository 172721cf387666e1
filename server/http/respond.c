/* From a reply to bytes. Security headers and caching are decided here, for everything. A file is
 * read on the pool, chunk by chunk, while it is sent; a source is asked whenever the socket takes
 * more. */
#include "server/http/exchange.h"

#include "common/jsonx.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 65536, SOURCE_BLOCK = 16384, DEAD_PEER_MS = 60000 };

static const struct {
    const char *name, *value;
} always[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
};

/* What outlives the access callback: microhttpd pulls its bytes until it calls sending_free. */
struct sending {
    struct exchange *exchange; /* NULL once the exchange is over */
    struct reply_source source;
    uv_work_t work;
    int fd;
    uint64_t at; /* of the chunk in the file */
    size_t len;  /* bytes in the chunk */
    char *chunk;
    bool busy, failed, over; /* the pool is reading; it couldn't; microhttpd has let go */
};

static void sending_drop(struct sending *s)
{
    if (s->source.closed != NULL)
        s->source.closed(s->source.source);
    s->source.closed = NULL;
    if (s->busy)
        return; /* chunk_read comes back */
    if (s->fd >= 0)
        close(s->fd);
    free(s->chunk);
    free(s);
}

static void sending_free(void *arg)
{
    struct sending *s = arg;
    if (s->exchange != NULL)
        s->exchange->sending = NULL;
    s->exchange = NULL;
    s->over = true;
    sending_drop(s);
}

void sending_end(struct exchange *x)
{
    if (x->sending == NULL)
        return;
    x->sending->exchange = NULL;
    /* The connection is gone: a source must not wake it any more. */
    if (x->sending->source.closed != NULL) {
        x->sending->source.closed(x->sending->source.source);
        x->sending->source.closed = NULL;
        x->sending->source.read = NULL;
    }
    x->sending = NULL;
}

void sending_wake(struct exchange *x)
{
    if (x->sending != NULL && !x->sending->busy)
        exchange_resume(x);
}

static ssize_t pull_source(void *arg, uint64_t pos, char *to, size_t max)
{
    (void)pos;
    struct sending *s = arg;
    if (s->source.read == NULL || s->exchange == NULL || s->exchange->req.app->closing)
        return MHD_CONTENT_READER_END_OF_STREAM;
    long n = s->source.read(s->source.source, to, max);
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        exchange_suspend(s->exchange);
    return n;
}

static void read_chunk(uv_work_t *work)
{
    struct sending *s = work->data;
    ssize_t n = pread(s->fd, s->chunk, CHUNK, (off_t)s->at);
    s->failed = n <= 0;
    s->len = n > 0 ? (size_t)n : 0;
}

static void chunk_read(uv_work_t *work, int status)
{
    (void)status;
    struct sending *s = work->data;
    s->busy = false;
    if (s->over)
        sending_drop(s);
    else if (s->exchange != NULL)
        exchange_resume(s->exchange);
}

static ssize_t pull_file(void *arg, uint64_t pos, char *to, size_t max)
{
    struct sending *s = arg;
    if (s->failed || s->exchange == NULL)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (pos < s->at || pos >= s->at + s->len) {
        s->at = pos;
        s->len = 0;
        s->work.data = s;
        s->busy = uv_queue_work(work_loop(s->exchange->req.app->work), &s->work, read_chunk,
                                chunk_read) == 0;
        if (!s->busy)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        exchange_suspend(s->exchange);
        return 0;
    }
    size_t skip = (size_t)(pos - s->at), n = s->len - skip < max ? s->len - skip : max;
    memcpy(to, s->chunk + skip, n);
    return (ssize_t)n;
}

static struct sending *sending_new(struct exchange *x)
{
    struct sending *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->exchange = x;
    s->fd = -1;
    x->sending = s;
    return s;
}

static struct MHD_Response *source_response(struct exchange *x)
{
    struct sending *s = sending_new(x);
    if (s == NULL)
        return NULL;
    s->source = x->reply.source;
    if (x->peer != NULL) {
        /* A suspended connection never notices that its client has left: the kernel shall. */
        unsigned dead_ms = DEAD_PEER_MS;
        int one = 1;
        setsockopt(x->peer->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
        setsockopt(x->peer->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SOURCE_BLOCK, pull_source, s,
                                             sending_free);
}

static struct MHD_Response *file_response(struct exchange *x)
{
    struct sending *s = sending_new(x);
    struct stat info;
    if (s == NULL)
        return NULL;
    s->fd = open(x->reply.file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    s->chunk = malloc(CHUNK);
    if (s->fd < 0 || s->chunk == NULL || fstat(s->fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        sending_free(s);
        err_set(&x->err, ERR_NOT_FOUND, "there is no such file any more");
        reply_problem(&x->reply, &x->err);
        return NULL;
    }
    return MHD_create_response_from_callback((uint64_t)info.st_size, CHUNK, pull_file, s,
                                             sending_free);
}

static struct MHD_Response *bytes_response(struct exchange *x)
{
    struct reply *reply = &x->reply;
    size_t len = 0;
    if (reply->body.len == 0 && reply->json != NULL) {
        jsonx_dump(reply->json, JSONX_KEEP_ORDER, &reply->body);
        buf_addc(&reply->body, '\n');
    }
    if (reply->body.len == 0)
        return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    char *bytes = buf_take(&reply->body, &len);
    if (bytes == NULL)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(bytes);
    return response;
}

static void add_headers(struct MHD_Response *response, const struct reply *reply)
{
    bool cached = false;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        MHD_add_response_header(response, always[i].name, always[i].value);
    for (size_t i = 0; i < reply->headers_n; i++) {
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
        cached |= strcmp(reply->headers[i].name, "Cache-Control") == 0;
    }
    if (!cached)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->status != 204 && reply->status != 304)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (reply->source.read != NULL)
        MHD_add_response_header(response, "X-Accel-Buffering", "no");
}

enum MHD_Result exchange_respond(struct exchange *x)
{
    struct MHD_Response *response = NULL;
    x->state = EXCHANGE_SENT;
    peer_wait(x->peer, 0);
    if (x->reply.source.read != NULL && !x->head)
        response = source_response(x);
    else if (x->reply.source.read != NULL)
        x->reply.source.closed(x->reply.source.source);
    else if (x->reply.file != NULL)
        response = file_response(x);
    if (response == NULL)
        response = bytes_response(x);
    if (response == NULL)
        return MHD_NO;
    add_headers(response, &x->reply);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->reply.status, response);
    MHD_destroy_response(response);
    return result;
}
