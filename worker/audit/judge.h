/* judge: each audit's figures turned into a finding: a status, a sentence and evidence. What the
 * audits share, and those of data and evaluation; of attention is judge_attention.h, of gradients and
 * updates training/judge_training.h.
 */
#ifndef ABLATE_WORKER_AUDIT_JUDGE_H
#define ABLATE_WORKER_AUDIT_JUDGE_H

#include "common/audit/audits.h"
#include "worker/audit/audit.h"
#include "worker/audit/evaluation.h"
#include "worker/audit/replay.h"
#include "worker/audit/training/update.h"

#include <limits.h>

/* What the audits of a run share. */
struct audits {
    struct audit_context context;
    int32_t *windows; /* [B × (T+1)] */
    char folder[PATH_MAX];
    struct replay replay;
    struct update update;         /* of an arm's first run */
    struct evaluation evaluation; /* the last validation */
    bool watching;                /* it is going on */
    bool at_end;                  /* training is over */
    double spent_s[AUDITS];       /* within steps */
    bool warm_up;                 /* causality looks at passes of dense warm-up */
    double *nll;                  /* [T] summed over the last evaluation's windows */
    int64_t *nll_n;               /* [T] how many were scored */
};

/* What an audit says. One without a detail isn't told. */
struct finding {
    enum audit_status status;
    char detail[400]; /* one plain sentence */
    json_t *evidence; /* owned; NULL = none */
};
void finding_say(struct finding *finding, enum audit_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the daemon wants this attempt to end; arg: the audits. */
bool audit_stopped(void *arg);
/* "trained" or "untrained". */
const char *audit_when(const struct audits *a);
/* A layer of each attention that the specification names: what concerns an attention is asked once.
 */
size_t audit_layers(const struct run_spec *spec, int64_t ret[SPEC_LAYERS]);

/* Each measures, and fills *ret, which is empty before. Errors: those of what it measures with. */
int audit_overlap(struct audits *a, struct finding *ret, struct err *err);
int audit_entropy(struct audits *a, struct finding *ret, struct err *err);
int audit_evaluation(struct audits *a, struct finding *ret, struct err *err);
int audit_replay(struct audits *a, struct finding *ret, struct err *err);

#endif
