/* Parameters, and what else an endpoint has to do with its request. */
#include "server/http/exchange/exchange_request.h"

#include "common/json/jsonx_fields.h"
#include "server/http/exchange/exchange_sending.h"
#include "server/http/exchange/exchange_working.h"
#include "server/http/exchange/state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void *request_state(struct request *req, size_t size, void (*state_free)(void *), struct err *err)
{
    req->state = calloc(1, size);
    req->state_free = state_free;
    if (req->state == NULL)
        err_no_memory(err, "the request");
    return req->state;
}

const char *request_arg(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->exchange->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct all {
    const char *name, **to;
    size_t n, max;
};

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *key,
                               const char *value)
{
    (void)kind;
    struct all *all = arg;
    if (value != NULL && strcmp(key, all->name) == 0 && all->n++ < all->max)
        all->to[all->n - 1] = value;
    return MHD_YES;
}

size_t request_arg_all(const struct request *req, const char *name, const char **ret, size_t max)
{
    struct all all = { .name = name, .to = ret, .max = max };
    MHD_get_connection_values(req->exchange->connection, MHD_GET_ARGUMENT_KIND, collect, &all);
    return all.n;
}

int request_id(const struct request *req, int i, int64_t *ret, struct err *err)
{
    const char *text = req->params[i];
    char *end;
    long long id = strtoll(text, &end, 10);
    if (text[0] < '1' || text[0] > '9' || *end != '\0' || strlen(text) > 18)
        return err_set(err, ERR_NOT_FOUND, "%.40s is no id", text);
    *ret = id;
    return 0;
}

int request_arg_int(const struct request *req, const char *name, int64_t min, int64_t max,
                    int64_t fallback, int64_t *ret, struct err *err)
{
    const char *text = request_arg(req, name);
    char *end;
    if (text == NULL) {
        *ret = fallback;
        return 0;
    }
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || strlen(text) > 18 || value < min || value > max)
        return err_set(err, ERR_BAD_PARAMETER, "%s must be an integer from %lld to %lld, not %.40s",
                       name, (long long)min, (long long)max, text);
    *ret = value;
    return 0;
}

int request_no_fields(const struct request *req, struct err *err)
{
    return req->body == NULL ? 0 : jsonx_decode(req->body, NULL, 0, NULL, "", err);
}

void request_done(struct request *req, int status, const struct err *err)
{
    exchange_waited(req->exchange, status, err);
}

void request_wake(struct request *req)
{
    sending_wake(req->exchange);
}

void request_drop(struct request *req)
{
    struct exchange *x = req->exchange;
    if (x->peer != NULL) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(x->peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        shutdown(x->peer->fd, SHUT_RDWR);
    }
    sending_wake(x);
}
