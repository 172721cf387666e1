/* store_migrate: a database is brought to this program's version (store_open). */
#ifndef ABLATE_SERVER_STORE_MIGRATE_H
#define ABLATE_SERVER_STORE_MIGRATE_H

#include "server/store/store.h"

/* Before anything is written. Errors: BAD_DATA for a foreign database, and one of a newer version.
 */
int store_check_ours(struct store *store, const char *path, struct err *err);
int store_migrate(struct store *store, const char *path, struct err *err);

#endif
