/* recall: how much of what dense attention would look at the visible keys hold. */
#ifndef ABLATE_WORKER_ATTN_RECALL_H
#define ABLATE_WORKER_ATTN_RECALL_H

#include "worker/attn/attn.h"

/* After attn_forward: the share of the dense attention mass (mean over heads) that the visible keys
 * hold, averaged over the queries with more than K past keys; NaN if there are none, or if the
 * probabilities are. each: NULL, or [B], to which every sequence's own share is added. */
double attn_recall(struct attn *attn, const struct batch_pass *pass, double *each);

#endif
