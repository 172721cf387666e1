/* assets: the files of the page, out of the program itself. */
#ifndef ABLATE_SERVER_ASSETS_H
#define ABLATE_SERVER_ASSETS_H

#include "common/base/err.h"

struct exchange;

/* Makes the reply (state READY) if the path is a file of the page; 0 without one if it isn't.
 * Errors: METHOD_NOT_ALLOWED. */
int assets_find(struct exchange *exchange, struct err *err);

#endif
