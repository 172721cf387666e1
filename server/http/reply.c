/* Building a reply: JSON as a tree or as a list item by item, headers, problem documents. */
#include "server/http/reply.h"

#include "common/json/jsonx_dump.h"
#include "server/coding/gzip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A packet holds as much; what is shorter doesn't come sooner by being packed. */
enum { PACKED_BYTES = 1400 };

void reply_init(struct reply *reply)
{
    *reply = (struct reply){ .status = 200, .content_type = "application/json", .fd = -1 };
    buf_init(&reply->body, REPLY_MAX);
}

static void drop_file(struct reply *reply)
{
    free(reply->file);
    reply->file = NULL;
    if (reply->fd >= 0)
        close(reply->fd);
    reply->fd = -1;
}

void reply_done(struct reply *reply)
{
    json_decref(reply->json);
    buf_done(&reply->body);
    drop_file(reply);
    *reply = (struct reply){ .fd = -1 };
}

void reply_json(struct reply *reply, int status, json_t *take_json, int64_t as_of)
{
    if (json_is_object(take_json) && as_of >= 0)
        json_object_set_new(take_json, "as_of", json_integer(as_of));
    json_decref(reply->json);
    reply->json = take_json;
    reply->status = status;
    reply->body.failed |= take_json == NULL;
}

/* Lists. */

void reply_list_begin(struct reply *reply)
{
    buf_clear(&reply->body);
    buf_adds(&reply->body, "{\"items\":[");
}

bool reply_list_add(struct reply *reply, json_t *take_item)
{
    struct buf *body = &reply->body;
    size_t before = body->len;
    bool first = before > 0 && body->data[before - 1] == '[';
    if (!first)
        buf_addc(body, ',');
    jsonx_dump(take_item, JSONX_KEEP_ORDER, body);
    json_decref(take_item);
    if (first || body->failed || body->len <= REPLY_LIST_MAX)
        return true;
    buf_cut(body, before);
    return false;
}

void reply_list_end(struct reply *reply, const char *next_page_token, int64_t as_of)
{
    struct buf *body = &reply->body;
    buf_adds(body, "],\"next_page_token\":");
    if (next_page_token != NULL)
        jsonx_dump_string(next_page_token, strlen(next_page_token), body);
    else
        buf_adds(body, "null");
    if (as_of >= 0)
        buf_addf(body, ",\"as_of\":%lld", (long long)as_of);
    buf_adds(body, "}\n");
}

void reply_take(struct reply *reply, struct buf *take_body)
{
    buf_done(&reply->body);
    reply->body = *take_body;
    buf_init(take_body, 0);
}

int reply_write(struct reply *reply, struct err *err)
{
    struct buf *body = &reply->body;
    if (reply->json != NULL && body->len == 0 && !body->failed) {
        jsonx_dump(reply->json, JSONX_KEEP_ORDER, body);
        buf_addc(body, '\n');
        json_decref(reply->json);
        reply->json = NULL;
    }
    if (!body->failed)
        return 0;
    bool full = body->full;
    buf_clear(body);
    return full ? err_set(err, ERR_BAD_PARAMETER,
                          "the reply would have more than %d MiB; ask for less at a time",
                          REPLY_MAX >> 20)
                : err_no_memory(err, "the reply");
}

bool reply_packs(const struct reply *reply)
{
    return !reply->gzip && !reply->body.failed && reply->body.len >= PACKED_BYTES &&
           gzip_suits(reply->content_type);
}

void reply_pack(struct reply *reply)
{
    if (reply_packs(reply))
        reply->gzip = gzip_buf(&reply->body);
}

void reply_header(struct reply *reply, const char *name, const char *format, ...)
{
    if (reply->headers_n == REPLY_HEADERS)
        return;
    va_list args;
    va_start(args, format);
    reply->headers[reply->headers_n].name = name;
    vsnprintf(reply->headers[reply->headers_n].value, sizeof reply->headers[0].value, format, args);
    va_end(args);
    reply->headers_n++;
}

const char *reply_header_value(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->headers_n; i++)
        if (strcmp(reply->headers[i].name, name) == 0)
            return reply->headers[i].value;
    return NULL;
}

/* What stands between the quotes. */
static const char *opaque(const char *tag, size_t *ret_len)
{
    static const char packed[] = "-gzip";
    const char *begin = tag + strcspn(tag, "\"");
    begin += *begin == '"';
    size_t len = strcspn(begin, "\""), ending = sizeof packed - 1;
    if (len > ending && strncmp(begin + len - ending, packed, ending) == 0)
        len -= ending;
    *ret_len = len;
    return begin;
}

bool reply_tag_known(const char *if_none_match, const char *tag)
{
    size_t len = 0, other = 0;
    const char *of_tag = opaque(tag, &len), *at = if_none_match;
    if (len == 0 || strcmp(at, "*") == 0)
        return len > 0;
    while (*(at += strcspn(at, "\"")) == '"') {
        const char *one = opaque(at, &other);
        if (other == len && strncmp(one, of_tag, len) == 0)
            return true;
        at = one + strcspn(one, "\"");
        at += *at == '"';
    }
    return false;
}

void reply_problem(struct reply *reply, const struct err *err)
{
    char type[80];
    snprintf(type, sizeof type, "urn:ablate:problem:%s", err_name(err->code));
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title",
                                err_title(err->code), "status", err_http_status(err->code),
                                "detail", err->message, "code", err_name(err->code));
    if (err->pointer[0] != '\0')
        json_object_set_new(problem, "pointer", json_string(err->pointer));
    if (err->character > 0) {
        json_object_set_new(problem, "offset", json_integer(err->character - 1));
        json_object_set_new(problem, "context", json_string(err->context));
    }
    buf_clear(&reply->body);
    drop_file(reply);
    reply->gzip = false;
    reply->content_type = "application/problem+json";
    reply_json(reply, err_http_status(err->code), problem, -1);
}
