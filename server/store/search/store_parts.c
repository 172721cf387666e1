/* Parts are told apart by a digest of their text, as SQLite writes it, so that the migration and a
 * submission agree. */
#include "server/store/search/store_parts.h"

#include "common/base/digest.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

enum { PART_DIGEST_HEX = 33 };
static const char *const names[RUN_PARTS] = { "data", "model", "train", "grid" };

/* The first 16 bytes of a SHA-256, in hexadecimal. */
static void digest_part(const char *name, const char *text, char ret[PART_DIGEST_HEX])
{
    struct digest digest;
    uint8_t bytes[DIGEST_BYTES];
    digest_init(&digest);
    digest_add(&digest, name, strlen(name) + 1);
    digest_add(&digest, text, strlen(text));
    digest_end(&digest, bytes);
    digest_hex(bytes, (PART_DIGEST_HEX - 1) / 2, ret);
}

/* part_digest(name, text) in SQL, for the migration; NULL of NULL. */
static void part_digest(sqlite3_context *context, int n, sqlite3_value **values)
{
    const char *name = (const char *)sqlite3_value_text(values[0]);
    const char *text = (const char *)sqlite3_value_text(values[1]);
    char digest[PART_DIGEST_HEX];
    (void)n;
    if (name == NULL || text == NULL)
        return;
    digest_part(name, text, digest);
    sqlite3_result_text(context, digest, -1, SQLITE_TRANSIENT);
}

int store_parts_define(struct store *store, struct err *err)
{
    return sqlite3_create_function(store->db, "part_digest", 2,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                   part_digest, NULL, NULL) == SQLITE_OK
               ? 0
               : store_error(store, err, "the database");
}

static int put_part(struct store *store, const char *name, const char *text, int64_t *ret,
                    struct err *err)
{
    char digest[PART_DIGEST_HEX];
    digest_part(name, text, digest);
    int status = store_get_int(store, SQL_PART_GET, 0, ret, err, "t", digest);
    if (status != 0 || *ret != 0)
        return status;
    status = store_run_sql(store, SQL_PART_ADD, NULL, err, "t", digest);
    if (status != 0)
        return status;
    *ret = sqlite3_last_insert_rowid(store->db);
    return store_run_sql(store, SQL_PART_PARAMS, NULL, err, "itt", *ret, name, text);
}

int store_parts_put(struct store *store, const char *spec, const char *grid, struct run_parts *ret,
                    struct err *err)
{
    char *texts[RUN_PARTS] = { NULL };
    struct run_parts parts = { { 0 } };
    sqlite3_stmt *statement = NULL;
    int status = store_first(store, SQL_PART_TEXTS, &statement, err, "tt", spec, grid);
    if (status < 0)
        return status;
    for (int i = 0; i < RUN_PARTS && status == 1; i++)
        texts[i] = store_text(statement, i, true);
    if (status == 1)
        sqlite3_reset(statement);
    status = 0;
    for (int i = 0; i < RUN_PARTS && status == 0; i++)
        if (texts[i] != NULL)
            status = put_part(store, names[i], texts[i], &parts.ids[i], err);
    for (int i = 0; i < RUN_PARTS; i++)
        free(texts[i]);
    if (status == 0)
        *ret = parts;
    return status;
}
