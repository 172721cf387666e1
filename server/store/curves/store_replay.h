/* store_replay: what an attempt computes again, compared with what is stored.
 *
 * Two kinds of attempt meet stored rows: one that resumes from a checkpoint and trains steps again
 * that were stored before it died, and one that verifies: it trains the run anew from step 0 and
 * stores nothing. Either way the stored row stays and the new value is held against it, bit by bit;
 * metrics of the clock (time/, throughput/) are no subject. A checkpoint's content is compared in
 * the same way, and an artifact's when a run is verified.
 *
 * What was found stands in the attempt's row, put there by the transaction that counted the event,
 * so that a restart of the daemon forgets and repeats nothing. When the attempt ends, an audit
 * `replay` is made of it: equal bits pass, a difference fails, and where the program, the BLAS core
 * or the code path were others than those that the stored rows come from, it is skipped. A
 * verification is asked to end at the first difference: what follows one differs too. Before it
 * trains at all the files of the run's artifacts are read; one that was changed is the difference,
 * in any environment.
 */
#ifndef ABLATE_SERVER_STORE_REPLAY_H
#define ABLATE_SERVER_STORE_REPLAY_H

#include "common/audit/audits.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_runs.h"

#include <jansson.h>

/* What one event brought, until replay_keep. Starts as zeros; replay_done frees it. */
struct replay {
    bool inserted; /* rows that weren't there */
    int64_t compared, first_step;
    json_t *first; /* the difference of the least step; NULL = none */
    bool lost;     /* memory ran out for a difference: replay_keep fails */
};
void replay_done(struct replay *replay);

/* Compares a value with the stored one of its series (name by id and as text) and step, if there is
 * one. */
int replay_value(struct store *, int64_t run, int64_t name_id, const char *name, int64_t step,
                 double value, struct replay *, struct err *err);
/* The same for the digest of a checkpoint and of an artifact (tensors only: a list of batches may
 * hold a step twice when its run resumed). */
int replay_checkpoint(struct store *, int64_t run, int64_t step, const char *sha256,
                      struct replay *, struct err *err);
int replay_artifact(struct store *, int64_t run, int64_t step, const char *name, const char *sha256,
                    struct replay *, struct err *err);
/* Adds it to the attempt's row, and clears it. known: the row says already that something was
 * inserted; then an event that only inserts costs nothing here. */
int replay_keep(struct store *, int64_t run, int64_t attempt, bool known, struct replay *,
                struct err *err);
/* A verified run's own file isn't what was stored (got "" = it is gone): the difference, whatever
 * else would come out. */
int replay_file(struct store *, int64_t run, int64_t attempt, int64_t step, const char *name,
                const char *stored, const char *got, struct err *err);
/* Whether the attempt has met a difference. */
int replay_differs(struct store *, int64_t run, int64_t attempt, bool *ret, struct err *err);

/* What an ended attempt shows. */
struct replay_verdict {
    enum audit_status audit;  /* AUDIT_STATUSES = nothing to tell */
    enum verify_state verify; /* of a verification: what becomes of it */
    char outcome[64]; /* "identical", "differs at step 17" as verify, "differs: final.safetensors"
                         when a file does; "" = what its end says */
    char detail[900]; /* for people; "" = nothing to say */
    json_t *evidence; /* owned */
};
void replay_verdict_done(struct replay_verdict *verdict);
/* next and reason: as of store_attempt_end. */
int replay_judge(struct store *, const struct attempt_row *, enum run_state next,
                 const char *reason, struct replay_verdict *ret, struct err *err);
/* Stores the verdict's audit, if it has one. */
int replay_audit(struct store *, int64_t run, const struct replay_verdict *, struct err *err);

#endif
