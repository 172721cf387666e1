/* A page is one SELECT of ids and keys, or two: of runs with a value of the metric that they are
 * sorted by, and of those without. */
#include "server/store/search/store_page.h"

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/spec/metrics.h"
#include "server/filter/fields.h"
#include "server/filter/near.h"
#include "server/filter/parse.h"
#include "server/store/runs/store_runs.h"
#include "server/store/search/store_place.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are looked at one by one: each costs some 3 µs. Where a metric's series comes sorted, a
 * page of it is full sooner than more than CANDIDATES_SORTED are looked at. */
enum { CANDIDATES = 10000, CANDIDATES_SORTED = 2000, TICKS = 10000 };

/* What a list is made from, on the heap: filter and order are large. */
struct search {
    struct store *store;
    const struct page_query *query;
    struct filter filter;
    struct filter_order order;
    struct filter_sql sql;
    struct place place;
    char digest[PLACE_DIGEST];
    int driver; /* node of the filter; -1: none */
    int64_t deadline_ms;
};

/* Which runs a statement is about, where they are sorted by a metric. */
enum part { PART_ALL, PART_VALUED, PART_REST };

void page_done(struct page *page)
{
    for (size_t i = 0; i < page->n; i++)
        free(page->items[i].token);
    free(page->items);
    *page = (struct page){ 0 };
}

/* What a token belongs to. */
static void query_digest(const struct page_query *query, char ret[PLACE_DIGEST])
{
    char head[48], hex[DIGEST_HEX];
    struct digest digest;
    snprintf(head, sizeof head, "%d %lld %d", (int)query->of, (long long)query->experiment,
             (int)query->deleted);
    digest_init(&digest);
    digest_add(&digest, head, strlen(head) + 1);
    digest_add(&digest, query->filter, strlen(query->filter) + 1);
    digest_add(&digest, query->order, strlen(query->order) + 1);
    digest_end_hex(&digest, hex);
    memcpy(ret, hex, PLACE_DIGEST - 1);
    ret[PLACE_DIGEST - 1] = '\0';
}

/* statements */

static bool is_late(const struct search *s)
{
    return clock_mono_ms() > s->deadline_ms;
}

static int on_tick(void *arg)
{
    return is_late(arg);
}

static int prepare(struct search *s, sqlite3_stmt **ret, struct err *err)
{
    const struct filter_sql *sql = &s->sql;
    sqlite3_stmt *statement = NULL;
    int status = filter_sql_check(sql, err);
    if (status != 0)
        return status;
    if (sqlite3_prepare_v2(s->store->db, sql->text.data, -1, &statement, NULL) != SQLITE_OK)
        return store_error(s->store, err, "searching");
    for (size_t i = 0; i < sql->values_n; i++) {
        const struct filter_value *value = &sql->values[i];
        if (value->type == FILTER_VALUE_TEXT)
            sqlite3_bind_text(statement, (int)i + 1, value->text, -1, SQLITE_STATIC);
        else if (value->type == FILTER_VALUE_INTEGER)
            sqlite3_bind_int64(statement, (int)i + 1, value->integer);
        else
            sqlite3_bind_double(statement, (int)i + 1, value->real);
    }
    *ret = statement;
    return 0;
}

/* 1 = a row, 0 = done. */
static int step(struct search *s, sqlite3_stmt *statement, struct err *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return code == SQLITE_ROW;
    if ((code & 0xff) == SQLITE_INTERRUPT)
        return err_set(err, ERR_QUERY_TIME,
                       "this search takes longer than %d s; tests of experiment, state, arm or a "
                       "tag make it shorter",
                       PAGE_SEARCH_MS / 1000);
    return store_error(s->store, err, "searching");
}

static void restart(struct search *s)
{
    filter_sql_done(&s->sql);
    filter_sql_init(&s->sql);
}

