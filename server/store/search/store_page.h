/* store_page: which runs or experiments a page of a list has (store/ only; the lists are
 * store_run_list and store_experiment_list).
 *
 * Pages use keyset tokens: the digest of the query, the last id and the values of its keys, "_"
 * between, so that a token belongs to one query and a page costs the same wherever it lies. What
 * isn't there (a metric that a run doesn't have) comes last in both directions.
 *
 * How runs are found. SQLite knows nothing of how many rows a test leaves, and a wrong guess costs
 * seconds, so the way is chosen here:
 *
 *   few          an index finds at most CANDIDATES rows of one of the tests that all must pass,
 *                which is tried: these are looked at, one by one
 *   by metric    sorted by a metric first: its series in that order, until the page is full; then
 *                the runs without a value
 *   all          the index runs_narrow in the order of ids, until the page is full
 */
#ifndef ABLATE_SERVER_STORE_PAGE_H
#define ABLATE_SERVER_STORE_PAGE_H

#include "server/filter/filter.h"
#include "server/filter/sql.h"
#include "server/store/store.h"

enum { PAGE_SEARCH_MS = 5000 };

struct page_query {
    enum filter_of of;
    int64_t experiment; /* of runs; 0 = all */
    bool deleted;       /* of experiments: those alone that are */
    const char *filter, *order, *token;
    size_t size;
};
struct page_item {
    int64_t id;
    char *token; /* owned: of the page that begins behind it */
};
struct page {
    struct page_item *items;
    size_t n;
    bool more; /* there are others behind the last one */
};
/* Errors: BAD_PARAMETER (filter, order, token), QUERY_TIME, the store's. */
int store_page(struct store *store, const struct page_query *query, struct page *ret,
               struct err *err);
void page_done(struct page *page);

#endif
