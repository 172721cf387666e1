/* random: bytes from the kernel, for secrets and for names that nobody else has. */
#ifndef ABLATE_SERVER_RANDOM_H
#define ABLATE_SERVER_RANDOM_H

#include <stddef.h>

/* n random bytes, at most 64, as hex: 2n characters and a NUL. Any thread. */
void random_hex(size_t n, char *ret);

#endif
