/* The frame: the plan is laid out, and then each check of the table looks at it. */
#include "server/verdict/fairness/fairness.h"

#include "server/verdict/fairness/fairness_plan.h"

#include <stdlib.h>

#define ROW(name) fairness_##name,
static int (*const checks[])(struct plan *, struct err *) = { FAIRNESS_CHECKS(ROW) };
static int (*const of_plan[])(struct plan *, struct err *) = { FAIRNESS_PLANNED(ROW) };
#undef ROW

static int find(const struct fairness_input *in, int (*const *these)(struct plan *, struct err *),
                size_t n, struct audit_row **ret, size_t *ret_n, struct err *err)
{
    struct plan p = { .in = in };
    int status = plan_init(&p, err);
    for (size_t i = 0; i < n && status == 0; i++)
        status = these[i](&p, err);
    if (status == 0 && p.failed)
        status = err_no_memory(err, "the audits of %zu runs", in->runs_n);
    plan_done(&p);
    if (status != 0) {
        while (p.findings_n > 0)
            audit_row_done(&p.findings[--p.findings_n]);
        free(p.findings);
        return status;
    }
    *ret = p.findings;
    *ret_n = p.findings_n;
    return 0;
}

int fairness_find(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                  struct err *err)
{
    return find(in, checks, sizeof checks / sizeof *checks, ret, ret_n, err);
}

int fairness_planned(const struct fairness_input *in, struct audit_row **ret, size_t *ret_n,
                     struct err *err)
{
    return find(in, of_plan, sizeof of_plan / sizeof *of_plan, ret, ret_n, err);
}
