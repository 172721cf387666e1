/* The listening socket is made before the database is opened, so that a start whose port is taken
 * is refused before anything is written. */
#include "server/http/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what, struct err *err)
{
    return err_errno(err, errno == EADDRINUSE ? ERR_RUNNING : ERR_USAGE, "can't listen on %s",
                     what);
}

int listener_bind(const char *host, int port, int *ret, struct err *err)
{
    char service[16], what[300];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
    snprintf(service, sizeof service, "%d", port);
    snprintf(what, sizeof what, "%s port %d", host, port);
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0)
        return code == EAI_MEMORY
                   ? err_no_memory(err, "the address %s", host)
                   : err_set(err, ERR_USAGE, "%s is no IP address to listen on", host);
    int one = 1, status = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0)
        status = fail(what, err);
    freeaddrinfo(found);
    if (status == 0)
        *ret = fd;
    else if (fd >= 0)
        close(fd);
    return status;
}

int listener_open(int fd, int *ret_port, struct err *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = { 0 };
    socklen_t size = sizeof address;
    if (listen(fd, 1024) != 0 || getsockname(fd, &address.any, &size) != 0)
        return fail("the port", err);
    *ret_port =
        ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return 0;
}
