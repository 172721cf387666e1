/* store_verdicts: the verdicts that experiments are found by, as the report draws them. While runs
 * are open a trigger keeps them out (schema/migrations/0019_verdicts.sql).
 */
#ifndef ABLATE_SERVER_STORE_VERDICTS_H
#define ABLATE_SERVER_STORE_VERDICTS_H

#include "server/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writer: those whose runs have all ended and of which this transaction ended a run or changed an
 * audit; the caller's (free). Those of more than so many runs are left without a verdict instead,
 * and *ret_lacking says that there are some. Errors: NO_MEMORY. */
int store_verdicts_due(struct store *, int64_t runs, int64_t **ret, size_t *ret_n,
                       bool *ret_lacking, struct err *err);
/* One that ended and has no verdict yet (id 0: there is none), and which of its ends that was. */
struct verdict_due {
    int64_t experiment, due;
};
int store_verdicts_lacking(struct store *, struct verdict_due *ret, struct err *err);

/* What came of an arm; texts are borrowed. */
struct arm_verdict {
    const char *arm, *verdict; /* that of its primary claim; "": it has none, as the baseline */
    double difference; /* arm - baseline, of the baseline's magnitude; not finite: there is none */
    int valid;         /* 0, 1; -1: audits are owed */
};
/* Writer: stores them in the place of what was there; status is that of all of them. due (may be
 * NULL): only if nothing has become of it since it was lacking. */
int store_verdicts_put(struct store *, int64_t experiment, const struct verdict_due *due,
                       const char *status, const struct arm_verdict *arms, size_t n,
                       struct err *err);

#endif
