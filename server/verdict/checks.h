/* checks: what the stored audits say about arms and comparisons (the table: common/audit/audits.h).
 *
 * The store holds findings: a row for each time an audit spoke, of a run, an arm or the whole.
 * Several findings of one audit become one check, whose status is the worst of them. Every audit of
 * the table has a check; one that hasn't spoken is "missing", never left out, and one that concerns
 * no such run is "skipped" without a finding, and says why.
 */
#ifndef ABLATE_SERVER_CHECKS_H
#define ABLATE_SERVER_CHECKS_H

#include "common/base/buf.h"
#include "server/verdict/findings.h"

/* The checks of an arm, or with arm = NULL those of grid points and of the experiment as a whole:
 * [{name, status, detail, evidence, grid, findings, scope, invalidates, what, remedy}], in the
 * table's order, then findings of names that it doesn't know. detail, evidence and grid are of the
 * worst finding. New reference. */
json_t *checks_json(const struct findings *findings, const char *arm);

/* The first finding that makes it worthless to compare this arm at a grid point (key: layout_key of
 * the reduced point; NULL: over the grid): an invalidating audit failed for the arm, for the
 * baseline, or for both together. NULL when there is none. */
const struct audit_row *checks_against(const struct findings *findings, const char *arm,
                                       const char *key);
/* true: every invalidating audit of the arm alone has spoken, at each of its grid points where it
 * speaks of one (findings_are_told), and none failed; false: one failed; null: none failed, but
 * something wasn't audited. New reference. */
json_t *checks_valid(const struct findings *findings, const char *arm);
/* The same of an arm at one grid point. New reference. */
json_t *checks_valid_at(const struct findings *findings, const struct cell *cell);
/* The names of invalidating audits that owe a word about an arm, a grid point or the whole, joined
 * by ", ". Returns their number. */
size_t checks_missing(const struct findings *findings, struct buf *to);
/* The same of an arm, as bits 1u << enum audit; 0 for an experiment without any finding, which is
 * older than the audits. */
unsigned checks_untold(const struct findings *findings, const char *arm);
/* The finding of an audit that warns, of this arm (NULL: of the whole); NULL when there is none. */
const struct audit_row *checks_warning(const struct findings *findings, enum audit audit,
                                       const char *arm);
/* Loss by position from the evidence of `causality`, averaged over the findings of an arm at a grid
 * point: [{arm, grid, n, leak_next, positions, loss}], in the order of the table. New reference. */
json_t *checks_positions(const struct findings *findings);

#endif
