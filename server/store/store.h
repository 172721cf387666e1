/* store: the only place that speaks SQL. A struct store is one SQLite connection with its prepared
 * statements; the writer has one, every reader has one (query_only). Functions that read fill
 * structs whose strings are owned by the struct (see their _done); functions that write are called
 * inside the writer's transaction (server/jobs/work.h) and record what they touched, so that the
 * events of a commit can be made from it.
 *
 * All statements stand in one table (store_sql.h) and are prepared when first used.
 */
#ifndef ABLATE_SERVER_STORE_H
#define ABLATE_SERVER_STORE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_mode { STORE_WRITER, STORE_READER };

/* STORE_WRITER creates and migrates (PRAGMA user_version; a copy <path>.before-<n> is kept before
 * each migration of an existing database). Errors: STORAGE; BAD_DATA when the file is no database
 * of ours, is damaged, or was made by a newer version. */
int store_open(const char *path, enum store_mode mode, struct store **ret, struct err *err);
/* A reader of the database that `writer` has open, by the path that it was opened by. Any thread.
 * Errors: as store_open; UNAVAILABLE when another database lies there by now. */
int store_open_beside(const struct store *writer, const char *path, struct store **ret,
                      struct err *err);
void store_close(struct store *store);

/* The writer's is IMMEDIATE, a reader's deferred. */
int store_begin(struct store *store, struct err *err);
/* Errors: DISK_FULL, UNAVAILABLE (a lock), BAD_DATA. STORAGE for anything else, memory that ran out
 * among it: nobody knows then what is on the disk. */
int store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);
int store_savepoint(struct store *store, struct err *err);
int store_release(struct store *store, bool keep,
                  struct err *err); /* keep = false rolls back to it */
/* Whether a transaction is open. Some errors (a full disk, one of the disk's own) end it by
 * themselves: what came before in it is gone, whatever was reported of it. */
bool store_in_transaction(const struct store *store);
/* Whether the disk or the database file has failed since it was opened. */
bool store_damaged(const struct store *store);
/* Rows inserted, changed or deleted since store_begin. */
int64_t store_changes(const struct store *store);
/* Moves WAL frames into the database, as far as readers let it; waits for none of them. truncate:
 * then empties the file, if nobody reads what is in it. */
int store_checkpoint(struct store *store, bool truncate, struct err *err);
/* The size of the WAL's file. */
int64_t store_wal_bytes(const struct store *store);

/* Highest event seq visible in this transaction: the as_of of a reply. */
int store_as_of(struct store *store, int64_t *ret, struct err *err);

int store_setting_get(struct store *store, const char *key, char *ret, size_t size,
                      struct err *err); /* "" if unset */
int store_setting_put(struct store *store, const char *key, const char *value, struct err *err);

#endif
