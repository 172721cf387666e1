/* The list of sockets that are being read out, newest first, each with a poll and a deadline. */
#include "server/http/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer on a busy machine may need seconds to come to its read. */
enum { LINGER_MAX = 64, LINGER_MS = 10000, LINGER_BYTES = 1 << 20 };

struct linger_one {
    struct lingering *all;
    struct linger_one *next, *previous;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd, handles;
    size_t read;
};

static void on_closed(uv_handle_t *handle)
{
    struct linger_one *one = handle->data;
    if (--one->handles == 0)
        free(one);
}

static void end(struct linger_one *one)
{
    struct lingering *all = one->all;
    if (one->previous != NULL)
        one->previous->next = one->next;
    else
        all->first = one->next;
    if (one->next != NULL)
        one->next->previous = one->previous;
    all->n--;
    one->handles = 2;
    uv_close((uv_handle_t *)&one->poll, on_closed); /* leaves the loop's epoll set now */
    uv_close((uv_handle_t *)&one->timer, on_closed);
    close(one->fd);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct linger_one *one = poll->data;
    char ignored[16384];
    ssize_t n = 1;
    while (status == 0 && one->read <= LINGER_BYTES &&
           (n = recv(one->fd, ignored, sizeof ignored, MSG_DONTWAIT)) > 0)
        one->read += (size_t)n;
    if (status != 0 || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        end(one);
    else if (n > 0) /* that was enough; it may read our reply while its bytes wait */
        uv_poll_stop(poll);
}

static void on_time(uv_timer_t *timer)
{
    end(timer->data);
}

static struct linger_one *oldest(const struct lingering *all)
{
    struct linger_one *one = all->first;
    while (one->next != NULL)
        one = one->next;
    return one;
}

void linger_begin(struct lingering *all, int fd)
{
    if (all->loop == NULL)
        return;
    if (all->n >= LINGER_MAX)
        end(oldest(all));
    struct linger_one *one = calloc(1, sizeof *one);
    int copy = one != NULL ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy < 0 || uv_poll_init(all->loop, &one->poll, copy) != 0) {
        if (copy >= 0)
            close(copy);
        free(one);
        return;
    }
    one->all = all;
    one->fd = copy;
    one->poll.data = one->timer.data = one;
    one->next = all->first;
    if (one->next != NULL)
        one->next->previous = one;
    all->first = one;
    all->n++;
    shutdown(copy, SHUT_WR);
    uv_timer_init(all->loop, &one->timer);
    uv_timer_start(&one->timer, on_time, LINGER_MS, 0);
    uv_poll_start(&one->poll, UV_READABLE, on_readable);
}

void linger_end_all(struct lingering *all)
{
    all->loop = NULL;
    while (all->first != NULL)
        end(all->first);
}
