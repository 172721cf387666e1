/* options_fields: the table of what can be set, for what reads it from the command line and the file
 * (options.c). */
#ifndef ABLATE_SERVER_OPTIONS_FIELDS_H
#define ABLATE_SERVER_OPTIONS_FIELDS_H

#include "server/base/options.h"

#include <stddef.h>

struct option_row {
    const char *name;
    const char *value; /* what stands behind it in the help; NULL = a flag */
    const char *what;
    int (*set)(struct options *options, const char *text, struct err *err);
};
extern const struct option_row option_rows[];
extern const size_t option_rows_n;

/* NULL when there is none of that name. */
const struct option_row *option_find(const char *name, size_t len);
/* What holds where nothing is said. */
void options_default(struct options *ret);
/* to[PATH_MAX]. Errors: USAGE. */
int options_take_path(char *to, const char *name, const char *text, struct err *err);

#endif
