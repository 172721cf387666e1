/* What lists that can be searched are asked. */
#include "server/api/search.h"

#include "server/http/exchange/exchange_request.h"

static const char *arg_or_empty(const struct request *req, const char *name)
{
    const char *value = request_arg(req, name);
    return value != NULL ? value : "";
}

/* order_by is what order was called when it had one key. */
int request_search(const struct request *req, const char **ret_filter, const char **ret_order,
                   const char **ret_token, struct err *err)
{
    const char *order = request_arg(req, "order"), *before = request_arg(req, "order_by");
    if (order != NULL && before != NULL)
        return err_set(err, ERR_BAD_PARAMETER,
                       "order_by is the former name of order: give one of them");
    *ret_filter = arg_or_empty(req, "filter");
    *ret_order = order != NULL ? order : before != NULL ? before : "";
    *ret_token = arg_or_empty(req, "page_token");
    return 0;
}
