/* store_attempts: attempts of runs, and the queue that runs wait in. What holds of the functions of
 * store_runs.h holds of these.
 */
#ifndef ABLATE_SERVER_STORE_ATTEMPTS_H
#define ABLATE_SERVER_STORE_ATTEMPTS_H

#include "common/base/digest.h"
#include "server/store/runs/store_runs.h"
#include "server/store/store_identity.h"

/* The candidates for a claim, by priority, then age. A verification stands where its run does. */
struct queued_run {
    int64_t id, memory_bytes, priority;
    bool exclusive, verify;
};
int store_queue_head(struct store *, size_t limit, struct queued_run **ret, size_t *ret_n,
                     struct err *);
/* queued → running with the next attempt; fills what the supervisor needs to launch. NOT_FOUND if
 * it was taken or cancelled. */
struct claim {
    int64_t run, attempt, experiment, memory_bytes, threads;
    int64_t steps; /* to be trained: of a verification those that are stored */
    bool verify;
    char token[65];                  /* in clear: 64 hex */
    char digest[DIGEST_HEX];         /* of the run */
    char dataset_digest[DIGEST_HEX]; /* "" = a synthetic task */
    char *spec;                      /* owned */
    struct run_origin origin;        /* whose folder it needs; spec is the one above */
    struct artifact_row *artifacts;  /* owned; of a verification: those of the run */
    size_t artifacts_n;
    bool audits;  /* it audits its arm at its grid point, being the first seed's */
    bool replays; /* and its arm's repeatability, being the arm's first run */
};
void claim_done(struct claim *claim);
/* Takes it out of the queue and begins an attempt; claim.token is derived from key. */
int store_run_claim(struct store *, int64_t run, const char *key, struct claim *ret, struct err *);
/* The same for a queued verification: the run itself stays as it is. */
int store_verify_claim(struct store *, int64_t run, const char *key, struct claim *ret,
                       struct err *);
/* By what a worker of the attempt proves itself: the HMAC, with the folder's key
 * (server/data/tokens.h), of the database's identity, run, attempt and the run's digest. It is
 * stored nowhere, another database's attempts have others, and one that the store has forgotten and
 * begins again has the same. Errors: NOT_FOUND (the run), STORAGE. */
int store_attempt_secret(struct store *, const char *key, int64_t run, int64_t attempt,
                         char ret[DIGEST_HEX], struct err *);
/* Ends an attempt and settles its run, or its run's verification if that is its kind. next:
 * RUN_SUCCEEDED, RUN_FAILED or RUN_CANCELLED, or RUN_QUEUED for another attempt. outcome and reason
 * are for people. Stores the replay audit of what was compared. Does nothing (0) when the attempt
 * has ended already, or isn't there. */
int store_attempt_end(struct store *, int64_t run, int64_t attempt, enum run_state next,
                      const char *outcome, const char *reason, struct err *);
/* The attempt that ends now doesn't count towards its run's max_attempts. */
int store_run_forgive(struct store *, int64_t run, struct err *);
/* The newest id that a run has had; 0 = none. Those up to `last` are never given from now on. */
int store_run_ids_last(struct store *, int64_t *ret, struct err *);
int store_run_ids_pass(struct store *, int64_t last, struct err *);
/* Runs that are running or being verified, with that attempt: what a starting daemon finds. */
struct running_run {
    int64_t run, attempt, experiment, memory_bytes, pid; /* pid 0 = unknown */
    bool exclusive, cancel;
};
int store_run_running(struct store *, struct running_run **ret, size_t *ret_n, struct err *);
struct attempt_row {
    int64_t run, attempt, pid, acked_seq, started_at, ended_at;
    int64_t compared;                /* values that it computed again */
    double steal_share, other_cores; /* schema/wire.md; NaN = not told */
    char kind[8], token[DIGEST_HEX], outcome[64];
    char *environment, *difference; /* owned JSON text or NULL; difference: the first one */
};
void attempt_row_done(struct attempt_row *row);
bool attempt_verifies(const struct attempt_row *row); /* by its kind */
int store_attempt_get(struct store *, int64_t run, int64_t attempt, struct attempt_row *ret,
                      struct err *);
int store_attempt_list(struct store *, int64_t run, struct attempt_row **ret, size_t *ret_n,
                       struct err *);
int store_attempt_token(struct store *, int64_t run, int64_t attempt, const char *digest,
                        struct err *);
int store_attempt_pid(struct store *, int64_t run, int64_t attempt, int64_t pid, struct err *);

struct queue_counts {
    int64_t queued, running; /* runs */
    int64_t verifying;       /* verifications, queued or running */
    bool paused;
};
int store_queue_paused(struct store *, bool *ret, struct err *);
int store_queue_counts(struct store *, struct queue_counts *ret, struct err *);
int store_queue_pause(struct store *, bool paused, struct err *);

#endif
