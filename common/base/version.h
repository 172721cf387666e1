/* version: what this build calls itself (git describe). */
#ifndef ABLATE_COMMON_VERSION_H
#define ABLATE_COMMON_VERSION_H

const char *ablate_version(void);

#endif
