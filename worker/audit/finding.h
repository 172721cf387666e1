/* finding: what an audit says. */
#ifndef ABLATE_WORKER_AUDIT_FINDING_H
#define ABLATE_WORKER_AUDIT_FINDING_H

#include "common/audits.h"

#include <jansson.h>

struct finding {
    enum audit_status status;
    char detail[400]; /* one plain sentence */
    json_t *evidence; /* owned; NULL = none */
};

void finding_say(struct finding *finding, enum audit_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
