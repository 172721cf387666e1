#include "server/http/reply.h"

#include "common/jsonx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void reply_init(struct reply *reply)
{
    *reply = (struct reply){ .status = 200, .content_type = "application/json", .fd = -1 };
    buf_init(&reply->body, 0);
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

void reply_problem(struct reply *reply, const struct err *err)
{
    char type[80];
    snprintf(type, sizeof type, "urn:ablate:problem:%s", err_name(err->code));
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title",
                                err_title(err->code), "status", err_http_status(err->code),
                                "detail", err->message, "code", err_name(err->code));
    if (err->pointer[0] != '\0')
        json_object_set_new(problem, "pointer", json_string(err->pointer));
    buf_clear(&reply->body);
    drop_file(reply);
    reply->content_type = "application/problem+json";
    reply_json(reply, err_http_status(err->code), problem, -1);
}
