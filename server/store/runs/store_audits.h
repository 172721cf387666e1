/* store_audits: audits, artifacts, checkpoints. */
#ifndef ABLATE_SERVER_STORE_AUDITS_H
#define ABLATE_SERVER_STORE_AUDITS_H

#include "common/audit/audits.h"
#include "server/store/store.h"

struct audit_row {
    int64_t id, experiment, run, created_at; /* run 0 = none */
    char *arm, *grid;                        /* owned; may be NULL */
    char *name, *status, *detail;
    char *evidence; /* JSON text; these four are owned, too */
};
void audit_row_done(struct audit_row *row);
/* What a finding is about, as one text; arm and grid may be NULL. The caller's (free); NULL when
 * memory runs out. */
char *audit_key(const char *name, const char *arm, const char *grid);
/* What was found of a run. How far the audit reaches decides whether it speaks of the run's arm and
 * of its grid point (common/audit/audits.h). Experiment, arm and grid of *row play no part. Errors:
 * NOT_FOUND (the run), NO_MEMORY. */
int store_audit_of_run(struct store *, const struct audit_row *row, struct err *);
/* The daemon's own findings (run 0) about an experiment are these from now on: those that have
 * changed take the place of the former, others go. */
int store_audits_replace(struct store *, int64_t experiment, const struct audit_row *rows, size_t n,
                         struct err *);
/* Findings by status: one a name, arm and grid point as far as it reaches, of those about runs one
 * an arm; of several the worst counts. */
int store_audit_counts(struct store *, int64_t experiment, int64_t ret[AUDIT_STATUSES],
                       struct err *);
int store_audit_get(struct store *, int64_t id, struct audit_row *ret, struct err *);
int store_audit_list(struct store *, int64_t experiment, struct audit_row **ret, size_t *ret_n,
                     struct err *);

struct artifact_row {
    char name[128], sha256[65];
    int64_t bytes, created_at;
};
int store_artifact_list(struct store *, int64_t run, struct artifact_row **ret, size_t *ret_n,
                        struct err *);

struct checkpoint_row {
    int64_t step, bytes;
    char sha256[65]; /* of parameters and moments */
};
/* By step. *ret is the caller's (free). */
int store_checkpoint_list(struct store *, int64_t run, struct checkpoint_row **ret, size_t *ret_n,
                          struct err *);

#endif
