/* store_parts: the parts of a run's specification (data, model, train, its grid point) and what they
 * say, a row a path, so that runs are searched by any of them: schema/migrations/0013_search.sql has the
 * tables. Parts that no run has any more go by themselves. store/ only.
 */
#ifndef ABLATE_SERVER_STORE_PARTS_H
#define ABLATE_SERVER_STORE_PARTS_H

#include "server/store/store.h"

enum run_part { PART_OF_DATA, PART_OF_MODEL, PART_OF_TRAIN, PART_OF_GRID, RUN_PARTS };
struct run_parts {
    int64_t ids[RUN_PARTS]; /* 0 = the run has none that can be read */
};
/* Finds or stores the parts of a specification and of a grid point, both JSON texts. The writer's,
 * in the transaction that stores a run with them. */
int store_parts_put(struct store *store, const char *spec, const char *grid, struct run_parts *ret,
                    struct err *err);

/* Makes known to SQLite what the migrations call that SQL doesn't have. Errors: STORAGE. */
int store_parts_define(struct store *store, struct err *err);

#endif
