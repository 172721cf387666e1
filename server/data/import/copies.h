/* copies: digests of the documents that were kept; a part of an import (import.c). */
#ifndef ABLATE_SERVER_COPIES_H
#define ABLATE_SERVER_COPIES_H

#include "common/base/digest.h"
#include "common/base/err.h"

struct copies;

int copies_new(struct copies **ret, struct err *err);
void copies_free(struct copies *copies);
/* 1 when it is new, 0 when it isn't. Errors: NO_MEMORY, BAD_CORPUS (too many). */
int copies_add(struct copies *copies, const struct digest *digest, struct err *err);

#endif
