/* A connection is taken in one call and answered in the next, so that its request is there: closing
 * a socket that holds unread bytes would take the reply away with a reset. */
#include "server/http/stalled.h"

#include "common/base/err.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAKEN_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int listen_fd = -1, taken[TAKEN_MAX];
static size_t taken_n;
static double stood_s;

static void forget_request(int fd)
{
    char ignored[16384];
    recv(fd, ignored, sizeof ignored, MSG_DONTWAIT);
}

static void answer(int fd)
{
    char body[600], text[900];
    int len =
        snprintf(body, sizeof body,
                 "{\"live\":false,\"ready\":false,\"reasons\":[\"loop_stalled: the daemon has "
                 "been standing still for %.0f s\"],\"type\":\"urn:ablate:problem:%s\",\"title\":"
                 "\"%s\",\"status\":503,\"detail\":\"the daemon has been standing still for "
                 "%.0f s\",\"code\":\"%s\"}\n",
                 stood_s, err_name(ERR_UNAVAILABLE), err_title(ERR_UNAVAILABLE), stood_s,
                 err_name(ERR_UNAVAILABLE));
    int all =
        snprintf(text, sizeof text,
                 "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
                 "Content-Length: %d\r\nCache-Control: no-store\r\nRetry-After: 5\r\n"
                 "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s",
                 len, body);
    forget_request(fd);
    send(fd, text, (size_t)all, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    forget_request(fd);
    close(fd);
}

static void answer_taken(void)
{
    for (size_t i = 0; i < taken_n; i++)
        answer(taken[i]);
    taken_n = 0;
}

void stalled_listen(int fd)
{
    pthread_mutex_lock(&lock);
    listen_fd = fd;
    answer_taken();
    pthread_mutex_unlock(&lock);
}

void stalled_answer(double seconds)
{
    pthread_mutex_lock(&lock);
    stood_s = seconds;
    answer_taken();
    while (listen_fd >= 0 && taken_n < TAKEN_MAX &&
           (taken[taken_n] = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        taken_n++;
    pthread_mutex_unlock(&lock);
}

void stalled_over(void)
{
    pthread_mutex_lock(&lock);
    answer_taken();
    pthread_mutex_unlock(&lock);
}
