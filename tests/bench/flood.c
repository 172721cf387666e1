/* An ablate-worker that trains nothing and says a lot: `make bench-server` starts the daemon with
 * --worker on it. It holds the attempt's lock, appends every event to the attempt's file and sends
 * it, as the trainer does; the values are made once, so that what is measured is the daemon.
 *
 * The environment says how much: FLOOD="SERIES ROWS EVERY_MS SECONDS": events of ROWS steps ×
 * SERIES metrics, one every EVERY_MS (0: as fast as the daemon takes them), for SECONDS. The last
 * series is bench/sent, the monotonic clock when the event was sent. FLOOD_DIR gets RUN.json:
 * points, the seconds from the first event to the last acknowledgement, and the time from sending
 * to acknowledgement.
 */
#include "common/wire/launch.h"
#include "common/wire/wire.h"
#include "tests/bench/samples.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { VARIANTS = 512, SERIES_MAX = 64, WINDOW = 4096, HEARTBEAT_S = 5 };

struct flood {
    struct launch launch;
    long series, rows, every_ms, seconds;
    int fd, file;
    struct buf values[VARIANTS]; /* a row's values but the last */
    uint64_t seq, acked;
    double sent_s[WINDOW], first_s, last_ack_s, last_sent_s;
    int64_t step;
    struct samples acks;
    char in[65536];
    size_t in_n;
    int stopped;
};

static void fail(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void connect_to(struct flood *f)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%.107s", f->launch.socket);
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connecting");
}

/* What the daemon has said; waits for it at most timeout_ms. */
static void listen_for(struct flood *f, int timeout_ms)
{
    struct pollfd ready = { .fd = f->fd, .events = POLLIN };
    if (poll(&ready, 1, timeout_ms) <= 0)
        return;
    ssize_t n = recv(f->fd, f->in + f->in_n, sizeof f->in - f->in_n, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        fail("the daemon has hung up");
    f->in_n += n > 0 ? (size_t)n : 0;
    double now = now_s();
    for (char *end; (end = memchr(f->in, '\n', f->in_n)) != NULL;) {
        unsigned long long seq;
        if (sscanf(f->in, "{\"type\":\"ack\",\"seq\":%llu", &seq) == 1) {
            for (; f->acked < seq; f->acked++)
                samples_add(&f->acks, now - f->sent_s[(f->acked + 1) % WINDOW]);
            f->last_ack_s = now;
        }
        f->stopped |= strncmp(f->in, "{\"type\":\"stop\"", 14) == 0;
        size_t len = (size_t)(end - f->in) + 1;
        memmove(f->in, end + 1, f->in_n - len);
        f->in_n -= len;
    }
}

static void send_all(struct flood *f, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(f->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = { .fd = f->fd, .events = POLLOUT | POLLIN };
            poll(&ready, 1, 1000);
            if (ready.revents & POLLIN)
                listen_for(f, 0);
        } else {
            fail("sending");
        }
    }
    f->last_sent_s = now_s();
}

/* To the file first, as the trainer. */
static void tell(struct flood *f, const struct buf *line)
{
    if (line->failed || write(f->file, line->data, line->len) != (ssize_t)line->len)
        fail("writing the events file");
    f->sent_s[f->seq % WINDOW] = now_s();
    send_all(f, line->data, line->len);
    while (f->seq - f->acked >= WINDOW - 1)
        listen_for(f, 1000);
}

static void make_values(struct flood *f)
{
    for (int v = 0; v < VARIANTS; v++) {
        buf_init(&f->values[v], 0);
        for (long c = 1; c < f->series; c++)
            buf_addf(&f->values[v], ",%.17g", 3 + (double)c + 1.0 / (1 + v * 7919 % 1013));
    }
}

