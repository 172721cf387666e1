/* A filter: refused with its place, or SQL that SQLite takes, with a value for each question mark,
 * as are the ways to find its rows; and what is printed of it is the same filter. The first byte
 * chooses: x a filter of experiments, f an order of runs, g one of experiments, else a filter of
 * runs. */
#include "server/filter/fields.h"
#include "server/filter/filter.h"
#include "server/filter/parse.h"
#include "server/filter/print.h"
#include "server/filter/sql.h"
#include "server/store/store.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>

static sqlite3 *db;
static struct filter filter, again;
static struct filter_order order;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct store *store = NULL;
    struct err err;
    (void)argc;
    (void)argv;
    FUZZ_CHECK(store_open(fuzz_path("ablate.db"), STORE_WRITER, &store, &err) == 0);
    FUZZ_CHECK(sqlite3_open_v2(fuzz_path("ablate.db"), &db, SQLITE_OPEN_READONLY, NULL) ==
               SQLITE_OK);
    store_close(store);
    return 0;
}

/* Prepares, binds, and runs to the end: the schema is empty. */
static void check_sql(const struct filter_sql *sql)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(db, sql->text.data, -1, &s, NULL);
    if (code != SQLITE_OK)
        fprintf(stderr, "%s: %s\n", sqlite3_errmsg(db), sql->text.data);
    FUZZ_CHECK(code == SQLITE_OK && s != NULL && sqlite3_stmt_readonly(s));
    FUZZ_CHECK(sqlite3_bind_parameter_count(s) == (int)sql->values_n);
    for (size_t i = 0; i < sql->values_n; i++) {
        const struct filter_value *value = &sql->values[i];
        code = value->type == FILTER_VALUE_TEXT
                   ? sqlite3_bind_text(s, (int)i + 1, value->text, -1, SQLITE_STATIC)
               : value->type == FILTER_VALUE_INTEGER
                   ? sqlite3_bind_int64(s, (int)i + 1, value->integer)
                   : sqlite3_bind_double(s, (int)i + 1, value->real);
        FUZZ_CHECK(code == SQLITE_OK);
    }
    FUZZ_CHECK(sqlite3_step(s) == SQLITE_DONE);
    sqlite3_finalize(s);
}

static const char *table_of(enum filter_of of)
{
    return of == FILTER_RUNS ? "runs r" : "experiments e";
}

/* Ends sql. */
static void check_end(struct filter_sql *sql)
{
    struct err err;
    if (filter_sql_check(sql, &err) == 0)
        check_sql(sql);
    filter_sql_done(sql);
}

static void check_drivers(void)
{
    for (int node = filter_must(&filter, -1); node >= 0; node = filter_must(&filter, node)) {
        struct filter_sql sql;
        filter_sql_init(&sql);
        if (filter_driver(&filter, node, &sql))
            check_end(&sql);
        else
            FUZZ_CHECK(sql.text.len == 0 && sql.values_n == 0);
        filter_sql_done(&sql);
    }
}

static void check_print(enum filter_of of)
{
    struct err err = { 0 };
    struct buf first, second;
    buf_init(&first, 0);
    buf_init(&second, 0);
    buf_adds(&first, "");
    buf_adds(&second, "");
    filter_print(&filter, &first);
    int status = first.len > FILTER_MAX_BYTES ? 1 : filter_parse(&again, of, first.data, &err);
    if (status < 0)
        fprintf(stderr, "%s: %s\n", first.data, err.message);
    FUZZ_CHECK(status >= 0);
    if (status == 0) {
        filter_print(&again, &second);
        FUZZ_CHECK(strcmp(first.data, second.data) == 0);
    }
    buf_done(&first);
    buf_done(&second);
}

static void check_filter(enum filter_of of)
{
    struct filter_sql sql;
    filter_sql_init(&sql);
    buf_addf(&sql.text, "SELECT 1 FROM %s WHERE ", table_of(of));
    filter_compile(&filter, &sql);
    check_end(&sql);
    check_drivers();
    check_print(of);
}

static void check_order(enum filter_of of)
{
    for (size_t i = 0; i < order.n; i++) {
        struct filter_sql sql;
        filter_sql_init(&sql);
        buf_adds(&sql.text, "SELECT ");
        filter_compile_key(&order.keys[i], &sql);
        buf_addf(&sql.text, " FROM %s", table_of(of));
        check_end(&sql);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = { 0 };
    if (size == 0)
        return 0;
    char *text = fuzz_text(data + 1, size - 1);
    enum filter_of of = data[0] == 'x' || data[0] == 'g' ? FILTER_EXPERIMENTS : FILTER_RUNS;
    bool sorts = data[0] == 'f' || data[0] == 'g';
    int status =
        sorts ? filter_order_parse(&order, of, text, &err) : filter_parse(&filter, of, text, &err);
    if (status != 0)
        fuzz_refused(status, &err);
    else if (sorts)
        check_order(of);
    else
        check_filter(of);
    free(text);
    return 0;
}
