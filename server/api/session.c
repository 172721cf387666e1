/* Logging in by the printed link, and out again. A code that was used and a session that was ended
 * must stay so over a restart, so their nonces are kept in the store, as settings of a line each
 * ("nonce expiry"), until they would have expired anyway. */
#include "server/api/api.h"

#include "common/clock.h"
#include "common/jsonx.h"
#include "server/http/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPENT_BYTES = 65536 };

static const char codes_used[] = "login_codes_used", sessions_ended[] = "sessions_ended";

struct session_state {
    struct auth_nonce nonce;
    bool ends; /* the request carries a session */
};

/* Reads a line of a list of nonces; returns what follows it, NULL at the end. */
static const char *read_nonce(const char *text, struct auth_nonce *ret)
{
    long long expiry_s;
    int len = 0;
    if (sscanf(text, "%16[0-9a-f] %lld\n%n", ret->text, &expiry_s, &len) != 2 || len == 0)
        return NULL;
    ret->expiry_s = expiry_s;
    return text + len;
}

/* Adds a nonce to the list kept under key, which loses what has expired. *ret_again: it is there
 * already. Errors: TOO_MANY_REQUESTS when the list is full. */
static int spend(struct store *store, const char *key, const struct auth_nonce *nonce,
                 bool *ret_again, struct err *err)
{
    struct auth_nonce known;
    struct buf list;
    char *text = malloc(SPENT_BYTES);
    if (text == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the session");
    int status = store_setting_get(store, key, text, SPENT_BYTES, err);
    *ret_again = false;
    buf_init(&list, SPENT_BYTES - 1);
    for (const char *at = text; status == 0 && (at = read_nonce(at, &known)) != NULL;) {
        *ret_again |= strcmp(known.text, nonce->text) == 0;
        if (known.expiry_s > clock_wall_ms() / 1000)
            buf_addf(&list, "%s %lld\n", known.text, (long long)known.expiry_s);
    }
    if (!*ret_again)
        buf_addf(&list, "%s %lld\n", nonce->text, (long long)nonce->expiry_s);
    if (status == 0 && list.failed)
        status = err_set(err, ERR_TOO_MANY_REQUESTS, "too many log-ins; try again later");
    if (status == 0)
        status = store_setting_put(store, key, list.data, err);
    buf_done(&list);
    free(text);
    return status;
}

int session_load(struct store *store, struct auth *auth, struct err *err)
{
    struct auth_nonce ended = { 0 };
    char *text = malloc(SPENT_BYTES);
    if (text == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the sessions");
    int status = store_setting_get(store, sessions_ended, text, SPENT_BYTES, err);
    for (const char *at = text; status == 0 && (at = read_nonce(at, &ended)) != NULL;)
        auth_session_end(auth, &ended);
    free(text);
    return status;
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
        { .key = "code", .type = JSONX_TEXT, .min = 1, .max = AUTH_CODE_BYTES, .required = true },
    };
    struct {
        const char *code;
    } in;
    struct session_state *state = request_state(req, sizeof *state, NULL, err);
    if (state == NULL)
        return -ERR_NO_MEMORY;
    int status = jsonx_decode(req->body, fields, 1, &in, "", err);
    return status != 0 ? status : auth_code_check(req->app->auth, in.code, &state->nonce, err);
}

int session_write(struct request *req, struct store *store, struct err *err)
{
    const struct session_state *state = req->state;
    bool again = false;
    int status = spend(store, codes_used, &state->nonce, &again, err);
    return status == 0 && again ? auth_code_refused(err) : status;
}

int session_create(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct session_state *state = req->state;
    enum access access = state->nonce.access;
    char cookie[400];
    auth_cookie_make(req->app->auth, access, cookie, sizeof cookie);
    reply_header(reply, "Set-Cookie", "%s", cookie);
    reply_json(reply, 201,
               json_pack("{s:b, s:s, s:s}", "authenticated", 1, "method", "cookie", "access",
                         access_names[access]),
               -1);
    return 0;
}

int session_end_decode(struct request *req, struct err *err)
{
    struct session_state *state = request_state(req, sizeof *state, NULL, err);
    if (state == NULL)
        return -ERR_NO_MEMORY;
    state->ends = auth_session(req, &state->nonce);
    return 0;
}

int session_end_write(struct request *req, struct store *store, struct err *err)
{
    const struct session_state *state = req->state;
    bool again;
    return state->ends ? spend(store, sessions_ended, &state->nonce, &again, err) : 0;
}

int session_end(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct session_state *state = req->state;
    char cookie[400];
    if (state->ends)
        auth_session_end(req->app->auth, &state->nonce);
    auth_cookie_make(req->app->auth, ACCESS_PUBLIC, cookie, sizeof cookie);
    reply_header(reply, "Set-Cookie", "%s", cookie);
    reply->status = 204;
    return 0;
}
