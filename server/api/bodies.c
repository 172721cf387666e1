/* What several endpoints ask of their bodies. */
#include "server/http/endpoint.h"

#include "common/json/jsonx.h"

int request_no_fields(const struct request *req, struct err *err)
{
    return req->body == NULL ? 0 : jsonx_decode(req->body, NULL, 0, NULL, "", err);
}
