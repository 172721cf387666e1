/* verdicts: the verdict that an experiment is found by, stored when it can be drawn.
 *
 * It is the report's, from the same rows. That of an experiment of few runs is drawn in the
 * transaction in which the last of them ends, or an audit changes, after conclude.h has made its
 * findings: so it becomes visible with what it follows from. One of many would keep the writer. It
 * is left without a verdict for a moment, in which a reader draws it (drawing.h), and so are those
 * that ended under an earlier version of the store.
 */
#ifndef ABLATE_SERVER_VERDICTS_H
#define ABLATE_SERVER_VERDICTS_H

#include "server/store/runs/store_verdicts.h"

enum { VERDICTS_AT_ONCE = 100 }; /* runs */

/* Writer, before COMMIT: stores those of all that this transaction has ended or changed. *ret_left
 * (else untouched): some are left. Errors: NO_MEMORY, the store's. */
int verdicts_draw(struct store *store, bool *ret_left, struct err *err);

/* The verdicts of one experiment. */
struct verdicts {
    struct verdict_due of; /* .experiment = 0: there is none */
    const char *status;
    struct arm_verdict *arms; /* owned, with the arms' names */
    size_t arms_n;
};
/* Reader: of one that lacks them; verdicts_done is due either way. Errors: as above. */
int verdicts_read(struct store *store, struct verdicts *ret, struct err *err);
/* Writer: stores them, unless something has become of it since. */
int verdicts_put(struct store *store, const struct verdicts *verdicts, struct err *err);
void verdicts_done(struct verdicts *verdicts);

#endif
