/* values: what a field is compared with, read and checked (filter/ only). */
#ifndef ABLATE_SERVER_FILTER_VALUES_H
#define ABLATE_SERVER_FILTER_VALUES_H

#include "server/filter/reader.h"

/* Takes the next token as a value that may be compared with the field by the operator; it becomes
 * the filter's next literal. Errors: BAD_PARAMETER. */
int values_take(struct reader *r, const struct filter_ref *ref, enum filter_op op);

#endif