static void bind_place(struct search *s, const struct place_key *key)
{
    if (key->type == PLACE_INTEGER)
        filter_sql_bind_integer(&s->sql, key->integer);
    else if (key->type == PLACE_REAL)
        filter_sql_bind_real(&s->sql, key->real);
    else
        filter_sql_bind_text(&s->sql, key->text);
}

/* Key i behind, or (equal) at its value of the place. */
static void add_place_key(struct search *s, size_t i, bool equal)
{
    const struct place_key *key = &s->place.keys[i];
    struct buf *text = &s->sql.text;
    if (key->type == PLACE_NULL) {
        buf_addf(text, equal ? "k%zu IS NULL" : "0", i); /* nothing lies behind it */
        return;
    }
    if (equal)
        buf_addf(text, "k%zu = ?", i);
    else
        buf_addf(text, "(k%zu %s ?%s", i, s->order.keys[i].descending ? "<" : ">",
                 filter_key_nullable(&s->order.keys[i]) ? "" : ")");
    bind_place(s, key);
    if (!equal && filter_key_nullable(&s->order.keys[i]))
        buf_addf(text, " OR k%zu IS NULL)", i);
}

/* " WHERE …": what lies behind the place, by the keys from `from` on and the id. */
static void add_place(struct search *s, size_t from)
{
    struct buf *text = &s->sql.text;
    if (!s->place.begun)
        return;
    buf_adds(text, " WHERE ");
    for (size_t last = from; last <= s->order.n; last++) {
        buf_adds(text, last > from ? " OR (" : "(");
        for (size_t i = from; i < last; i++) {
            add_place_key(s, i, true);
            buf_adds(text, " AND ");
        }
        if (last < s->order.n)
            add_place_key(s, last, false);
        else
            buf_addf(text, "id %s %lld", s->order.descending ? "<" : ">", (long long)s->place.id);
        buf_addc(text, ')');
    }
}

static void add_order(struct search *s, size_t from)
{
    struct buf *text = &s->sql.text;
    buf_adds(text, " ORDER BY ");
    for (size_t i = from; i < s->order.n; i++) {
        bool down = s->order.keys[i].descending;
        buf_addf(text, "k%zu %s, ", i,
                 down                                     ? "DESC"
                 : filter_key_nullable(&s->order.keys[i]) ? "ASC NULLS LAST"
                                                          : "ASC");
    }
    buf_addf(text, "id %s", s->order.descending ? "DESC" : "ASC");
}

#define SERIES_OF "s.name = (SELECT n.id FROM metric_names n WHERE n.name = ?) AND s.last_kind = 0"

/* FROM runs, up to the conditions. */
static void add_runs(struct search *s, enum part part)
{
    struct filter_sql *sql = &s->sql;
    const char *index = s->query->experiment > 0 ? "runs_by_experiment" : "runs_narrow";
    const char *metric = part == PART_ALL ? NULL : s->order.keys[0].ref.member;
    if (part == PART_VALUED) {
        buf_adds(&sql->text, " FROM series s CROSS JOIN runs r INDEXED BY runs_narrow ON r.id = "
                             "s.run WHERE " SERIES_OF " AND ");
        filter_sql_bind_text(sql, metric);
    } else {
        buf_addf(&sql->text, " FROM runs r INDEXED BY %s WHERE ", index);
    }
    if (part == PART_REST) {
        buf_adds(&sql->text,
                 "NOT EXISTS (SELECT 1 FROM series s WHERE s.run = r.id AND " SERIES_OF ") AND ");
        filter_sql_bind_text(sql, metric);
    }
}

/* What bounds the walk through a metric's series: the tests of it that all must pass, the place. */
static void add_bounds(struct search *s)
{
    const struct place_key *key = &s->place.keys[0];
    for (int node = filter_must(&s->filter, -1); node >= 0; node = filter_must(&s->filter, node))
        if (filter_compile_metric(&s->filter, node, s->order.keys[0].ref.member, &s->sql))
            buf_adds(&s->sql.text, " AND ");
    if (!s->place.begun)
        return;
    buf_addf(&s->sql.text, "s.last %s ? AND ", s->order.keys[0].descending ? "<=" : ">=");
    bind_place(s, key);
}

