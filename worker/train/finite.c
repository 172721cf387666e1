/* A loss alone doesn't tell: the last one that was computed may still be a number when the gradient
 * or the indexer has diverged, or when the last update went wrong. Tensors are looked at when they
 * are about to be kept, so that it is known of each checkpoint whether it is sound. */
#include "worker/train/finite.h"

#include "common/audit/audits.h"
#include "common/json/jsonx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void fail(struct finite *f, const char *detail, json_t *take_evidence)
{
    f->failed = true;
    emit_event(f->emit, WIRE_AUDIT,
               json_pack("{s:s, s:s, s:s, s:o}", "name", audit_table[AUDIT_FINITE]->name, "status",
                         "fail", "detail", detail, "evidence", take_evidence),
               false);
}

void finite_metric(struct finite *f, const char *metric, int64_t step, double value)
{
    char detail[120];
    if (isfinite(value) || f->failed)
        return;
    snprintf(detail, sizeof detail, "%s is not finite at step %lld", metric, (long long)step);
    fail(f, detail,
         json_pack("{s:s, s:I, s:o}", "metric", metric, "step", (json_int_t)step, "value",
                   jsonx_number(value)));
}

/* The tensor's first number that is none; *ret_n counts them. */
static double first_of(const struct tensor *tensor, const real *values, size_t *ret_n)
{
    double first = 0;
    size_t n = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        double value = (double)values[tensor->offset + i];
        if (!isfinite(value) && n++ == 0)
            first = value;
    }
    *ret_n = n;
    return first;
}

void finite_parameters(struct finite *f, const struct params *params, int64_t step)
{
    const struct optimizer_info *optimizer = params->optimizer;
    if (f->looks > 0 && f->looked_at == step)
        return;
    f->looks++;
    f->looked_at = step;
    for (int m = -1; m < optimizer->moments; m++)
        for (size_t i = 0; i < params->n && !f->failed; i++) {
            const struct tensor *tensor = &params->tensors[i];
            const char *moment = m < 0 ? NULL : optimizer->moment[m].name;
            char detail[240];
            size_t n;
            double value = first_of(tensor, m < 0 ? params->value : params->moments[m], &n);
            if (n == 0)
                continue;
            snprintf(detail, sizeof detail,
                     "%s%s%s: %zu of its %zu numbers are not finite at step %lld", tensor->name,
                     moment != NULL ? "'s moment " : "", moment != NULL ? moment : "", n,
                     tensor->count, (long long)step);
            fail(f, detail,
                 json_pack("{s:s, s:s, s:I, s:I, s:o}", "tensor", tensor->name, "part",
                           moment != NULL ? moment : "value", "step", (json_int_t)step, "numbers",
                           (json_int_t)n, "value", jsonx_number(value)));
        }
}

void finite_end(const struct finite *f, int64_t from, int64_t to)
{
    char detail[160] = "every metric, and every parameter at each checkpoint, was a finite number";
    size_t said = strlen(detail);
    if (f->failed)
        return;
    if (from > 0)
        snprintf(detail + said, sizeof detail - said, " from step %lld on", (long long)from + 1);
    emit_event(f->emit, WIRE_AUDIT,
               json_pack("{s:s, s:s, s:s, s:{s:I, s:I, s:I}}", "name",
                         audit_table[AUDIT_FINITE]->name, "status", "pass", "detail", detail,
                         "evidence", "from", (json_int_t)from, "steps", (json_int_t)to,
                         "checkpoints", (json_int_t)f->looks),
               false);
}
