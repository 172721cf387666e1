/* Load for `make bench-server`, on loopback. Each prints one JSON object.
 *
 *   load storm PORT TOKEN CONNECTIONS SECONDS RATE METHOD PATHS [BODY]
 *       requests over so many kept connections, PATHS (commas between) in turns; RATE > 0: so many
 * a second in all, and a request's time counts from when it was due. SIGTERM ends it earlier
 *   load each PORT TOKEN CONNECTIONS N METHOD PATH [BODY]
 *       N requests, one a number from 1 on in the place of PATH's {n}
 *   load idle PORT CONNECTIONS
 *       opens them, says nothing, prints, and holds them until standard input ends
 *   load readers PORT TOKEN READERS STALLED SECONDS PATH
 *       follows the events; the first STALLED never read. Times are from bench/sent (flood.c) on
 */
#include "tests/bench/samples.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATHS_MAX = 16, IN_BYTES = 1 << 20, EVENTS = 512, STALLED_BYTES = 4096, PATIENCE_S = 300 };

struct conn {
    int fd;
    double due_s; /* of the request under way, or of the next one */
    bool waiting; /* for its reply */
    bool stalled; /* it never reads */
    char *in;
    size_t in_n, in_room;
};

struct load {
    struct sockaddr_in to;
    int epoll;
    const char *token, *method, *body;
    char *paths[PATHS_MAX];
    size_t paths_n, turn;
    size_t most; /* requests; 0 = as many as there is time for */
    struct conn *conns;
    size_t conns_n;
    double seconds, rate;
    struct samples samples;
    size_t failed, lost;
};

static volatile sig_atomic_t enough;

static void on_enough(int signal)
{
    (void)signal;
    enough = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void open_conn(struct load *l, struct conn *c)
{
    const int on = 1, small = STALLED_BYTES;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    if (c->stalled)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&l->to, sizeof l->to) != 0)
        fail("connect");
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    if (!c->stalled && epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("epoll_ctl");
}

static void open_all(struct load *l, size_t stalled)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->conns = calloc(l->conns_n, sizeof *l->conns);
    for (size_t i = 0; i < l->conns_n; i++) {
        l->conns[i].stalled = i < stalled;
        open_conn(l, &l->conns[i]);
    }
}

/* The next path, its {n} filled in. */
static void next_path(struct load *l, char *ret, size_t size)
{
    const char *path = l->paths[l->turn++ % l->paths_n], *n = strstr(path, "{n}");
    if (n == NULL)
        snprintf(ret, size, "%s", path);
    else
        snprintf(ret, size, "%.*s%zu%s", (int)(n - path), path, l->turn, n + 3);
}

static void ask(struct load *l, struct conn *c)
{
    char head[2048], path[1024];
    next_path(l, path, sizeof path);
    size_t body = l->body != NULL ? strlen(l->body) : 0;
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     l->method, path, ntohs(l->to.sin_port), l->token, body);
    c->in_n = 0;
    c->waiting = true;
    if (send(c->fd, head, (size_t)n, MSG_NOSIGNAL | (body > 0 ? MSG_MORE : 0)) != n ||
        (body > 0 && send(c->fd, l->body, body, MSG_NOSIGNAL) != (ssize_t)body))
        fail("sending");
}

/* More of what the peer says; false when it has hung up. */
static bool take(struct conn *c)
{
    if (c->in_room - c->in_n < 65536) {
        c->in_room = c->in_room == 0 ? 131072 : 2 * c->in_room;
        if (c->in_room > 64 * (size_t)IN_BYTES || (c->in = realloc(c->in, c->in_room)) == NULL)
            fail("a reply that is too long");
    }
    ssize_t n = recv(c->fd, c->in + c->in_n, c->in_room - c->in_n - 1, 0);
    if (n <= 0)
        return false;
    c->in_n += (size_t)n;
    c->in[c->in_n] = '\0';
    return true;
}

/* Where the body begins, once the header is whole. */
static char *body_of(const struct conn *c)
{
    char *end = c->in_n > 0 ? strstr(c->in, "\r\n\r\n") : NULL;
    return end != NULL ? end + 4 : NULL;
}

static bool whole(const struct conn *c)
{
    const char *body = body_of(c),
               *length = body != NULL ? strcasestr(c->in, "content-length:") : NULL;
    if (body != NULL && strncmp(c->in, "HTTP/1.1 204", 12) == 0)
        return true;
    return length != NULL && length < body &&
           c->in_n - (size_t)(body - c->in) >= strtoul(length + 15, NULL, 10);
}

static void reopen(struct load *l, struct conn *c)
{
    close(c->fd);
    c->in_n = 0;
    c->waiting = false;
    open_conn(l, c);
}