static void add_select(struct search *s, enum part part, size_t limit)
{
    struct filter_sql *sql = &s->sql;
    bool runs = s->query->of == FILTER_RUNS;
    size_t from = part == PART_REST ? 1 : 0; /* the first key that differs */
    buf_addf(&sql->text, "SELECT * FROM (SELECT %s.id AS id", runs ? "r" : "e");
    for (size_t i = 0; i < s->order.n; i++) {
        buf_adds(&sql->text, ", ");
        if (i == 0 && part == PART_REST)
            buf_adds(&sql->text, "NULL");
        else if (i == 0 && part == PART_VALUED)
            buf_adds(&sql->text, "s.last");
        else
            filter_compile_key(&s->order.keys[i], sql);
        buf_addf(&sql->text, " AS k%zu", i);
    }
    if (runs) {
        add_runs(s, part);
        if (part == PART_VALUED)
            add_bounds(s);
        buf_adds(&sql->text, "r." NOT_DELETED " AND ");
        if (s->query->experiment > 0)
            buf_addf(&sql->text, "r.experiment = %lld AND ", (long long)s->query->experiment);
        if (s->driver >= 0) {
            buf_adds(&sql->text, "r.id IN (");
            filter_driver(&s->filter, s->driver, sql);
            buf_adds(&sql->text, ") AND ");
        }
    } else {
        buf_addf(&sql->text,
                 " FROM experiments e WHERE (e.deleted_at IS NOT NULL) = %d AND e.purge_at IS NULL "
                 "AND ",
                 (int)s->query->deleted);
    }
    filter_compile(&s->filter, sql);
    buf_addc(&sql->text, ')');
    if (part != PART_REST || s->place.keys[0].type == PLACE_NULL)
        add_place(s, from);
    add_order(s, from);
    buf_addf(&sql->text, " LIMIT %zu", limit);
}

/* plans */

static bool is_by_metric(const struct search *s)
{
    return s->order.n > 0 && filter_metric(&s->order.keys[0].ref, true) != NULL &&
           s->query->experiment == 0;
}

/* Whether at most CANDIDATES ids come from the driver at `node`; *ret: how many. */
static int probe(struct search *s, int node, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    restart(s);
    buf_adds(&s->sql.text, "SELECT count(*) FROM (SELECT 1 FROM (");
    *ret = CANDIDATES + 1;
    if (!filter_driver(&s->filter, node, &s->sql))
        return 0;
    buf_addf(&s->sql.text, ") LIMIT %d)", CANDIDATES + 1);
    int status = prepare(s, &statement, err);
    if (status == 0 && (status = step(s, statement, err)) == 1) {
        *ret = sqlite3_column_int64(statement, 0);
        status = 0;
    }
    sqlite3_finalize(statement);
    return status;
}

static int choose_driver(struct search *s, struct err *err)
{
    bool sorted = is_by_metric(s);
    int64_t fewest = sorted ? CANDIDATES_SORTED + 1 : CANDIDATES + 1;
    s->driver = -1;
    if (s->query->of != FILTER_RUNS || s->query->experiment > 0)
        return 0;
    for (int node = filter_must(&s->filter, -1); node >= 0; node = filter_must(&s->filter, node)) {
        int64_t n = 0;
        int status = probe(s, node, &n, err);
        if (status != 0)
            return status;
        if (n < fewest) {
            fewest = n;
            s->driver = node;
        }
    }
    return 0;
}

