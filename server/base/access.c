/* The names of the kinds of access. */
#include "server/base/access.h"

#include <string.h>

const char *const access_names[ACCESS_KINDS] = { "public", "read", "submit", "admin" };

enum access access_of(const char *name)
{
    enum access found = ACCESS_PUBLIC;
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        if (strcmp(name, access_names[access]) == 0)
            found = access;
    return found;
}
