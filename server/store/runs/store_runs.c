/* Runs: single rows, filtered and ordered pages.
 *
 * Pages use keyset tokens: "<digest of the query>.<type><value of the order key>.<last id>", so
 * that a token belongs to one query and a page costs the same wherever it lies. Missing values (a
 * metric that a run doesn't have) come last in both directions. */
#include "server/store/runs/store_runs.h"

#include "common/base/clock.h"
#include "common/spec/metrics.h"
#include "server/store/runs/filter.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const run_state_names[] = { "queued", "running",   "succeeded",
                                        "failed", "cancelled", NULL };

void run_row_done(struct run_row *row)
{
    free(row->arm);
    free(row->grid);
    free(row->reason);
    free(row->digest);
    free(row->dataset_digest);
    free(row->spec);
    free(row->verify.reason);
    free(row->verify.difference);
    for (size_t i = 0; i < row->finals_n; i++)
        free((char *)row->finals[i].name);
    free(row->finals);
    *row = (struct run_row){ 0 };
}

void run_list_done(struct run_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        run_row_done(&list->items[i]);
    free(list->items);
    *list = (struct run_list){ 0 };
}

enum run_state run_state_of(const char *name)
{
    for (int i = 0; i < RUN_STATES; i++)
        if (strcmp(name, run_state_names[i]) == 0)
            return (enum run_state)i;
    return RUN_FAILED;
}

const char *const verify_state_names[] = { "",        "queued", "running", "identical",
                                           "differs", "failed", "skipped", NULL };

bool verify_is_open(enum verify_state state)
{
    return state == VERIFY_QUEUED || state == VERIFY_RUNNING;
}

enum verify_state verify_state_of(const char *name)
{
    for (int i = 0; name != NULL && i < VERIFY_STATES; i++)
        if (strcmp(name, verify_state_names[i]) == 0)
            return (enum verify_state)i;
    return VERIFY_NONE;
}

int store_run_states(struct store *store, int64_t ret[RUN_STATES], struct err *err)
{
    int64_t counts[RUN_STATES] = { 0 };
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_RUN_STATES, &s, err, "");
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1)
        counts[run_state_of((const char *)sqlite3_column_text(s, 0))] = sqlite3_column_int64(s, 1);
    if (status == 0)
        memcpy(ret, counts, sizeof counts);
    return status;
}

/* RUN_COLUMNS, in order. */
static void run_from(sqlite3_stmt *s, struct run_row *row)
{
    row->id = sqlite3_column_int64(s, 0);
    row->experiment = sqlite3_column_int64(s, 1);
    row->arm = store_text(s, 2, false);
    row->grid = store_text(s, 3, false);
    row->seed = sqlite3_column_int64(s, 4);
    row->state = run_state_of((const char *)sqlite3_column_text(s, 5));
    row->reason = store_text(s, 6, false);
    row->cancel = sqlite3_column_int(s, 7) != 0;
    row->priority = sqlite3_column_int64(s, 8);
    row->exclusive = sqlite3_column_int(s, 9) != 0;
    row->attempt = sqlite3_column_int64(s, 10);
    row->max_attempts = sqlite3_column_int64(s, 11);
    row->step = sqlite3_column_int64(s, 12);
    row->steps = sqlite3_column_int64(s, 13);
    row->digest = store_text(s, 14, false);
    row->dataset_digest = store_text(s, 15, true);
    row->parameters = sqlite3_column_int64(s, 16);
    row->memory_bytes = sqlite3_column_int64(s, 17);
    row->flops_per_step = sqlite3_column_double(s, 18);
    row->created_at = sqlite3_column_int64(s, 19);
    row->started_at = sqlite3_column_int64(s, 20);
    row->ended_at = sqlite3_column_int64(s, 21);
    row->verify = (struct run_verify){
        .state = verify_state_of((const char *)sqlite3_column_text(s, 22)),
        .attempt = sqlite3_column_int64(s, 23),
        .reason = store_text(s, 24, false),
        .cancel = sqlite3_column_int(s, 25) != 0,
        .compared = sqlite3_column_int64(s, 26),
        .difference = store_text(s, 27, true),
    };
}

static double nonfinite(double value, int kind)
{
    static const double values[] = { 0, NAN, INFINITY, -INFINITY };
    return kind == 0 ? value : values[kind & 3];
}

/* The value of step 1; NaN when it isn't there or isn't finite. */
static int first_value(struct store *store, int64_t run, int64_t name, double *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_METRIC_GET, &s, err, "iii", run, name, (int64_t)1);
    if (status < 0)
        return status;
    *ret = status == 1 ? store_metric_value(s, 0) : (double)NAN;
    sqlite3_reset(s);
    return 0;
}

