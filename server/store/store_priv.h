/* store_priv: inside store/ only: what a connection is, and what store.c shows the files that use
 * it. Statements and rows are store_rows.h's.
 */
#ifndef ABLATE_SERVER_STORE_PRIV_H
#define ABLATE_SERVER_STORE_PRIV_H

#include "server/store/runs/store_events.h"
#include "server/store/store.h"
#include "server/store/store_identity.h"
#include "server/store/store_sql.h"

#include <sqlite3.h>

/* What a transaction touched: one entry a thing and savepoint, in order of first touch
 * (store_touches.c). */
struct touch {
    enum event_kind kind;
    int64_t experiment, run, id; /* id: audit */
    int64_t name, from, to;      /* metrics */
    char *data;                  /* log; owned */
    bool ended;                  /* run: it came to a terminal state */
    size_t next; /* the index + 1 of an older touch with the same hash; 0 = there is none */
};

struct touches {
    struct touch *of;
    size_t n, size, mark; /* mark: where the savepoint begins */
    size_t *heads;        /* [size]: index + 1 of the newest touch of each hash; 0 = none */
    bool lost;            /* memory ran out for one: the transaction can't be told of, and fails */
};

/* What to do about a database that can't be read. */
#define STORE_DAMAGED_ADVICE                                                                       \
    "Keep it, and restore a backup into another folder (ablated restore --data NEW BACKUP); "      \
    "without one, `sqlite3 FILE .recover` saves what can be read"

struct store {
    sqlite3 *db;
    enum store_mode mode;
    char database[STORE_IDENTITY_HEX + 1]; /* a writer's; "" = not known yet */
    int64_t changes_before;
    bool damaged; /* the disk or the file has failed: only recovery at the next start can tell */
    struct touches touches;
    sqlite3_stmt *statements[SQL_COUNT];
};

/* Fills err with what failed last on the connection, and returns its code: NO_MEMORY, DISK_FULL,
 * BAD_DATA, UNAVAILABLE (a lock), STORAGE. `doing` names what was being done. */
int store_error(struct store *store, struct err *err, const char *doing);
/* Whether what failed last failed for want of room on the disk. */
bool store_lacks_room(sqlite3 *db);
/* SQL text that isn't in the table: pragmas, migrations. */
int store_execute(struct store *store, const char *sql, struct err *err);
/* The first column of its first row, as an integer. */
int store_read_int(struct store *store, const char *sql, int64_t *ret, struct err *err);

#endif
