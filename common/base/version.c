/* A file of its own because it alone is compiled again when the version changes (Makefile). */
#include "common/base/version.h"

#ifndef ABLATE_VERSION
#define ABLATE_VERSION "unknown"
#endif

const char *ablate_version(void)
{
    return ABLATE_VERSION;
}