static int read_finals(struct store *store, struct run_row *row, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_query(store, SQL_RUN_FINALS, &s, err, "i", row->id);
    if (status != 0)
        return status;
    while ((status = store_step(store, s, err)) == 1) {
        struct run_final *final =
            store_grow((void **)&row->finals, &row->finals_n, sizeof *row->finals);
        if (final == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's last values");
        }
        if ((final->name = store_text(s, 0, false)) == NULL) {
            sqlite3_reset(s);
            return err_no_memory(err, "a run's last values");
        }
        final->value = nonfinite(sqlite3_column_double(s, 1), sqlite3_column_int(s, 2));
        final->best = store_real(s, 3);
        final->greatest = store_real(s, 4);
        final->count = sqlite3_column_int64(s, 7);
        double sum = sqlite3_column_double(s, 5), n = (double) final->count, first = NAN;
        if (metric_is_clock(final->name) && n > 1 &&
            (status = first_value(store, row->id, sqlite3_column_int64(s, 9), &first, err)) != 0)
            break;
        final->mean = n <= 0 ? NAN : isfinite(first) ? (sum - first) / (n - 1) : sum / n;
        final->step = sqlite3_column_int64(s, 6);
        final->nonfinite = sqlite3_column_int64(s, 8);
    }
    return status;
}

int store_run_get(struct store *store, int64_t id, struct run_row *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int status = store_find_run(store, SQL_RUN_GET, id, &s, err);
    if (status != 0)
        return status;
    struct run_row row = { 0 };
    run_from(s, &row);
    row.spec = store_text(s, RUN_COLUMNS_N, false);
    sqlite3_reset(s);
    if ((status = read_finals(store, &row, err)) != 0) {
        run_row_done(&row);
        return status;
    }
    *ret = row;
    return 0;
}

/* pages */

struct order {
    char field[128];
    bool descending, by_id;
};

static int parse_order(const char *text, struct order *ret, struct err *err)
{
    *ret = (struct order){ 0 };
    if (*text == '-') {
        ret->descending = true;
        text++;
    }
    size_t len = strcspn(text, " ");
    const char *rest = text + len + strspn(text + len, " ");
    if (strcmp(rest, "desc") == 0 && !ret->descending)
        ret->descending = true;
    else if (*rest != '\0' && strcmp(rest, "asc") != 0)
        return err_set(err, ERR_BAD_PARAMETER,
                       "order_by is a field, with \"-\" before or \" desc\" behind it");
    if (len >= sizeof ret->field)
        return err_set(err, ERR_BAD_PARAMETER, "order_by is too long");
    memcpy(ret->field, text, len);
    ret->by_id = len == 0 || strcmp(ret->field, "id") == 0;
    return 0;
}

static void query_digest(const struct run_query *query, char ret[17])
{
    char id[32], hex[DIGEST_HEX];
    snprintf(id, sizeof id, "%lld", (long long)query->experiment);
    struct digest digest;
    digest_init(&digest);
    digest_add(&digest, id, strlen(id) + 1);
    digest_add(&digest, query->filter, strlen(query->filter) + 1);
    digest_add(&digest, query->order_by, strlen(query->order_by) + 1);
    digest_end_hex(&digest, hex);
    memcpy(ret, hex, 16);
    ret[16] = '\0';
}

/* The place after which a page begins: the order key (typed) and the id of the last row before it.
 */
struct place {
    char type; /* n = NULL, d = number, t = text, i = by id alone, 0 = the beginning */
    double number;
    char text[164]; /* 40 characters */
    int64_t id;
};

static int parse_token(const struct run_query *query, struct place *ret, struct err *err)
{
    *ret = (struct place){ 0 };
    if (query->page_token[0] == '\0')
        return 0;
    char digest[17], key[321];
    long long id;
    char type;
    query_digest(query, digest);
    if (strncmp(query->page_token, digest, 16) != 0 || query->page_token[16] != '.')
        return err_set(err, ERR_BAD_PARAMETER,
                       "page_token belongs to another query, or is damaged");
    const char *at = query->page_token + 17;
    int used = 0;
    if (sscanf(at, "%lld.%c%n", &id, &type, &used) != 2 || strchr("ndti", type) == NULL ||
        strlen(at + used) > 320)
        return err_set(err, ERR_BAD_PARAMETER, "page_token is damaged");
    snprintf(key, sizeof key, "%s", at + used);
    ret->type = type;
    ret->id = id;
    if (type == 'd')
        ret->number = strtod(key, NULL);
    for (size_t i = 0;
         type == 't' && key[2 * i] != '\0' && key[2 * i + 1] != '\0' && i < sizeof ret->text - 1;
         i++) {
        unsigned byte = 0;
        sscanf(key + 2 * i, "%2x", &byte);
        ret->text[i] = (char)byte;
    }
    return 0;
}

static void make_token(const struct run_query *query, const struct order *order, sqlite3_stmt *s,
                       int column, int64_t id, char *ret, size_t size)
{
    char digest[17];
    query_digest(query, digest);
    int len = snprintf(ret, size, "%s.%lld.", digest, (long long)id);
    char *at = ret + len;
    size_t room = size - (size_t)len;
    int type = order->by_id ? SQLITE_BLOB : sqlite3_column_type(s, column);
    if (type == SQLITE_BLOB)
        snprintf(at, room, "i");
    else if (type == SQLITE_NULL)
        snprintf(at, room, "n");
    else if (type == SQLITE_TEXT) {
        *at = 't';
        char cut[164];
        store_text_into(s, column, cut, sizeof cut);
        digest_hex((const uint8_t *)cut, strlen(cut), at + 1);
    } else
        snprintf(at, room, "d%.17g", sqlite3_column_double(s, column));
}

