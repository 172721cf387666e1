/* datadir: the data folder: who owns it, where things lie, and the secrets in it.
 *
 *   lock                 flock: one daemon a folder; its text: feed/event_ids.h
 *   hold                 flock: shared while a backup is made, exclusive while files are removed
 *   token…  curlrc…      instance, key: tokens.h
 *   links/  sessions/    passes.h
 *   webhook.key          notices/notices.h
 *   address              the base URL of the daemon that serves the folder
 *   unclean              there while a daemon serves, and after one that died
 *   ballast              jobs/space.h
 *   ablate.db  -wal -shm the store
 *   worker.sock          runs/ingest.h
 *   tmp/                 what is half made; emptied at every start
 *   datasets/<digest>/   corpora
 *   runs/<id>/           runs/attempt.h
 *   cache/               figures; may be removed at any time
 *
 * A daemon compares the lock that it holds with the file at the folder's path. When they differ the
 * folder was moved away, or another one stands in its place, and nothing may be concluded from
 * files that are there or missing. So code that concludes something from them calls
 * datadir_check() first.
 */
#ifndef ABLATE_SERVER_DATADIR_H
#define ABLATE_SERVER_DATADIR_H

#include "common/base/err.h"
#include "server/data/tokens.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct datadir {
    char path[PATH_MAX / 4]; /* absolute */
    struct tokens tokens;    /* as they were when it was opened */
    int lock_fd;
    bool unclean;   /* the daemon before has not ended by itself */
    unsigned fresh; /* what was not there when it was opened: a bit for each name (datadir.c) */
    size_t levels;  /* folders of the path that were made for it */
};

/* Creates the folder (0700) and what is missing in it, takes its lock, and clears away what an
 * earlier daemon left in tmp/. Says when a folder that was there is open to others. When it fails
 * it leaves nothing that wasn't there. Errors: RUNNING when another daemon holds it, USAGE when its
 * path is too long for a socket or isn't UTF-8, STORAGE, BAD_DATA for a token that isn't one. */
int datadir_open(const char *path, struct datadir *ret, struct err *err);
/* Reads the tokens of an existing folder without locking it (for `ablated link`).
 * Errors: NOT_FOUND, STORAGE, USAGE (its path), BAD_DATA. */
int datadir_peek(const char *path, struct datadir *ret, struct err *err);
/* Lets go of the lock. */
void datadir_done(struct datadir *dir);
/* For a start that is refused after all: removes what this start has made in the folder, the
 * database among it, and lets go. */
void datadir_undo(struct datadir *dir);
/* Says that the folder is served from now on, or that everything was closed as it should be. */
int datadir_set_unclean(const struct datadir *dir, bool unclean, struct err *err);
/* Writes the base URL to `address`; NULL removes the file. */
int datadir_set_address(const struct datadir *dir, const char *base_url, struct err *err);
/* Reads the base URL of the daemon that serves the folder. Errors: UNAVAILABLE when none does. */
int datadir_address(const struct datadir *dir, char *ret, size_t size, struct err *err);
/* Formats a path below the folder into ret (PATH_MAX bytes). */
void datadir_path(const struct datadir *dir, char ret[PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the folder at the path is still the one that was opened, and can be used. */
enum datadir_standing { DATADIR_HERE, DATADIR_MOVED, DATADIR_UNREADABLE };
enum datadir_standing datadir_look(const struct datadir *dir);
/* A reason for people, "folder_moved: …"; NULL for DATADIR_HERE. */
const char *datadir_reason(enum datadir_standing standing);
/* Errors: UNAVAILABLE with the reason. */
int datadir_check(const struct datadir *dir, struct err *err);

/* Takes the lock under which files of the store are removed: an open file (close() lets go), or
 * UNAVAILABLE while somebody makes a backup, or the folder isn't there. */
int datadir_hold(const struct datadir *dir, struct err *err);
/* Removes what lies in tmp/ and whose name begins so ("" = everything). *ret_left (may be NULL):
 * how many couldn't be. Errors: STORAGE. */
int datadir_empty_tmp(const struct datadir *dir, const char *prefix, size_t *ret_left,
                      struct err *err);

#endif
