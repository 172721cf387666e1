/* machine: what this machine has: the defaults of options. */
#ifndef ABLATE_SERVER_MACHINE_H
#define ABLATE_SERVER_MACHINE_H

#include <limits.h>
#include <stdint.h>

/* Bytes that this machine has, or that the control groups around us allow (cgroup v2). */
int64_t machine_memory(void);
/* Cores that we may use; at least 1. */
int64_t machine_cores(void);
/* The program of that name beside this one, else the first one in PATH; where there is none, a path
 * at which it isn't. */
void machine_find_program(const char *name, char ret[PATH_MAX]);

#endif
