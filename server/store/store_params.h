/* store_params: values for the parameters of a SELECT from outside: an array for ? and ?1, an
 * object for :name, @name and $name (its keys are the names alone).
 *
 * A JSON integer is bound as the integer that it is (no request has one that a double wouldn't
 * hold: jsonx_check_integers), another number as a real, text as text, null as NULL, true and false as 1 and 0. Every parameter needs a value and every
 * value a parameter: what SQLite would take for NULL is refused.
 */
#ifndef ABLATE_SERVER_STORE_PARAMS_H
#define ABLATE_SERVER_STORE_PARAMS_H

#include "common/base/err.h"

#include <jansson.h>

enum { STORE_PARAMS = 100, STORE_PARAMS_BYTES = 64 << 10 /* of texts and names */ };

/* As they come, before there is a statement. NULL = none. Errors, below /params: WRONG_TYPE,
 * OUT_OF_RANGE. */
int store_params_check(const json_t *params, struct err *err);
/* The same for another process, so that a real like 2.0 stays one: {"real": 2}. New reference. */
json_t *store_params_pack(const json_t *params);
/* Binds what store_params_pack gave, or NULL. Errors at /params: INCONSISTENT (their number, or
 * their kind), MISSING_FIELD, UNKNOWN_FIELD; NO_MEMORY. */
struct sqlite3_stmt;
int store_params_bind(struct sqlite3_stmt *statement, const json_t *params, struct err *err);

#endif
