/* Every statement of the store, by name; a file a concern in server/store/sql/. */
#ifndef ABLATE_SERVER_STORE_SQL_H
#define ABLATE_SERVER_STORE_SQL_H

#include "server/store/sql/sql_base.h"
#include "server/store/sql/sql_curves.h"
#include "server/store/sql/sql_experiments.h"
#include "server/store/sql/sql_runs.h"
#include "server/store/sql/sql_told.h"

#define SQL_TABLE(X)                                                                               \
    SQL_BASE(X)                                                                                    \
    SQL_EXPERIMENTS(X)                                                                             \
    SQL_RUNS(X)                                                                                    \
    SQL_CURVES(X)                                                                                  \
    SQL_TOLD(X)

enum sql {
#define SQL_ENUM(id, text) SQL_##id,
    SQL_TABLE(SQL_ENUM)
#undef SQL_ENUM
        SQL_COUNT
};

#endif
