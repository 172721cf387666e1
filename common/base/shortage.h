/* shortage: memory that ran out where nobody looked.
 *
 * A JSON value that there is no memory for is left out of its object, and a text of a row is NULL
 * then, as one that is NULL: what comes of it looks whole and isn't. There are hundreds of such
 * places. So what allocates notes by thread that it got nothing, and whoever ends a piece of work
 * asks once, and the work fails. Rejected: looking at each place, since one that is forgotten tells
 * nobody.
 */
#ifndef ABLATE_COMMON_SHORTAGE_H
#define ABLATE_COMMON_SHORTAGE_H

#include "common/base/err.h"

#include <stddef.h>

/* A piece of work begins on this thread: what was noted before is forgotten. */
void shortage_begin(void);
/* It ends with this status: returns it, or, where that is 0 and something was noted, NO_MEMORY. */
int shortage_end(int status, struct err *err);
/* Memory has run out. */
void shortage_note(void);
/* As malloc and strdup; a failure is noted. shortage_malloc is for json_set_alloc_funcs. */
void *shortage_malloc(size_t size);
char *shortage_strdup(const char *text);

#endif
