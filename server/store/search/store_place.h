/* store_place: the place in a list behind which a page begins, and the token that says it to the
 * caller (store/ only). */
#ifndef ABLATE_SERVER_STORE_PLACE_H
#define ABLATE_SERVER_STORE_PLACE_H

#include "common/base/err.h"
#include "server/filter/filter.h"
#include "server/filter/sql.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { PLACE_DIGEST = 17 }; /* of a query, as text */

/* A key's value at the place behind which a page begins. */
struct place_key {
    enum { PLACE_NULL, PLACE_INTEGER, PLACE_REAL, PLACE_TEXT } type;
    int64_t integer;
    double real;
    char text[4 * FILTER_KEY_CHARACTERS + 1];
};
struct place {
    bool begun; /* false: the beginning */
    int64_t id;
    struct place_key keys[FILTER_MAX_KEYS];
};

/* The place of a token that belongs to the query of this digest, whose order has so many keys; an
 * empty token: the beginning. Errors: BAD_PARAMETER. */
int store_place_read(const char *token, const char *digest, size_t keys_n, struct place *ret,
                     struct err *err);
/* The token of the page that begins behind a row: its id, then its keys. NULL: no memory. */
char *store_place_token(const char *digest, size_t keys_n, sqlite3_stmt *row);

#endif
