/* overlap: were the targets of validation trained on? */
#ifndef ABLATE_WORKER_AUDIT_OVERLAP_H
#define ABLATE_WORKER_AUDIT_OVERLAP_H

#include "worker/data/data.h"

#include <stdint.h>

enum { OVERLAP_CONTEXT = 32 }; /* tokens before a target */

struct overlap {
    int64_t targets;  /* of the windows that evaluation looks at */
    int64_t same;     /* of them, training targets at the same place of the corpus */
    int64_t contexts; /* targets with OVERLAP_CONTEXT tokens before them in their part */
    int64_t known; /* of those, with the same tokens before the same target somewhere in training */
};

/* Of a stored corpus. Errors: NO_MEMORY. */
int overlap_measure(const struct data *data, struct overlap *ret, struct err *err);

#endif
