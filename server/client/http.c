/* libcurl, driven by a loop of its own so that `tick` is called however quiet the server is. */
#include "server/client/http.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/client/transfer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 100 };

struct http {
    CURL *easy;
    CURLM *multi;
    struct where where;
    bool ended;
};

/* What is under way. */
struct transfer {
    struct http *http;
    const struct http_call *call;
    struct http_reply reply;
    size_t header_bytes;
    const char *broken; /* why the reply isn't acceptable; NULL while it is */
};

int http_new(const struct where *where, struct http **ret, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);
    bool ready = http != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
                 (http->easy = curl_easy_init()) != NULL &&
                 (http->multi = curl_multi_init()) != NULL;
    if (!ready) {
        http_free(http);
        return err_no_memory(err, "libcurl");
    }
    http->where = *where;
    *ret = http;
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    explicit_bzero(&http->where, sizeof http->where);
    free(http);
}

void http_move(struct http *http, const struct where *where)
{
    http->where = *where;
}

bool http_ended(const struct http *http)
{
    return http->ended;
}

void http_reply_done(struct http_reply *reply)
{
    buf_done(&reply->body);
}

/* What comes. */

static void take_header(char *to, size_t size, const char *line, size_t len, const char *name)
{
    size_t head = strlen(name);
    if (len <= head || strncasecmp(line, name, head) != 0)
        return;
    for (line += head, len -= head; len > 0 && (*line == ' ' || *line == '\t'); len--)
        line++;
    while (len > 0 && (unsigned char)line[len - 1] <= ' ')
        len--;
    snprintf(to, size, "%.*s", (int)(len < size ? len : size - 1), line);
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;
    struct http_reply *r = &t->reply;
    len *= one;
    t->header_bytes += len;
    if (t->header_bytes > HTTP_HEADERS) {
        t->broken = "its header has no end";
        return 0;
    }
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) /* of a next reply, after 100 Continue */
        r->type[0] = r->etag[0] = r->range[0] = r->location[0] = '\0';
    take_header(r->type, sizeof r->type, line, len, "content-type:");
    take_header(r->etag, sizeof r->etag, line, len, "etag:");
    take_header(r->range, sizeof r->range, line, len, "content-range:");
    take_header(r->location, sizeof r->location, line, len, "location:");
    return len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
    struct transfer *t = arg;
    len *= one;
    curl_easy_getinfo(t->http->easy, CURLINFO_RESPONSE_CODE, &t->reply.status);
    if (t->call->take != NULL && (t->reply.status == 200 || t->reply.status == 206)) {
        t->http->ended = t->call->take(t->call->arg, &t->reply, bytes, len) != 0;
        return t->http->ended ? 0 : len;
    }
    buf_add(&t->reply.body, bytes, len);
    if (t->reply.body.full)
        t->broken = "it is longer than any reply that was asked for";
    return t->reply.body.failed ? 0 : len;
}

static size_t on_upload(char *to, size_t one, size_t n, void *arg)
{
    const struct transfer *t = arg;
    size_t got = fread(to, one, n, t->call->upload);
    return got == 0 && ferror(t->call->upload) ? CURL_READFUNC_ABORT : got * one;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    const struct transfer *t = arg;
    return fseeko(t->call->upload, offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK;
}

/* What goes. */

static struct curl_slist *headers_of(const struct http *http, const struct http_call *call)
{
    struct curl_slist *list = transfer_line(NULL, "Accept: ", "*/*");
    if (http->where.token[0] != '\0')
        list = transfer_line(list, "Authorization: Bearer ", http->where.token);
    if (call->type != NULL)
        list = transfer_line(list, "Content-Type: ", call->type);
    for (size_t i = 0; i < 3 && call->headers[i] != NULL; i++)
        list = transfer_line(list, call->headers[i], "");
    return list;
}

static void set_body(CURL *easy, struct transfer *t)
{
    const struct http_call *call = t->call;
    if (call->upload != NULL) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(easy, CURLOPT_READDATA, t);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->upload_bytes);
    } else if (call->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    } else if (strcmp(call->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_all(CURL *easy, struct transfer *t, const char *url, struct curl_slist *lines,
                    struct curl_slist *pins)
{
    const struct http_call *call = t->call;
    curl_easy_reset(easy);
    transfer_rules(easy, t->http->where.loopback);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, pins);
    if (!call->patient) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)HTTP_QUIET_S);
    }
    if (!call->patient && !call->stream)
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)HTTP_TOTAL_S);
    set_body(easy, t);
}