static int bind_values(sqlite3_stmt *s, const struct filter *filter, int at)
{
    for (size_t i = 0; i < filter->values_n; i++, at++) {
        double number = filter->values[i].number;
        if (filter->values[i].text != NULL)
            sqlite3_bind_text(s, at, filter->values[i].text, -1, SQLITE_TRANSIENT);
        else if (number == trunc(number) && fabs(number) < 0x1p53)
            sqlite3_bind_int64(s, at, (int64_t)number); /* so that the arm 42 equals 42 */
        else
            sqlite3_bind_double(s, at, number);
    }
    return at;
}

/* SELECT … FROM (filtered runs with their order key k) WHERE (after the place) ORDER BY k IS NULL,
 * k, id. Texts are ordered by their beginnings, so that a token holds a whole key. */
static int compile_list(const struct run_query *query, const struct order *order,
                        const struct place *place, struct filter *filter, struct err *err)
{
    const char *cmp = order->descending ? "<" : ">", *dir = order->descending ? "DESC" : "ASC";
    buf_adds(&filter->sql, "SELECT * FROM (SELECT *, CASE typeof(f) WHEN 'text' THEN "
                           "substr(f, 1, 40) ELSE f END AS k FROM (SELECT " RUN_COLUMNS ", ");
    int status = order->by_id ? (buf_adds(&filter->sql, "r.id"), 0)
                              : filter_field(filter, order->field, strlen(order->field), err);
    if (status != 0)
        return status;
    buf_adds(
        &filter->sql,
        " AS f FROM runs r JOIN experiments e ON e.id = r.experiment WHERE e.deleted_at IS NULL ");
    if (query->experiment > 0)
        buf_addf(&filter->sql, "AND r.experiment = %lld ", (long long)query->experiment);
    buf_adds(&filter->sql, "AND (");
    if ((status = filter_compile(filter, query->filter, err)) != 0)
        return status;
    buf_adds(&filter->sql, "))) ");
    if (place->type == 'i')
        buf_addf(&filter->sql, "WHERE id %s %lld ", cmp, (long long)place->id);
    else if (place->type == 'n')
        buf_addf(&filter->sql, "WHERE k IS NULL AND id %s %lld ", cmp, (long long)place->id);
    else if (place->type != 0)
        buf_addf(&filter->sql, "WHERE (k %s ?%d OR (k = ?%d AND id %s %lld) OR k IS NULL) ", cmp,
                 (int)filter->values_n + 1, (int)filter->values_n + 1, cmp, (long long)place->id);
    buf_addf(&filter->sql, "ORDER BY k IS NULL, k %s, id %s LIMIT %zu", dir, dir,
             query->page_size + 1);
    return filter_check(filter, err);
}

int store_run_list(struct store *store, const struct run_query *query, struct run_list *ret,
                   struct err *err)
{
    enum { KEY = RUN_COLUMNS_N + 1 };
    struct filter filter;
    struct order order;
    struct place place;
    struct run_list list = { 0 };
    sqlite3_stmt *s = NULL;
    filter_init(&filter);
    int status = parse_order(query->order_by, &order, err);
    if (status == 0)
        status = parse_token(query, &place, err);
    if (status == 0)
        status = compile_list(query, &order, &place, &filter, err);
    if (status != 0)
        goto out;
    if (sqlite3_prepare_v2(store->db, filter.sql.data, -1, &s, NULL) != SQLITE_OK) {
        status = store_error(store, err, "listing runs");
        goto out;
    }
    int at = bind_values(s, &filter, 1);
    if (place.type == 'd')
        sqlite3_bind_double(s, at, place.number);
    else if (place.type == 't')
        sqlite3_bind_text(s, at, place.text, -1, SQLITE_TRANSIENT);
    bool more = false;
    while ((status = store_step(store, s, err)) == 1) {
        if ((more = list.n == query->page_size)) {
            status = 0;
            break;
        }
        struct run_row *row = store_grow((void **)&list.items, &list.n, sizeof *list.items);
        if (row == NULL) {
            status = err_no_memory(err, "a page of runs");
            break;
        }
        run_from(s, row);
        if (list.n == query->page_size)
            make_token(query, &order, s, KEY, row->id, list.next_page_token,
                       sizeof list.next_page_token);
    }
    if (!more)
        list.next_page_token[0] = '\0';
    sqlite3_finalize(s);
    s = NULL;
    for (size_t i = 0; i < list.n && status == 0; i++)
        status = read_finals(store, &list.items[i], err);
out:
    sqlite3_finalize(s);
    filter_done(&filter);
    if (status != 0) {
        run_list_done(&list);
        return status;
    }
    *ret = list;
    return 0;
}
