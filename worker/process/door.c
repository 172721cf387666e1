/* A byte asks, a byte answers, and the connection travels beside the answer (SCM_RIGHTS). */
#include "worker/process/door.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char question = '?', here = '+', nobody = '-';

union room {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

int door_init(struct door *door, const char *path, int *ret_trainer, struct err *err)
{
    int ends[2];
    struct door made = { .given = -1, .address.sun_family = AF_UNIX };
    if (strlen(path) >= sizeof made.address.sun_path)
        return err_set(err, ERR_USAGE, "the socket's path is too long: %s", path);
    memcpy(made.address.sun_path, path, strlen(path) + 1);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return err_errno(err, ERR_INTERNAL, "can't make a pair of sockets");
    made.fd = ends[0];
    *door = made;
    *ret_trainer = ends[1];
    return 0;
}

void door_done(struct door *door)
{
    if (door->fd >= 0)
        close(door->fd);
    if (door->given >= 0)
        close(door->given);
    door->fd = door->given = -1;
}

int64_t door_poll(const struct door *door, struct pollfd *ret)
{
    int64_t pause = door->open_at_ms - clock_mono_ms();
    *ret = (struct pollfd){ .fd = pause > 0 ? -1 : door->fd, .events = POLLIN };
    return pause > 0 && door->fd >= 0 ? pause : -1;
}

/* Doesn't wait: a Unix socket's listener takes a connection at once, or has no room for one more.
 */
static int dial(const struct door *door)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&door->address, sizeof door->address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Shuts the connection down, so that copies of its descriptor are worth nothing. */
static void take_back(struct door *door)
{
    if (door->given < 0)
        return;
    shutdown(door->given, SHUT_RDWR);
    close(door->given);
    door->given = -1;
}

void door_answer(struct door *door)
{
    char byte;
    ssize_t n = door->fd < 0 ? -1 : recv(door->fd, &byte, 1, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        door_done(door);
    if (n <= 0)
        return;
    door->open_at_ms = clock_mono_ms() + DOOR_PAUSE_MS;
    take_back(door);
    int connection = dial(door);
    struct iovec text = { (void *)(uintptr_t)(connection >= 0 ? &here : &nobody), 1 };
    union room room = { .bytes = { 0 } };
    struct msghdr message = { .msg_iov = &text, .msg_iovlen = 1 };
    if (connection >= 0) {
        room.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS,
                                        .cmsg_len = CMSG_LEN(sizeof connection) };
        memcpy(CMSG_DATA(&room.header), &connection, sizeof connection);
        message.msg_control = room.bytes;
        message.msg_controllen = sizeof room.bytes;
    }
    (void)sendmsg(door->fd, &message, MSG_NOSIGNAL);
    door->given = connection;
}

bool door_ask(int trainer)
{
    return send(trainer, &question, 1, MSG_NOSIGNAL) == 1;
}

int door_take(int trainer)
{
    char byte;
    int connection = DOOR_REFUSED;
    union room room;
    struct iovec text = { &byte, 1 };
    struct msghdr message = { .msg_iov = &text,
                              .msg_iovlen = 1,
                              .msg_control = room.bytes,
                              .msg_controllen = sizeof room.bytes };
    ssize_t n = recvmsg(trainer, &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return DOOR_WAIT;
    const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL)
        memcpy(&connection, CMSG_DATA(header), sizeof connection);
    return connection;
}
