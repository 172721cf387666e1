/* From rows to claims, of which the verdicts are kept. */
#include "server/verdict/verdicts.h"

#include "server/store/runs/store_verdicts.h"
#include "server/verdict/claims.h"

#include <stdlib.h>

static int put(struct store *store, int64_t id, const struct claims *claims, struct err *err)
{
    struct arm_verdict *arms = calloc(claims->primary_n + 1, sizeof *arms);
    if (arms == NULL)
        return err_no_memory(err, "an experiment's verdicts");
    for (size_t i = 0; i < claims->primary_n; i++)
        arms[i] = (struct arm_verdict){ claims->primary[i].arm,
                                        verdict_names[claims->primary[i].verdict] };
    int status =
        store_verdicts_put(store, id, claims_status(claims), arms, claims->primary_n, err);
    free(arms);
    return status;
}

static int draw(struct store *store, int64_t id, struct err *err)
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
        status = put(store, id, &claims, err);
    claims_done(&claims);
    findings_done(&findings);
    study_done(&study);
    input_done(&rows);
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
        status = draw(store, ids[i], err);
    free(ids);
    return status;
}

int verdicts_draw_another(struct store *store, bool *ret_more, struct err *err)
{
    int64_t id = 0;
    int status = store_verdicts_lacking(store, &id, err);
    if (status == 0 && id != 0)
        status = draw(store, id, err);
    if (status == 0)
        *ret_more = id != 0;
    return status;
}
