/* webhook: what a webhook says of an experiment's end, and the request that `ablate deliver` sends
 * (client/deliver.h): the body, and its signature by the webhook's secret. */
#ifndef ABLATE_SERVER_WEBHOOK_H
#define ABLATE_SERVER_WEBHOOK_H

#include "common/base/err.h"
#include "server/base/options.h"
#include "server/store/runs/store_notices.h"
#include "server/store/store_identity.h"

#include <limits.h>

struct store;
struct datadir;

enum { WEBHOOK_DELIVERY = STORE_IDENTITY_HEX + 32 }; /* the text that names a delivery */

/* Where the secret lies; the folder's own is made when it is first wanted. Errors: as files_read;
 * BAD_DATA. */
int webhook_secret(const struct options *options, const struct datadir *datadir, char ret[PATH_MAX],
                   struct err *err);
/* The body of a notice, owned by the caller; NULL when its experiment was deleted meanwhile. delivery: its name, set unless
 * *ret is NULL. Errors: the store's; NO_MEMORY. */
int webhook_body(struct store *store, const struct notice *notice, char delivery[WEBHOOK_DELIVERY],
                 char **ret, struct err *err);
/* The request, owned by the caller, signed for now. NULL: see err. */
char *webhook_request(const struct options *options, const char *secret_path, const char *delivery,
                      const char *body, struct err *err);

#endif
