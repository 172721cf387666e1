/* From rows to claims, of which is kept what lists show and filters ask for. */
#include "server/verdict/verdicts.h"

#include "server/verdict/checks.h"
#include "server/verdict/claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct statement *primary_of(const struct claims *claims, const char *arm)
{
    for (size_t i = 0; i < claims->primary_n; i++)
        if (strcmp(claims->primary[i].arm, arm) == 0)
            return &claims->primary[i];
    return NULL;
}

static int validity(const struct findings *findings, const char *arm)
{
    json_t *valid = checks_valid(findings, arm);
    int ret = json_is_null(valid) ? -1 : json_is_true(valid);
    json_decref(valid);
    return ret;
}

static int keep(const struct findings *findings, const struct claims *claims, struct verdicts *ret,
                struct err *err)
{
    const struct layout *layout = &findings->study->layout;
    ret->status = claims_status(claims);
    ret->arms = calloc(layout->arms_n + 1, sizeof *ret->arms);
    for (size_t i = 0; ret->arms != NULL && i < layout->arms_n; i++) {
        char *arm = strdup(layout->arms[i]);
        if (arm == NULL)
            return err_no_memory(err, "an experiment's verdicts");
        const struct statement *c = primary_of(claims, arm);
        struct arm_verdict *to = &ret->arms[ret->arms_n++];
        *to = (struct arm_verdict){ arm, "", (double)NAN, validity(findings, arm) };
        if (c != NULL) {
            to->verdict = verdict_names[c->verdict];
            claim_relative(c, &to->difference);
        }
    }
    return ret->arms != NULL ? 0 : err_no_memory(err, "an experiment's verdicts");
}

static int draw(struct store *store, int64_t id, struct verdicts *ret, struct err *err)
{
    struct input_rows rows;
    struct study study = { 0 };
    struct findings findings = { 0 };
    struct claims claims = { 0 };
    int status = input_read(store, id, &rows, err);
    if (status == 0 && (!study_init(&study, &rows.in) || !findings_init(&findings, &study)))
        status = err_no_memory(err, "an experiment's verdict");
    if (status == 0)
        status = claims_init(&claims, &findings, err);
    if (status == 0)
        status = keep(&findings, &claims, ret, err);
    claims_done(&claims);
    findings_done(&findings);
    study_done(&study);
    input_done(&rows);
    return status;
}

static int draw_now(struct store *store, int64_t id, struct err *err)
{
    struct verdicts v = { 0 };
    int status = draw(store, id, &v, err);
    if (status == 0)
        status = store_verdicts_put(store, id, NULL, v.status, v.arms, v.arms_n, err);
    verdicts_done(&v);
    return status;
}

int verdicts_draw(struct store *store, bool *ret_left, struct err *err)
{
    int64_t *ids = NULL;
    size_t n = 0;
    bool left = false;
    int status = store_verdicts_due(store, VERDICTS_AT_ONCE, &ids, &n, &left, err);
    if (left)
        *ret_left = true;
    for (size_t i = 0; i < n && status == 0; i++)
        status = draw_now(store, ids[i], err);
    free(ids);
    return status;
}

int verdicts_read(struct store *store, struct verdicts *ret, struct err *err)
{
    *ret = (struct verdicts){ 0 };
    int status = store_verdicts_lacking(store, &ret->of, err);
    if (status == 0 && ret->of.experiment != 0)
        status = draw(store, ret->of.experiment, ret, err);
    return status;
}

int verdicts_put(struct store *store, const struct verdicts *verdicts, struct err *err)
{
    return store_verdicts_put(store, verdicts->of.experiment, &verdicts->of, verdicts->status,
                              verdicts->arms, verdicts->arms_n, err);
}

void verdicts_done(struct verdicts *verdicts)
{
    for (size_t i = 0; i < verdicts->arms_n; i++)
        free((char *)(uintptr_t)verdicts->arms[i].arm);
    free(verdicts->arms);
    *verdicts = (struct verdicts){ 0 };
}
