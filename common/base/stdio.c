/* A program may be started with standard input, output or error closed (`<&- >&-`, some
 * supervisors). The next file that it opens then gets that number, and what is meant for standard
 * output goes into the database, the lock or a socket; libuv aborts outright. /dev/null in the
 * place of what is closed, before anything is opened, leaves no such number to get. */
#include "common/base/stdio.h"

#include <fcntl.h>
#include <unistd.h>

int stdio_keep_open(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}
