/* A filter: refused with its place, or SQL that SQLite takes, with a value for each question mark.
 * The first byte chooses a whole expression or the name of one field, as order_by has it. */
#include "server/store/runs/filter.h"
#include "server/store/store.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>

static sqlite3 *db;

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

static void check_sql(const struct filter *filter)
{
    sqlite3_stmt *s = NULL;
    char *sql = sqlite3_mprintf("SELECT r.id FROM runs r JOIN experiments e ON e.id = r.experiment "
                                "WHERE (%s)",
                                filter->sql.data);
    int code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (code != SQLITE_OK)
        fprintf(stderr, "%s: %s\n", sqlite3_errmsg(db), sql);
    FUZZ_CHECK(code == SQLITE_OK && s != NULL && sqlite3_stmt_readonly(s));
    FUZZ_CHECK(sqlite3_bind_parameter_count(s) == (int)filter->values_n);
    sqlite3_finalize(s);
    sqlite3_free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter filter;
    struct err err = { 0 };
    if (size == 0)
        return 0;
    char *text = fuzz_text(data + 1, size - 1);
    filter_init(&filter);
    int status = data[0] == 'f' ? filter_field(&filter, text, strlen(text), &err)
                                : filter_compile(&filter, text, &err);
    if (status == 0 && !filter.sql.failed)
        check_sql(&filter);
    else if (status != 0)
        fuzz_refused(status, &err);
    filter_done(&filter);
    free(text);
    return 0;
}