static int read_part(struct search *s, enum part part, struct page *page, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    restart(s);
    add_select(s, part, s->query->size + 1 - page->n);
    int status = prepare(s, &statement, err);
    while (status == 0 && (status = step(s, statement, err)) == 1) {
        if ((page->more = page->n == s->query->size)) {
            status = 0;
            break;
        }
        struct page_item *item = store_grow((void **)&page->items, &page->n, sizeof *page->items);
        if (item != NULL) {
            item->id = sqlite3_column_int64(statement, 0);
            item->token = store_place_token(s->digest, s->order.n, statement);
        }
        status = item != NULL && item->token != NULL ? 0 : err_no_memory(err, "a page of a list");
    }
    sqlite3_finalize(statement);
    return status;
}

static int read_page(struct search *s, struct page *page, struct err *err)
{
    if (!is_by_metric(s) || s->driver >= 0)
        return read_part(s, PART_ALL, page, err);
    bool valued = !s->place.begun || s->place.keys[0].type != PLACE_NULL;
    int status = valued ? read_part(s, PART_VALUED, page, err) : 0;
    return status == 0 && !page->more ? read_part(s, PART_REST, page, err) : status;
}

/* metrics */

static int fail_metric(struct search *s, const char *text, const char *what,
                       const struct filter_ref *ref, struct err *err)
{
    struct near near = { .wanted = ref->member };
    char looks[200];
    sqlite3_stmt *statement = NULL;
    for (size_t i = 0; i < METRICS; i++)
        near_add(&near, metric_names[i]);
    int status = store_query(s->store, SQL_NAME_LIST, &statement, err, "");
    while (status == 0 && (status = store_step(s->store, statement, err)) == 1) {
        near_add(&near, (const char *)sqlite3_column_text(statement, 0));
        status = 0;
    }
    if (status != 0)
        return status;
    near_text(&near, looks, sizeof looks);
    return err_set_in(err, ERR_BAD_PARAMETER, text, ref->at, ref->len,
                      "%s, at character %d: no run has measured a metric `%.60s`%s; known are "
                      "those of GET /api/v1/metrics",
                      what, err_character(text, ref->at), ref->member, looks);
}

/* A metric is known that has been measured, or that runs of this version measure. */
static int check_metric(struct search *s, const char *text, const char *what,
                        const struct filter_ref *ref, struct err *err)
{
    const char *name = filter_metric(ref, false);
    int64_t id = 0;
    if (name == NULL || metric_find(name) != NULL)
        return 0;
    int status = store_get_int(s->store, SQL_NAME_GET, 0, &id, err, "t", name);
    return status == 0 && id == 0 ? fail_metric(s, text, what, ref, err) : status;
}

static int check_metrics(struct search *s, struct err *err)
{
    int status = 0;
    for (int i = 0; i < s->filter.nodes_n && status == 0; i++)
        if (s->filter.nodes[i].kind == FILTER_TEST)
            status = check_metric(s, s->query->filter, "filter", &s->filter.nodes[i].ref, err);
    for (size_t i = 0; i < s->order.n && status == 0; i++)
        status = check_metric(s, s->query->order, "order", &s->order.keys[i].ref, err);
    return status;
}

int store_page(struct store *store, const struct page_query *query, struct page *ret,
               struct err *err)
{
    struct page page = { 0 };
    struct search *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_no_memory(err, "a search");
    s->store = store;
    s->query = query;
    s->deadline_ms = clock_mono_ms() + PAGE_SEARCH_MS;
    filter_sql_init(&s->sql);
    query_digest(query, s->digest);
    sqlite3_progress_handler(store->db, TICKS, on_tick, s);
    int status = filter_parse(&s->filter, query->of, query->filter, err);
    if (status == 0)
        status = filter_order_parse(&s->order, query->of, query->order, err);
    if (status == 0)
        status = store_place_read(query->token, s->digest, s->order.n, &s->place, err);
    if (status == 0)
        status = check_metrics(s, err);
    if (status == 0)
        status = choose_driver(s, err);
    if (status == 0)
        status = read_page(s, &page, err);
    sqlite3_progress_handler(store->db, 0, NULL, NULL);
    filter_sql_done(&s->sql);
    free(s);
    if (status != 0) {
        page_done(&page);
        return status;
    }
    *ret = page;
    return 0;
}
