/* judge_training: audits of gradients and updates, judged (judge.h). */
#ifndef ABLATE_WORKER_JUDGE_TRAINING_H
#define ABLATE_WORKER_JUDGE_TRAINING_H

#include "worker/audit/judge.h"

/* Each as the audits of judge.h. */
int audit_gradient(struct audits *a, struct finding *ret, struct err *err);
int audit_detached(struct audits *a, struct finding *ret, struct err *err);
int audit_update(struct audits *a, struct finding *ret, struct err *err);

#endif