static void metrics_event(struct flood *f, struct buf *line)
{
    double now = now_s();
    buf_addf(line, "{\"type\":\"metrics\",\"seq\":%llu,\"names\":[", (unsigned long long)++f->seq);
    for (long c = 1; c < f->series; c++)
        buf_addf(line, "\"bench/%ld\",", c);
    buf_adds(line, "\"bench/sent\"],\"rows\":[");
    for (long r = 0; r < f->rows; r++) {
        const struct buf *values = &f->values[f->step % VARIANTS];
        buf_addf(line, "%s[%lld", r == 0 ? "" : ",", (long long)++f->step);
        buf_add(line, values->data, values->len);
        buf_addf(line, ",%.9f]", now);
    }
    buf_adds(line, "]}\n");
}

static void flood(struct flood *f)
{
    struct buf line;
    buf_init(&line, 0);
    double begin = now_s(), due = begin;
    f->first_s = begin;
    while (!f->stopped && now_s() - begin < (double)f->seconds) {
        line.len = 0;
        metrics_event(f, &line);
        tell(f, &line);
        due += 1e-3 * (double)f->every_ms;
        do {
            double left = f->every_ms > 0 ? due - now_s() : 0;
            listen_for(f, left > 0 ? (int)(1e3 * left) : 0);
        } while (f->every_ms > 0 && due - now_s() >= 1e-3);
    }
    line.len = 0;
    json_t *body = f->stopped ? json_pack("{s:s, s:s}", "reason", "stopped", "detail", "told to")
                              : json_pack("{s:I, s:[]}", "step", (json_int_t)f->step, "artifacts");
    wire_encode_event(f->stopped ? WIRE_FAILED : WIRE_FINISHED, ++f->seq, body, &line);
    tell(f, &line);
    for (double end = now_s() + 60; f->acked < f->seq && now_s() < end;)
        listen_for(f, 1000);
    buf_done(&line);
}

static void report(struct flood *f)
{
    char path[PATH_MAX];
    const char *dir = getenv("FLOOD_DIR");
    snprintf(path, sizeof path, "%s/%lld.json", dir != NULL ? dir : ".", (long long)f->launch.run);
    FILE *to = fopen(path, "w");
    if (to == NULL)
        fail(path);
    fprintf(to, "{\"points\":%lld,\"seconds\":%.3f,\"unacked\":%llu,",
            (long long)f->step * f->series, f->last_ack_s - f->first_s,
            (unsigned long long)(f->seq - f->acked));
    samples_print(&f->acks, to);
    fprintf(to, "}\n");
    fclose(to);
}

static void begin_attempt(struct flood *f, const char *dir)
{
    char path[PATH_MAX];
    struct err err = { 0 };
    struct buf line;
    if (launch_read(dir, &f->launch, &err) != 0) {
        fprintf(stderr, "flood: %s\n", err.message);
        exit(1);
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* held until the end */
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0)
        fail(path);
    snprintf(path, sizeof path, "%s/events.ndjson", dir);
    f->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (f->file < 0)
        fail(path);
    connect_to(f);
    struct wire_hello hello = { .run = f->launch.run,
                                .attempt = f->launch.attempt,
                                .pid = getpid() };
    snprintf(hello.token, sizeof hello.token, "%s", f->launch.token);
    buf_init(&line, 0);
    wire_encode_hello(&hello, &line);
    send_all(f, line.data, line.len);
    line.len = 0;
    json_t *body = json_pack("{s:i, s:{s:s}}", "step", 0, "environment", "cpu", "none");
    wire_encode_event(WIRE_STARTED, ++f->seq, body, &line);
    tell(f, &line);
    buf_done(&line);
}

int main(int argc, char **argv)
{
    static struct flood f;
    const char *how = getenv("FLOOD");
    if (argc != 4 || strcmp(argv[1], "run") != 0 || how == NULL ||
        sscanf(how, "%ld %ld %ld %ld", &f.series, &f.rows, &f.every_ms, &f.seconds) != 4 ||
        f.series < 1 || f.series > SERIES_MAX || f.rows < 1) {
        fprintf(stderr, "flood: it is started by the daemon, see tests/bench/server.py\n");
        return 64;
    }
    begin_attempt(&f, argv[3]);
    make_values(&f);
    flood(&f);
    report(&f);
    return 0;
}
