/* A datagram a state to the socket that the service manager names, without its library: the
 * protocol is one line. Nothing waits for it, and nobody is told when it can't be sent. */
#include "server/base/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_fd = -1;
static struct sockaddr_un manager = { .sun_family = AF_UNIX };
static socklen_t manager_len;
static bool watchdog;

/* Another process that a watchdog watches may have started us: its WATCHDOG_USEC isn't meant for
 * us. */
static bool is_watched(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    return usec != NULL && atoll(usec) > 0 && (pid == NULL || atoll(pid) == getpid());
}

void notify_begin(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;
    if (len > 1 && len < sizeof manager.sun_path && (path[0] == '/' || path[0] == '@')) {
        memcpy(manager.sun_path, path, len);
        if (path[0] == '@') /* a name in no file system */
            manager.sun_path[0] = '\0';
        manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        watchdog = is_watched();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_state(const char *state)
{
    if (notify_fd >= 0)
        sendto(notify_fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
               (const struct sockaddr *)&manager, manager_len);
}

void notify_alive(void)
{
    if (watchdog)
        notify_state("WATCHDOG=1");
}
