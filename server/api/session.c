/* Logging in by the printed link, and out again. Files are changed by the writer's thread, which
 * waits for the disk; what opens anything is changed in memory, here (server/data/passes.h). The
 * session is on the disk before its cookie is given, and off it before a log-out is answered. */
#include "server/api/api.h"

#include "common/json/jsonx_fields.h"
#include "server/data/datadir.h"
#include "server/http/auth.h"
#include "server/http/exchange/exchange_request.h"

#include <string.h>

enum { CODE_BYTES = 112, COOKIE_BYTES = 400 };

struct session_state {
    struct tokens tokens;  /* the writer's copy */
    char code[DIGEST_HEX]; /* by which the code is known */
    struct pass session;   /* digest is "" when there is none to end */
    char secret[PASS_SECRET_HEX + 1];
};

static int refuse_code(struct err *err)
{
    return err_set(err, ERR_UNAUTHORIZED,
                   "this log-in link has been used or has expired; `ablated link --data DIR` "
                   "prints a new one");
}

static void set_cookie(const struct request *req, struct reply *reply, const char *secret)
{
    char cookie[COOKIE_BYTES];
    auth_cookie_make(req->app->auth, secret, cookie, sizeof cookie);
    reply_header(reply, "Set-Cookie", "%s", cookie);
}

int session_get(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    reply_json(reply, 200,
               json_pack("{s:b, s:s, s:s}", "authenticated", req->session[0] != '\0', "method",
                         req->session, "access", access_names[req->access]),
               -1);
    return 0;
}

int session_decode(struct request *req, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "code", .type = JSONX_TEXT, .min = 1, .max = CODE_BYTES, .required = true },
    };
    struct {
        const char *code;
    } in;
    struct session_state *state = request_state(req, sizeof *state, NULL, err);
    if (state == NULL)
        return -ERR_NO_MEMORY;
    int status = jsonx_decode(req->body, fields, 1, &in, "", err);
    if (status == 0 && !pass_digest(in.code, state->code))
        status = refuse_code(err);
    if (status == 0)
        status = auth_refresh(req->app->auth, err);
    state->tokens = *auth_tokens(req->app->auth);
    return status;
}

int session_write(struct request *req, struct store *store, struct err *err)
{
    (void)store;
    struct session_state *state = req->state;
    const char *folder = req->app->datadir->path;
    struct pass code;
    int status = passes_use(folder, &state->tokens, state->code, &code, err);
    if (status == -ERR_NOT_FOUND)
        return refuse_code(err);
    return status != 0 ? status
                       : passes_make(folder, PASS_SESSION, &state->tokens, code.access,
                                     state->secret, &state->session, err);
}

int session_create(struct request *req, struct reply *reply, struct err *err)
{
    const struct session_state *state = req->state;
    int status = auth_session_begin(req->app->auth, &state->session, err);
    if (status != 0)
        return status;
    set_cookie(req, reply, state->secret);
    reply_json(reply, 201,
               json_pack("{s:b, s:s, s:s}", "authenticated", 1, "method", "cookie", "access",
                         access_names[state->session.access]),
               -1);
    return 0;
}

int session_end_decode(struct request *req, struct err *err)
{
    struct session_state *state = request_state(req, sizeof *state, NULL, err);
    if (state == NULL)
        return -ERR_NO_MEMORY;
    auth_session(req, &state->session);
    return 0;
}

int session_end_write(struct request *req, struct store *store, struct err *err)
{
    (void)store;
    const struct session_state *state = req->state;
    if (state->session.digest[0] == '\0')
        return 0;
    int status = passes_end(req->app->datadir->path, PASS_SESSION, &state->session, err);
    return status == -ERR_NOT_FOUND ? 0 : status;
}

int session_end(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct session_state *state = req->state;
    auth_session_end(req->app->auth, &state->session);
    set_cookie(req, reply, "");
    reply->status = 204;
    return 0;
}
