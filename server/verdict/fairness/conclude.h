/* conclude: what the daemon finds out about an experiment when its last run has ended.
 *
 * Called once a commit, before it, on the writer's thread: every way in which a run may end goes
 * through a transaction, so that no end is missed, and findings become visible with the state that
 * they follow from. A run that is tried again and ends again has its experiment looked at again;
 * findings that say the same stay as they are.
 */
#ifndef ABLATE_SERVER_CONCLUDE_H
#define ABLATE_SERVER_CONCLUDE_H

#include "server/store/store.h"

/* Makes the audits of fairness.h for each experiment that has ended and a run of which this
 * transaction touched. Errors: NO_MEMORY, the store's. */
int conclude_experiments(struct store *store, struct err *err);

#endif
