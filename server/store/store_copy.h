/* store_copy: a database of its own out of a store that may be in use, whether a database is sound,
 * and which files of the data folder belong to it. For backups (server/backup/).
 *
 * The copy is made by SQLite's backup API in one step of one read transaction: it is the store as
 * it was at one moment. In WAL mode that stops nobody. Rejected: the writer's own connection (the
 * daemon would store nothing meanwhile), and copying the file (-wal, locks, torn pages).
 */
#ifndef ABLATE_SERVER_STORE_COPY_H
#define ABLATE_SERVER_STORE_COPY_H

#include "common/base/digest.h"
#include "server/store/store.h"

/* Tables whose rows are counted, so that a copy can be held against what it was made from. */
#define STORE_COUNTED(X)                                                                           \
    X(experiments)                                                                                 \
    X(runs)                                                                                        \
    X(attempts)                                                                                    \
    X(metrics)                                                                                     \
    X(audits)                                                                                      \
    X(checkpoints)                                                                                 \
    X(artifacts)                                                                                   \
    X(datasets)
enum {
#define STORE_COUNT_ENUM(table) STORE_COUNT_##table,
    STORE_COUNTED(STORE_COUNT_ENUM)
#undef STORE_COUNT_ENUM
        STORE_COUNTS
};
extern const char *const store_count_names[STORE_COUNTS + 1]; /* NULL at the end */

struct store_summary {
    int64_t schema; /* user_version */
    int64_t rows[STORE_COUNTS];
};

/* Makes the database `to`, which must not exist, from `from`; it is on the disk then.
 * Errors: NOT_FOUND, BAD_DATA, STORAGE, DISK_FULL. */
int store_copy(const char *from, const char *to, struct store_summary *ret, struct err *err);

enum store_care {
    STORE_QUICK, /* structure of every page (PRAGMA quick_check) */
    STORE_WHOLE  /* and indexes, and references (integrity_check, foreign_key_check) */
};
/* Whether the database is one of ours, of this version or an older one, and sound. Writes nothing.
 * Errors: NOT_FOUND, BAD_DATA with what is wrong and what to do, STORAGE. */
int store_check(const char *path, enum store_care care, struct store_summary *ret, struct err *err);

/* A file that belongs to the store, below the data folder. */
struct store_file {
    const char *path;
    const char *sha256; /* as it was recorded; "" = it wasn't */
    bool may_miss;      /* it needn't be there */
    bool folder;        /* path is a folder, and all files in it are meant */
};
/* Calls each() for every file, in order, until it fails: corpora, frozen specs, artifacts,
 * checkpoints that the store knows, and what attempts have left. */
int store_files(const char *path, int (*each)(void *arg, const struct store_file *, struct err *),
                void *arg, struct err *err);

#endif
