/* Logging in by the printed link, and out again. */
#include "server/api/api.h"

#include "common/jsonx.h"
#include "server/http/auth.h"

#include <string.h>

int session_get(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    reply_json(reply, 200, json_pack("{s:b, s:s}", "authenticated", 1, "method", req->session), -1);
    return 0;
}

int session_create(struct request *req, struct reply *reply, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "code", .type = JSONX_TEXT, .min = 1, .max = AUTH_CODE_BYTES, .required = true },
    };
    struct {
        const char *code;
    } in;
    char cookie[400];
    int status = jsonx_decode(req->body, fields, 1, &in, "", err);
    if (status == 0)
        status = auth_code_take(req->app->auth, in.code, err);
    if (status != 0)
        return status;
    auth_cookie_make(req->app->auth, false, cookie, sizeof cookie);
    reply_header(reply, "Set-Cookie", "%s", cookie);
    reply_json(reply, 201, json_pack("{s:b, s:s}", "authenticated", 1, "method", "cookie"), -1);
    return 0;
}

int session_end(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    char cookie[400];
    auth_cookie_make(req->app->auth, true, cookie, sizeof cookie);
    reply_header(reply, "Set-Cookie", "%s", cookie);
    reply->status = 204;
    return 0;
}
