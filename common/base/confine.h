/* confine: a process gives up, for itself and every thread to come, what it doesn't need any more.
 *
 * By two means of the kernel's that take no privilege: Landlock, for files (and, where it knows of
 * them, TCP, abstract sockets and signals to others), and seccomp, for system calls. What is
 * refused fails with EACCES or EPERM; nothing is killed. Not by namespaces: an ordinary user can't
 * make them everywhere. A kernel that lacks one of the two isn't an error: the other holds.
 */
#ifndef ABLATE_COMMON_CONFINE_H
#define ABLATE_COMMON_CONFINE_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct confine_paths {
    const char *const *paths; /* files and folders, NULL at the end; "" is passed over */
    bool writable;            /* and what lies below them can be made and removed */
};

enum { CONFINE_FORBIDDEN = -1 };

/* Leaves the files of the n lists and no others; privileges are given up as well. *ret_abi: what
 * this kernel's Landlock knows, 0 = there is none, CONFINE_FORBIDDEN = a filter of system calls
 * forbids to ask.
 * Errors: INTERNAL, STORAGE (a path can't be opened; one that isn't there needs no right). */
int confine_files(const struct confine_paths *lists, size_t n, int *ret_abi, struct err *err);

/* Leaves the system calls named (NULL at the end), and those that add_shapes allows by their
 * arguments: it adds rules to a filter of libseccomp's and returns 0 or what failed there.
 * Privileges must have been given up. *ret_filtered: false = the kernel has no filters. Errors:
 * INTERNAL. */
int confine_calls(const char *const *calls, int (*add_shapes)(void *filter), bool *ret_filtered,
                  struct err *err);

/* What there is of both here, as the two would say it; gives nothing up. */
void confine_look(int *ret_abi, bool *ret_filters);

#endif
