/* detached: does anything but the indexer learn from the indexer's loss? */
#ifndef ABLATE_WORKER_AUDIT_DETACHED_H
#define ABLATE_WORKER_AUDIT_DETACHED_H

#include "common/base/err.h"
#include "worker/model/model.h"

struct detached {
    size_t tensors;      /* that don't belong to an indexer */
    size_t differ;       /* of them, those whose gradient has other bits without the KL */
    const char *tensor;  /* the first such, of the model's table; NULL = none */
    double by;           /* its greatest difference ÷ its greatest gradient without the KL */
    bool indexer_learns; /* some indexer's gradient isn't 0: there was a KL to leave out */
    bool finite;         /* every gradient is */
};

/* Makes the gradients of step `step` on windows[B × (T+1)] with the KL and without. Leaves the
 * gradients without it. Errors: NO_MEMORY. */
int detached_measure(struct model *model, const int32_t *windows, int64_t step,
                     struct detached *ret, struct err *err);

#endif
