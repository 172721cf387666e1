/* judge_attention: audits of attention, judged (judge.h). */
#ifndef ABLATE_WORKER_JUDGE_ATTENTION_H
#define ABLATE_WORKER_JUDGE_ATTENTION_H

#include "worker/audit/judge.h"

/* Each as the audits of judge.h. */
int audit_equivalence(struct audits *a, struct finding *ret, struct err *err);
int audit_causality(struct audits *a, struct finding *ret, struct err *err);
int audit_learns(struct audits *a, struct finding *ret, struct err *err);

#endif
