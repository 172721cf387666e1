/* From a reply to bytes. Security headers, caching and deadlines are decided here, for everything.
 */
#include "server/http/exchange/exchange_respond.h"

#include "server/base/watch.h"
#include "server/coding/gzip.h"
#include "server/http/exchange/exchange_sending.h"
#include "server/http/exchange/exchange_turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct header {
    const char *name, *value;
} always[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
};

/* More than that isn't given to the kernel at once, which would take megabytes, and milliseconds.
 */
enum { WHOLE_BYTES = 262144 };

typedef void add_header(void *to, const char *name, const char *value);

/* A packed reply is another representation, so that a strong tag is another one, too. A caller that has that
 * one is answered by it; proxies that pack what came as it is make the tag weak. */
static void add_tag(const struct exchange *x, const char *tag, add_header *add, void *to)
{
    char packed[sizeof x->reply.headers[0].value + 8];
    size_t len = strlen(tag);
    snprintf(packed, sizeof packed, "%.*s-gzip\"", (int)(len > 0 ? len - 1 : 0), tag);
    bool has = x->reply.status == 304 && strstr(x->req.if_none_match, packed) != NULL;
    add(to, "ETag", strncmp(tag, "W/", 2) != 0 && (x->reply.gzip || has) ? packed : tag);
}

static void each_header(const struct exchange *x, add_header *add, void *to)
{
    const struct reply *reply = &x->reply;
    bool cached = false;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        add(to, always[i].name, always[i].value);
    for (size_t i = 0; i < reply->headers_n; i++) {
        if (strcmp(reply->headers[i].name, "ETag") == 0)
            add_tag(x, reply->headers[i].value, add, to);
        else
            add(to, reply->headers[i].name, reply->headers[i].value);
        cached |= strcmp(reply->headers[i].name, "Cache-Control") == 0;
    }
    if (!cached)
        add(to, "Cache-Control", "no-store");
    if (reply->status != 204 && reply->status != 304)
        add(to, "Content-Type", reply->content_type);
    if (reply->gzip)
        add(to, "Content-Encoding", "gzip");
    if (reply->content_type != NULL && gzip_suits(reply->content_type))
        add(to, "Vary", "Accept-Encoding");
    if (reply->source.read != NULL && !reply->source.whole)
        add(to, "X-Accel-Buffering", "no");
    if (x->linger || x->close || x->req.app->closing)
        add(to, "Connection", "close");
}

/* What the reply's steps have left: small JSON, problem documents, nothing at all. */
static void make_bytes(struct exchange *x)
{
    struct reply *reply = &x->reply;
    if (reply_write(reply, &x->err) != 0) {
        exchange_ready(x, -x->err.code);
        reply_write(reply, &x->err);
    }
    bool bare = reply->status == 204 || reply->status == 304;
    if (reply->body.len == 0 && !bare && strcmp(reply->content_type, "application/json") == 0)
        buf_adds(&reply->body, "{}\n");
}

static struct MHD_Response *whole(char *take_bytes, size_t len)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, take_bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(take_bytes);
    return response;
}

static struct MHD_Response *bytes_response(struct exchange *x)
{
    size_t len = 0;
    struct watch_mark mark =
        watch_enter("write", x->req.endpoint != NULL ? x->req.endpoint->path : "");
    make_bytes(x);
    watch_leave(mark);
    if (x->reply.body.len == 0)
        return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    peer_wait(x->peer, SENDING_MS + (int64_t)x->reply.body.len / SENDING_BYTES_PER_MS);
    char *bytes = buf_take(&x->reply.body, &len);
    if (bytes == NULL)
        return NULL;
    return len > WHOLE_BYTES ? sending_bytes(x, bytes, len) : whole(bytes, len);
}

static struct MHD_Response *make_response(struct exchange *x)
{
    struct reply_source *source = &x->reply.source;
    if (x->sending != NULL)
        return sending_file(x);
    if (source->read == NULL)
        return bytes_response(x);
    bool goes = x->reply.status < 400;
    if (!x->head && goes)
        return sending_source(x);
    source->closed(source->source);
    source->closed = NULL;
    return goes ? sending_head() : bytes_response(x);
}

static void add_to_response(void *to, const char *name, const char *value)
{
    MHD_add_response_header(to, name, value);
}

enum MHD_Result exchange_respond(struct exchange *x)
{
    peer_wait(x->peer, 0);
    struct MHD_Response *response = make_response(x);
    x->state = EXCHANGE_SENT;
    if (response == NULL)
        return MHD_NO;
    each_header(x, add_to_response, response);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

static void add_to_buf(void *to, const char *name, const char *value)
{
    buf_addf(to, "%s: %s\r\n", name, value);
}

void exchange_respond_past(struct exchange *x)
{
    struct buf text;
    x->linger = true;
    make_bytes(x);
    buf_init(&text, 0);
    buf_addf(&text, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n", x->reply.status,
             MHD_get_reason_phrase_for((unsigned)x->reply.status), x->reply.body.len);
    each_header(x, add_to_buf, &text);
    buf_adds(&text, "\r\n");
    buf_add(&text, x->reply.body.data, x->reply.body.len);
    if (x->peer != NULL && !text.failed) /* a socket that has sent nothing yet has room for it */
        send(x->peer->fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_done(&text);
    x->state = EXCHANGE_SENT;
}
