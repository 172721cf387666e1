/* What is asked of a request before it is an endpoint's. */
#include "server/http/exchange/state.h"

const char *exchange_header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}
