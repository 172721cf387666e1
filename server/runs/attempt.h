/* attempt: the folder of an attempt, and what its remains say about how it ended. Pure file and
 * store work, for the pool and the writer thread; the supervisor drives it. */
#ifndef ABLATE_SERVER_ATTEMPT_H
#define ABLATE_SERVER_ATTEMPT_H

#include "server/datadir.h"
#include "server/store/store_runs.h"

/* runs/<run>/attempts/<attempt> */
void attempt_dir(const struct datadir *datadir, int64_t run, int64_t attempt, char ret[PATH_MAX]);
/* Makes the folder with spec.json (of the run) and launch.json. Errors: STORAGE, DISK_FULL. */
int attempt_prepare(const struct datadir *datadir, const struct claim *claim, int64_t threads,
                    struct err *err);
/* Whether keeper or trainer are alive: they hold the attempt's lock. */
bool attempt_alive(const char *dir);
/* Writer thread, when both are gone: takes what the file still has, then settles the run by a
 * committed `finished` or `failed`, else by exit.json; `fallback` is what is known when there is
 * none. */
int attempt_settle(struct store *store, const char *dir, int64_t run, int64_t attempt,
                   const char *fallback, struct err *err);

#endif
