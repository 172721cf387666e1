/* The fault that this process was asked to make. */
#include "worker/base/planted.h"

#include <stdlib.h>
#include <string.h>

bool planted(const char *fault)
{
    const char *asked = getenv("ABLATE_PLANTED");
    return asked != NULL && strcmp(asked, fault) == 0;
}