/* Until it is over; the transfer's result. */
static CURLcode drive(struct transfer *t)
{
    struct http *http = t->http;
    CURLcode result = CURLE_FAILED_INIT;
    int running = 1, left;
    curl_multi_add_handle(http->multi, http->easy);
    while (running > 0 && curl_multi_perform(http->multi, &running) == CURLM_OK && running > 0) {
        curl_off_t sent = 0, received = 0;
        curl_easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
        curl_easy_getinfo(http->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
        if (t->call->tick != NULL && t->call->tick(t->call->arg, sent, received) != 0) {
            http->ended = true;
            break;
        }
        curl_multi_poll(http->multi, NULL, 0, TICK_MS, NULL);
    }
    for (const CURLMsg *message; (message = curl_multi_info_read(http->multi, &left)) != NULL;)
        if (message->msg == CURLMSG_DONE)
            result = message->data.result;
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &t->reply.status);
    curl_multi_remove_handle(http->multi, http->easy);
    return result;
}

/* What is said of it. */

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static int code_of(const char *name, long status)
{
    for (int code = 1; code < ERR_COUNT; code++)
        if (strcmp(err_name(code), name) == 0)
            return code;
    return status == 401   ? ERR_UNAUTHORIZED
           : status == 403 ? ERR_FORBIDDEN
           : status == 404 ? ERR_NOT_FOUND
           : status == 429 ? ERR_TOO_MANY_REQUESTS
           : status >= 502 ? ERR_UNAVAILABLE
           : status >= 500 ? ERR_INTERNAL
                           : ERR_BAD_REQUEST;
}

/* A problem document (RFC 9457) as a sentence with its place; a refusal of somebody else by its
 * number. */
static int refuse(const struct http *http, const struct http_reply *reply, struct err *err)
{
    json_t *problem = NULL;
    if (reply->status >= 300 && reply->status < 400)
        return err_set(err, ERR_PROTOCOL,
                       "%s answers with a redirect (%ld, to %.100s), which is not followed",
                       http->where.base, reply->status, reply->location);
    if (strncmp(reply->type, "application/problem+json", 24) == 0 && reply->body.len > 0 &&
        jsonx_load(reply->body.data, reply->body.len, &problem, NULL) == 0 &&
        json_is_object(problem)) {
        const char *pointer = member(problem, "pointer");
        int status =
            err_set_at(err, (enum err_code)code_of(member(problem, "code"), reply->status), pointer,
                       "%s%s%s%s", member(problem, "detail"), pointer[0] != '\0' ? " (at " : "",
                       pointer, pointer[0] != '\0' ? ")" : "");
        json_decref(problem);
        return status;
    }
    json_decref(problem);
    return err_set(err, (enum err_code)code_of("", reply->status), "%s answers %ld%s",
                   http->where.base, reply->status,
                   reply->status == 401 ? ": it wants a token (--data, --token-file, ABLATE_TOKEN)"
                                        : "");
}

