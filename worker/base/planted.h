/* planted: faults that a test build can be asked for, to see which audit catches which
 * (tests/planted). planted("name") stands where the fault would be made; in the worker that is
 * shipped it is the constant false, and nothing of it is compiled. Audits never ask.
 */
#ifndef ABLATE_WORKER_PLANTED_H
#define ABLATE_WORKER_PLANTED_H

#include <stdbool.h>

#ifdef ABLATE_PLANTED
bool planted(const char *fault); /* tests/planted/planted.c: of the environment's ABLATE_PLANTED */
#else
#define planted(fault) false
#endif

#endif
