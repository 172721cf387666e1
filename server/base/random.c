/* Random bytes as hex. Without entropy there are no secrets, and the process ends. */
#include "server/base/random.h"

#include "common/base/digest.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void random_hex(size_t n, char *ret)
{
    uint8_t bytes[64];
    n = n > sizeof bytes ? sizeof bytes : n;
    if (getentropy(bytes, n) != 0)
        abort();
    digest_hex(bytes, n, ret);
}
