/* doubts: what a claim says of what its figures don't know. Nothing of it undoes the claim; whoever
 * repeats the sentence repeats it.
 */
#ifndef ABLATE_SERVER_DOUBTS_H
#define ABLATE_SERVER_DOUBTS_H

#include "server/verdict/claims.h"

/* Of a claim that is made: "; but it differs from dense in attention and regularisation, …", the
 * invalidating audits that haven't been made, a goal that isn't the metric's own. */
void doubts_say(const struct study *study, const struct statement *claim, struct buf *to);
/* Of a claim that is made: a sentence about other experiments that ran the same, which concern all
 * claims alike: " 2 of these specifications ran in …" */
void doubts_say_elsewhere(const struct statement *claim, struct buf *to);

#endif