static int judge(const struct transfer *t, CURLcode result, struct err *err)
{
    const struct http *http = t->http;
    if (http->ended)
        return -ERR_UNAVAILABLE;
    if (t->broken != NULL)
        return err_set(err, ERR_PROTOCOL, "the reply of %s is not acceptable: %s", http->where.base,
                       t->broken);
    if (t->reply.body.failed)
        return err_no_memory(err, "the reply");
    if (result == CURLE_ABORTED_BY_CALLBACK)
        return err_set(err, ERR_STORAGE, "what was to be sent can't be read");
    /* A server that refuses an upload may leave before it has all of it. */
    if (result != CURLE_OK && !(t->call->upload != NULL && t->reply.status >= 400))
        return err_set(err, ERR_UNAVAILABLE, "%s: %s", http->where.base,
                       curl_easy_strerror(result));
    return t->reply.status >= 200 && t->reply.status < 300 ? 0 : refuse(http, &t->reply, err);
}

int http_call(struct http *http, const struct http_call *call, struct http_reply *ret,
              struct err *err)
{
    struct transfer t = { .http = http, .call = call };
    struct buf url;
    buf_init(&url, 1 << 20);
    buf_addf(&url, "%s/api/v1%s", http->where.base, call->path);
    buf_init(&t.reply.body, HTTP_BODY);
    struct curl_slist *lines = headers_of(http, call);
    struct curl_slist *pins =
        http->where.pin[0] != '\0' ? curl_slist_append(NULL, http->where.pin) : NULL;
    int status = url.failed || lines == NULL ? err_no_memory(err, "the request") : 0;
    http->ended = false;
    if (status == 0) {
        set_all(http->easy, &t, url.data, lines, pins);
        status = judge(&t, drive(&t), err);
    }
    for (struct curl_slist *line = lines; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(lines);
    curl_slist_free_all(pins);
    buf_done(&url);
    if (ret != NULL)
        *ret = t.reply;
    else
        http_reply_done(&t.reply);
    return status;
}

static int parse(const struct http *http, const struct http_reply *reply, json_t **ret,
                 struct err *err)
{
    json_t *value = NULL;
    struct err why = { 0 };
    int status =
        jsonx_load(reply->body.data != NULL ? reply->body.data : "", reply->body.len, &value, &why);
    if (status == 0 && json_is_object(value)) {
        *ret = value;
        return 0;
    }
    json_decref(value);
    return err_set(err, ERR_PROTOCOL, "%s doesn't answer as Ablate does: %.300s", http->where.base,
                   status != 0 ? why.message : "no JSON object");
}

int http_json_text(struct http *http, const char *method, const char *path, const char *body,
                   size_t len, const char *key, json_t **ret, struct err *err)
{
    char line[256];
    struct http_reply reply = { 0 };
    struct http_call call = { .method = method, .path = path, .body = body, .body_len = len };
    if (body != NULL)
        call.type = "application/json";
    if (key != NULL) {
        snprintf(line, sizeof line, "Idempotency-Key: %s", key);
        call.headers[0] = line;
    }
    int status = http_call(http, &call, &reply, err);
    if (status == 0 && ret != NULL)
        status = parse(http, &reply, ret, err);
    http_reply_done(&reply);
    return status;
}

int http_json(struct http *http, const char *method, const char *path, const json_t *body,
              json_t **ret, struct err *err)
{
    char *text = body != NULL ? jsonx_text(body, JSONX_KEEP_ORDER) : NULL;
    if (body != NULL && text == NULL)
        return err_no_memory(err, "the request");
    int status =
        http_json_text(http, method, path, text, text != NULL ? strlen(text) : 0, NULL, ret, err);
    free(text);
    return status;
}

void http_escape(struct buf *path, const char *text)
{
    for (; *text != '\0'; text++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *text) !=
            NULL)
            buf_addc(path, *text);
        else
            buf_addf(path, "%%%02X", (unsigned char)*text);
}

void http_query(struct buf *path, const char *name, const char *value)
{
    bool first = path->data == NULL || memchr(path->data, '?', path->len) == NULL;
    buf_addf(path, "%c%s=", first ? '?' : '&', name);
    http_escape(path, value);
}
