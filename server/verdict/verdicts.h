/* verdicts: the verdict that an experiment is found by, stored when it can be drawn.
 *
 * It is the report's, from the same rows. Called once a commit, before it, on the writer's thread,
 * when conclude.h has made its findings: so a verdict becomes visible with what it follows from.
 */
#ifndef ABLATE_SERVER_VERDICTS_H
#define ABLATE_SERVER_VERDICTS_H

#include "server/store/store.h"

#include <stdbool.h>

/* Stores that of each experiment that has ended and a run or an audit of which this transaction
 * touched. Those of more than VERDICTS_AT_ONCE runs are left to verdicts_draw_another, since they
 * would keep the transaction; *ret_left (else untouched): there are some. Errors: NO_MEMORY, the
 * store's. */
enum { VERDICTS_AT_ONCE = 1000 };
int verdicts_draw(struct store *store, bool *ret_left, struct err *err);
/* Stores that of one that lacks it: it has many runs, or ended under an earlier version of the
 * store. *ret_more: there was one. */
int verdicts_draw_another(struct store *store, bool *ret_more, struct err *err);

#endif
