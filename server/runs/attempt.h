/* attempt: an attempt's folder, from before its keeper starts to after it has gone.
 *
 *   runs/<id>/owner.json             whose folder it is (owner.h)
 *   runs/<id>/spec.json              the frozen run spec
 *   runs/<id>/attempts/<n>/          launch.json lock events.ndjson log.txt exit.json
 *   runs/<id>/attempts/<n>/out/      of one that verifies: what it would leave in the run's folder;
 *                                    removed when it is settled
 *
 * Everything here touches the disk and runs on the pool or the writer thread, never on the loop.
 */
#ifndef ABLATE_SERVER_ATTEMPT_H
#define ABLATE_SERVER_ATTEMPT_H

#include "common/wire/launch.h"
#include "server/data/datadir.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_runs.h"

#include <sys/types.h>

/* Why the daemon wants an attempt to end. */
enum attempt_stop { STOP_NONE, STOP_CANCEL, STOP_SHUTDOWN };

/* An artifact whose file isn't what was stored; name "" = none. */
struct attempt_damage {
    char name[128], stored[DIGEST_HEX], got[DIGEST_HEX]; /* got "" = there is no such file */
};

/* What is known of an attempt's end. */
struct attempt_end {
    enum attempt_stop stop;
    int keeper_signal;             /* that killed the keeper, if it was our child; 0 = none */
    int64_t silent_ms;             /* a lease, after which it was killed; 0 = it wasn't */
    char failure[512];             /* why there never was a keeper; "" = there was one */
    bool transient;                /* … for want of something that will be there again */
    bool forgotten;                /* it had begun before the store came to know it (forgotten.h) */
    struct attempt_damage damaged; /* why a verification needn't train */
};

/* The attempt's folder, without a slash at its end. */
void attempt_path(const struct datadir *datadir, int64_t run, int64_t attempt, char ret[PATH_MAX]);
/* Makes the folders, spec.json and launch.json; *ret_log is log.txt, open for appending (the
 * caller's). threads is for a spec that leaves them open. Errors: STORAGE, DISK_FULL, BAD_DATA. */
int attempt_prepare(const struct datadir *datadir, const struct claim *claim, int64_t threads,
                    int *ret_log, struct err *err);

/* Reads the files of a verified run's artifacts, and says of the first that isn't what was stored.
 * Errors: STORAGE, UNAVAILABLE, when one can't be read. */
int attempt_check_artifacts(const struct datadir *datadir, const struct claim *claim,
                            struct attempt_damage *ret, struct err *err);

struct attempt_verdict {
    enum run_state next; /* RUN_QUEUED: another attempt */
    bool counts;         /* towards max_attempts */
    char outcome[64], reason[768];
};
/* What settling found. */
struct attempt_found {
    bool alive;  /* the attempt's lock is held, and nothing was done */
    int64_t pid; /* of the keeper that holds it, as the lock says; 0 = unknown */
    bool more;   /* the attempt's file holds more: settle again, in another transaction */
    struct attempt_verdict verdict; /* reason "" = the attempt said itself how it ended */
};
/* Writer thread. Settles a run, or its verification, whose attempt may be over. What the attempt's
 * file still holds is applied, a part of it a call; then a `finished` or `failed` in it decides,
 * else a cancel or the daemon's shutdown, else exit.json, else what `end` knows. No-op when the
 * attempt has ended in the store. Of a folder that isn't the run's (owner.h) nothing is read.
 * Errors: NOT_FOUND, the store's, UNAVAILABLE while the folder can't be looked at. */
int attempt_settle(struct store *store, const struct datadir *datadir, int64_t run, int64_t attempt,
                   const struct attempt_end *end, struct attempt_found *ret, struct err *err);

/* The decision alone, for an attempt that didn't say how it ended. */
struct attempt_facts {
    const struct attempt_end *end;
    bool cancel;                    /* asked for, by the store */
    int64_t attempt, max_attempts;  /* max_attempts 0 = no other will follow */
    const struct launch_exit *exit; /* NULL = the keeper left none */
    const char *last_line;          /* of log.txt; "" = none */
    const char *damage;             /* why events.ndjson can't be read to its end; "" = it can */
};
void attempt_judge(const struct attempt_facts *facts, struct attempt_verdict *ret);

/* SIGKILL to a keeper's process group, if pid still is this attempt's keeper: a pid may have passed
 * to somebody else since it was written down. False when no such process is to be seen. */
bool attempt_kill(const struct datadir *datadir, int64_t run, int64_t attempt, pid_t pid);

#endif
