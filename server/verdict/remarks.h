/* remarks: the sentences beside the verdict. New references. */
#ifndef ABLATE_SERVER_REMARKS_H
#define ABLATE_SERVER_REMARKS_H

#include "server/verdict/claims.h"

/* What a reader must know beside the verdict: runs that were cancelled, lost or diverged, times
 * that something disturbed, audits that haven't spoken. */
json_t *remarks_json(const struct findings *findings, const struct claims *claims);
/* What would change the verdict. */
json_t *remarks_changes(const struct study *study, const struct claims *claims);

#endif
