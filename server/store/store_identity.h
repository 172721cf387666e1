/* store_identity: which database this is. Two copies of one database, a backup restored beside its
 * original, an older ablate.db put back by hand: all of them know the same runs by the same ids,
 * and their daemons must not take each other's folders or workers for their own. So the database
 * has 128 random bits, made when it is created (or by the migration of one that had none), and what
 * lies outside of it carries them (server/runs/owner.h). A restored copy gets others; one that was
 * copied by other means is, as far as anybody can tell, the same database.
 */
#ifndef ABLATE_SERVER_STORE_IDENTITY_H
#define ABLATE_SERVER_STORE_IDENTITY_H

#include "common/base/digest.h"
#include "server/store/store.h"

enum { STORE_IDENTITY_HEX = 32 };

struct store_identity {
    char id[STORE_IDENTITY_HEX + 1]; /* lower-case hex; no secret */
    int64_t made_at;                 /* milliseconds; folders of older runs may lack it */
};
int store_identity(struct store *store, struct store_identity *ret, struct err *err);

/* What tells a run from every other run of every database. Its folder says it, too (runs/owner.h). */
struct run_origin {
    struct store_identity database;
    int64_t run, created_at;
    char digest[DIGEST_HEX];
    const char *spec; /* the frozen one; borrowed */
};
/* *ret_spec, which ret->spec points to, is the caller's (free). Deleted experiments' runs have one,
 * too. Errors: NOT_FOUND. */
int store_run_origin(struct store *store, int64_t run, struct run_origin *ret, char **ret_spec,
                     struct err *err);

/* Makes the closed database at `path`, a copy, one of its own: another identity, event ids that the
 * original doesn't give, and no worker of the original is let in. One of an older version gets its
 * identity from its migration.
 * Errors: STORAGE, DISK_FULL, BAD_DATA. */
int store_identity_renew(const char *path, struct err *err);

/* A database that is an older state of itself, or a copy that goes its own way, must not give ids
 * of events that were given since: whoever has seen those would miss what has them now. It leaps
 * over them; a reader that asks for what follows an id in a leap is told to begin anew. A copy may
 * be old: 2^40 is more than a daemon tells in a life, and 8,000 such leaps stay below 2^53, where
 * numbers of JavaScript end. A store that has lost its last commits leaps so far that its events
 * are kept.
 */
#define STORE_LEAP_COPY (INT64_C(1) << 40)
#define STORE_LEAP_LOST INT64_C(500000)
/* Inside a transaction. Errors: STORAGE, DISK_FULL. */
int store_events_leap(struct store *store, int64_t by, struct err *err);
/* Forgets all that were told: everybody begins anew. Before a leap. */
int store_events_forget(struct store *store, struct err *err);

#endif