static void storm(struct load *l)
{
    struct epoll_event events[EVENTS];
    open_all(l, 0);
    double begin = now_s(), end = begin + l->seconds, done_s = begin;
    size_t waiting = 0, asked = 0;
    for (;;) {
        double now = now_s();
        if (enough || (l->most > 0 && asked == l->most))
            end = now < end ? now : end;
        for (size_t i = 0; i < l->conns_n && now < end; i++) {
            struct conn *c = &l->conns[i];
            if (l->most > 0 && asked == l->most)
                break;
            if (c->waiting || (l->rate > 0 && begin + (double)asked / l->rate > now))
                continue;
            c->due_s = l->rate > 0 ? begin + (double)asked / l->rate : now;
            asked++;
            ask(l, c);
            waiting++;
        }
        if ((now >= end && waiting == 0) || now > end + 30)
            break;
        int n = epoll_wait(l->epoll, events, EVENTS, l->rate > 0 ? 1 : 100);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!take(c)) {
                l->lost += c->waiting;
                waiting -= c->waiting;
                reopen(l, c);
            } else if (c->waiting && whole(c)) {
                done_s = now_s();
                samples_add(&l->samples, done_s - c->due_s);
                l->failed += strncmp(c->in, "HTTP/1.1 2", 10) != 0;
                if (l->failed == 1 && strncmp(c->in, "HTTP/1.1 2", 10) != 0)
                    fprintf(stderr, "load: %.400s\n", c->in);
                c->waiting = false;
                waiting--;
            }
        }
    }
    printf("{\"seconds\":%.3f,\"failed\":%zu,\"lost\":%zu,", done_s - begin, l->failed,
           l->lost + waiting);
    samples_print(&l->samples, stdout);
    printf("}\n");
}

static void idle(struct load *l)
{
    char byte;
    double begin = now_s();
    open_all(l, 0);
    printf("{\"connected\":%zu,\"seconds\":%.3f}\n", l->conns_n, now_s() - begin);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* Whole messages end with an empty line; a reader keeps what is left. The chunks' framing stands
 * between messages, as the daemon writes a chunk a message or several whole ones; one that it cut
 * is passed over. */
static void heard(struct load *l, struct conn *c)
{
    static const char key[] = "\"bench/sent\":[";
    char *from = c->in, *end;
    double now = now_s();
    while ((end = memmem(from, c->in_n - (size_t)(from - c->in), "\n\n", 2)) != NULL) {
        for (char *at = from; (at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL;) {
            char *comma = memchr(at + sizeof key - 1, ',', (size_t)(end - at) - sizeof key + 1);
            double sent = comma != NULL ? strtod(comma + 1, NULL) : 0;
            if (sent > 0 && sent <= now && now - sent < 3600)
                samples_add(&l->samples, now - sent);
            at += sizeof key - 1;
        }
        from = end + 2;
    }
    c->in_n -= (size_t)(from - c->in);
    memmove(c->in, from, c->in_n);
}

static void readers(struct load *l, size_t stalled)
{
    struct epoll_event events[EVENTS];
    open_all(l, stalled);
    for (size_t i = 0; i < l->conns_n; i++)
        ask(l, &l->conns[i]);
    printf("{\"open\":%zu}\n", l->conns_n);
    fflush(stdout);
    for (double end = now_s() + l->seconds; now_s() < end && !enough;) {
        int n = epoll_wait(l->epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (take(c)) {
                l->failed +=
                    strncmp(c->in, "HTTP/1.1 ", 9) == 0 && strncmp(c->in + 9, "200", 3) != 0;
                heard(l, c);
            } else {
                l->lost++;
                epoll_ctl(l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
            }
        }
    }
    printf("{\"failed\":%zu,\"lost\":%zu,", l->failed, l->lost);
    samples_print(&l->samples, stdout);
    printf("}\n");
}

static size_t number(const char *text)
{
    return (size_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    static struct load l;
    const char *what = argc > 1 ? argv[1] : "";
    l.to = (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((uint16_t)(argc > 2 ? number(argv[2]) : 0)) };
    l.method = "GET";
    signal(SIGTERM, on_enough);
    if (strcmp(what, "storm") == 0 && argc >= 9) {
        l.token = argv[3];
        l.conns_n = number(argv[4]);
        l.seconds = strtod(argv[5], NULL);
        l.rate = strtod(argv[6], NULL);
        l.method = argv[7];
        for (char *at = strtok(argv[8], ","); at != NULL && l.paths_n < PATHS_MAX;
             at = strtok(NULL, ","))
            l.paths[l.paths_n++] = at;
        l.body = argc > 9 ? argv[9] : NULL;
        storm(&l);
    } else if (strcmp(what, "each") == 0 && argc >= 8) {
        l.token = argv[3];
        l.conns_n = number(argv[4]);
        l.most = number(argv[5]);
        l.seconds = PATIENCE_S;
        l.method = argv[6];
        l.paths[l.paths_n++] = argv[7];
        l.body = argc > 8 ? argv[8] : NULL;
        storm(&l);
    } else if (strcmp(what, "idle") == 0 && argc == 4) {
        l.conns_n = number(argv[3]);
        idle(&l);
    } else if (strcmp(what, "readers") == 0 && argc == 8) {
        l.token = argv[3];
        l.conns_n = number(argv[4]);
        l.seconds = strtod(argv[6], NULL);
        l.paths[l.paths_n++] = argv[7];
        readers(&l, number(argv[5]));
    } else {
        fprintf(stderr,
                "load: storm | each | idle | readers; see the head of tests/bench/load.c\n");
        return 64;
    }
    return 0;
}
