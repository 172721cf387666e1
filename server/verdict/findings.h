/* findings: the stored findings of audits, looked up: which audits have spoken of what, and which
 * failures count.
 *
 * What a run is to audit counts as audited once a run has spoken: pass, warn, fail, or a reason of
 * its own why there is nothing to find out; and where the audit doesn't concern such runs at all
 * (common/audit/audits.h). That the daemon found the audit unmade (fairness_gaps.c) is shown among
 * the checks, but settles nothing.
 */
#ifndef ABLATE_SERVER_FINDINGS_H
#define ABLATE_SERVER_FINDINGS_H

#include "common/audit/audits.h"
#include "common/sweep/sweep.h"
#include "server/verdict/study.h"

/* An invalidating audit that failed. */
struct failure {
    const struct audit_row *row;   /* borrowed */
    const struct audit_info *info; /* its line of the table */
    char *key;     /* owned: layout_key of the reduced point it is about; NULL: of every point */
    json_t *pairs; /* owned, of what arms should share: {"arm\narm": null at every point, or its
                      points' keys as an object}, names in order; NULL: it is about every pair */
};

struct findings {
    const struct study *study; /* borrowed */
    struct sweep *sweep; /* owned: the specification once more, to ask what a cell's runs are; NULL
                            when it can't be read any more */
    json_t *told, *failed;    /* owned: a member for each thing that an audit has spoken of; … in
                                 which an invalidating one failed */
    struct failure *failures; /* in the order of the table of audits */
    size_t failures_n;
};

/* The study outlives them. false when memory runs out; findings_done is due either way, and does
 * nothing to what is zero. */
bool findings_init(struct findings *findings, const struct study *study);
void findings_done(struct findings *findings);
/* Whether the audit can find out anything about a run of this arm (NULL: of any). */
bool findings_concern(const struct findings *findings, const struct audit_info *info,
                      const char *arm);
/* Whether a run's failure that is about a grid point says something of this arm: it is the arm's
 * own, or the arm's runs have found out nothing themselves. */
bool findings_speak_for(const struct findings *findings, const struct failure *failure,
                        const char *arm);
/* Whether a failure of what arms should share is one of these two, there (key; NULL: anywhere). */
bool findings_pair_failed(const struct failure *failure, const char *one, const char *other,
                          const char *key);
/* Whether the audit has spoken about each planned thing of its scope that is of this arm (NULL:
 * any arm) and concerns it: about each cell, grid point or arm by a run, about the experiment by
 * the daemon. */
bool findings_are_told(const struct findings *findings, const struct audit_info *info,
                       const char *arm);
/* The same of one cell; and whether the audit, an invalidating one, failed there. */
bool findings_cell_is_told(const struct findings *findings, const struct audit_info *info,
                           const struct cell *cell);
bool findings_cell_failed(const struct findings *findings, const struct audit_info *info,
                          const struct cell *cell);

#endif
