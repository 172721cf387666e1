/* A token: the digest of the query, the last row's id, and its keys with a letter for their type
 * (n null, i integer, d real, t text in hexadecimal digits), "_" between. */
#include "server/store/search/store_place.h"

#include "common/base/buf.h"
#include "common/base/digest.h"
#include "server/store/runs/store_runs.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_key(const char *at, size_t len, struct place_key *ret)
{
    char text[sizeof ret->text * 2], *end = text;
    if (len < 1 || len - 1 >= sizeof text)
        return false;
    memcpy(text, at + 1, len - 1);
    text[len - 1] = '\0';
    switch (*at) {
    case 'n':
        ret->type = PLACE_NULL;
        return len == 1;
    case 'i':
        ret->type = PLACE_INTEGER;
        ret->integer = strtoll(text, &end, 10);
        return len > 1 && *end == '\0';
    case 'd':
        ret->type = PLACE_REAL;
        ret->real = strtod(text, &end);
        return len > 1 && *end == '\0';
    default:
        ret->type = PLACE_TEXT;
    }
    for (size_t i = 0; i < (len - 1) / 2; i++) {
        unsigned byte = 0;
        if (i + 1 >= sizeof ret->text || sscanf(text + 2 * i, "%2x", &byte) != 1 || byte == 0)
            return false;
        ret->text[i] = (char)byte;
    }
    ret->text[(len - 1) / 2] = '\0';
    return *at == 't' && len % 2 == 1;
}

int store_place_read(const char *token, const char *digest, size_t keys_n, struct place *ret,
                     struct err *err)
{
    struct place place = { 0 };
    char *end;
    if (token[0] == '\0') {
        *ret = place;
        return 0;
    }
    if (strncmp(token, digest, PLACE_DIGEST - 1) != 0 || token[PLACE_DIGEST - 1] != '_')
        return err_set(err, ERR_BAD_PARAMETER,
                       "page_token belongs to another query, or is damaged");
    place.begun = true;
    place.id = strtoll(token + PLACE_DIGEST, &end, 10);
    bool sound = end > token + PLACE_DIGEST;
    for (size_t i = 0; i < keys_n && sound; i++) {
        size_t len = *end == '_' ? strcspn(end + 1, "_") : 0;
        sound = read_key(end + 1, len, &place.keys[i]);
        end += len + (*end == '_');
    }
    if (!sound || *end != '\0')
        return err_set(err, ERR_BAD_PARAMETER, "page_token is damaged");
    *ret = place;
    return 0;
}

char *store_place_token(const char *digest, size_t keys_n, sqlite3_stmt *row)
{
    struct buf token;
    buf_init(&token, STORE_TOKEN_BYTES - 1);
    buf_addf(&token, "%s_%lld", digest, (long long)sqlite3_column_int64(row, 0));
    for (int i = 1; i <= (int)keys_n; i++) {
        char text[4 * FILTER_KEY_CHARACTERS + 1], hex[2 * sizeof text];
        switch (sqlite3_column_type(row, i)) {
        case SQLITE_NULL:
            buf_adds(&token, "_n");
            break;
        case SQLITE_INTEGER:
            buf_addf(&token, "_i%lld", (long long)sqlite3_column_int64(row, i));
            break;
        case SQLITE_FLOAT: /* in an address, a plus would be a space */
            snprintf(text, sizeof text, "%.17g", sqlite3_column_double(row, i));
            buf_addf(&token, "_d%.*s%s", (int)strcspn(text, "+"), text,
                     strchr(text, '+') != NULL ? strchr(text, '+') + 1 : "");
            break;
        default:
            store_text_into(row, i, text, sizeof text);
            digest_hex((const uint8_t *)text, strlen(text), hex);
            buf_addf(&token, "_t%s", hex);
        }
    }
    return buf_take(&token, NULL);
}
