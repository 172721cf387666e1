/* Read from the store: the experiment, all its runs, audits, timings. */
#include "server/verdict/input.h"

#include <stdlib.h>
#include <string.h>

/* Every run of the experiment, page by page. */
static int all_runs(struct store *store, int64_t experiment, struct run_list *ret, struct err *err)
{
    struct run_list all = { 0 }, page = { 0 };
    struct run_query query = {
        .experiment = experiment, .filter = "", .order_by = "", .page_token = "", .page_size = 1000
    };
    char token[sizeof page.next_page_token] = "";
    int status;
    do {
        query.page_token = token;
        status = store_run_list(store, &query, &page, err);
        struct run_row *more =
            status == 0 ? realloc(all.items, (all.n + page.n + 1) * sizeof *more) : NULL;
        if (more == NULL) {
            if (status == 0) {
                run_list_done(&page);
                status = err_no_memory(err, "the experiment's runs");
            }
            run_list_done(&all);
            return status;
        }
        all.items = more;
        if (page.n > 0)
            memcpy(all.items + all.n, page.items, page.n * sizeof *page.items);
        all.n += page.n;
        memcpy(token, page.next_page_token, sizeof token);
        free(page.items); /* the rows live on in `all` */
    } while (token[0] != '\0');
    *ret = all;
    return 0;
}

int input_read(struct store *store, int64_t experiment, struct input_rows *ret, struct err *err)
{
    *ret = (struct input_rows){ 0 };
    int status = store_experiment_get(store, experiment, &ret->experiment, err);
    if (status == 0)
        status = all_runs(store, experiment, &ret->runs, err);
    if (status == 0)
        status = store_audit_list(store, experiment, &ret->audits, &ret->in.audits_n, err);
    if (status == 0)
        status = store_timings(store, experiment, &ret->timings, &ret->in.timings_n, err);
    ret->in.experiment = &ret->experiment;
    ret->in.runs = ret->runs.items;
    ret->in.runs_n = ret->runs.n;
    ret->in.audits = ret->audits;
    ret->in.timings = ret->timings;
    return status;
}

void input_done(struct input_rows *rows)
{
    run_list_done(&rows->runs);
    for (size_t i = 0; i < rows->in.audits_n && rows->audits != NULL; i++)
        audit_row_done(&rows->audits[i]);
    free(rows->audits);
    free(rows->timings);
    experiment_row_done(&rows->experiment);
    *rows = (struct input_rows){ 0 };
}
