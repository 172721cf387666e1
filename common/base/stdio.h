/* stdio: descriptors 0, 1 and 2 that are taken. */
#ifndef ABLATE_COMMON_STDIO_H
#define ABLATE_COMMON_STDIO_H

/* Opens /dev/null where one of them is closed; call it before anything else is opened. Returns 0,
 * or -1 (errno) if it can't be opened. */
int stdio_keep_open(void);

#endif
