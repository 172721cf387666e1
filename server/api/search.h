/* search: what lists that can be searched are asked. */
#ifndef ABLATE_SERVER_API_SEARCH_H
#define ABLATE_SERVER_API_SEARCH_H

#include "common/base/err.h"

struct request;

/* filter, order and page_token of a list, "" where they aren't given; borrowed. Errors:
 * BAD_PARAMETER. */
int request_search(const struct request *req, const char **ret_filter, const char **ret_order,
                   const char **ret_token, struct err *err);

#endif
