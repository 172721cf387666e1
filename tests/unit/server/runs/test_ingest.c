/* The workers' socket and file: who is let in, what is acked when, and what fills a gap. */
#include "common/base/digest.h"
#include "common/base/files.h"
#include "common/wire/wire.h"
#include "server/runs/ingest.h"
#include "server/runs/ingest_file.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_attempts.h"
#include "tests/unit/server/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct rig {
    struct fixture *f;
    struct ingest *ingest;
    char dir[PATH_MAX];
};

static int fill_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    struct claim claim;
    char digest[DIGEST_HEX];
    fixture_experiment(store, 2, 0, 1, false);
    int status = store_run_claim(store, 1, "key", &claim, err);
    if (status != 0)
        return status;
    claim_done(&claim);
    digest_of_hex(TOKEN, strlen(TOKEN), digest); /* as an earlier version began it */
    return store_attempt_token(store, 1, 1, digest, err);
}

static struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct err err;
    rig->f = fixture_new();
    assert_int_equal(fixture_write(rig->f, fill_run, NULL, NULL), 0);
    datadir_path(&rig->f->datadir, rig->dir, "runs/1/attempts/1");
    assert_ok(files_make_folder(rig->dir, &err), err);
    assert_ok(ingest_new(&rig->f->loop, &rig->f->datadir, rig->f->work, &rig->ingest, &err), err);
    return rig;
}

static void rig_free(struct rig *rig)
{
    bool closed = false;
    ingest_close(rig->ingest, fixture_flag, &closed);
    fixture_wait(rig->f, &closed);
    fixture_free(rig->f);
    free(rig);
}

static int dial(struct rig *rig)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/worker.sock", rig->f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The daemon's next line; "" when it hung up. */
static const char *hear(struct rig *rig, int fd)
{
    static char line[4096];
    size_t len = 0;
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        ssize_t n = recv(fd, line + len, 1, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return "";
        if (n > 0 && line[len++] == '\n') {
            line[len - 1] = '\0';
            return line;
        }
        if (n < 0) {
            assert_true(clock_mono_ms() < end);
            uv_run(&rig->f->loop, UV_RUN_NOWAIT);
            usleep(200);
        }
    }
}

/* That nothing is said for a while. */
static void hear_nothing(struct rig *rig, int fd)
{
    char byte;
    for (int i = 0; i < 100; i++) {
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        usleep(200);
    }
}

static const char *hello(int64_t run, int64_t attempt, const char *token)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"type\":\"hello\",\"protocol\":1,\"run\":%d,\"attempt\":%d,\"token\":\"%s\","
             "\"pid\":1}\n",
             (int)run, (int)attempt, token);
    return text;
}

static int greet(struct rig *rig, const char *welcome)
{
    int fd = dial(rig);
    say(fd, hello(1, 1, TOKEN));
    assert_string_equal(hear(rig, fd), welcome);
    return fd;
}

static const char *metric(int seq)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"type\":\"metrics\",\"seq\":%d,\"names\":[\"a\"],\"rows\":[[%d,0.5]]}\n", seq, seq);
    return text;
}

static int rows_run(struct store *store, void *arg, struct err *err)
{
    struct metric_series *series = NULL;
    size_t n = 0;
    const struct metric_query query = { .run = 1, .to = -1 };
    int status = store_metrics_get(store, &query, &series, &n, err);
    *(int64_t *)arg = n > 0 ? series[0].raw : 0;
    metric_series_free(series, n);
    return status;
}

static int64_t rows(struct rig *rig)
{
    int64_t n = -1;
    assert_int_equal(fixture_read(rig->f, rows_run, &n, NULL), 0);
    return n;
}

static int state_run(struct store *store, void *arg, struct err *err)
{
    struct run_row row;
    int status = store_run_get(store, 1, &row, err);
    if (status == 0)
        *(enum run_state *)arg = row.state;
    if (status == 0)
        run_row_done(&row);
    return status;
}

static enum run_state state_of(struct rig *rig)
{
    enum run_state state = RUN_STATES;
    assert_int_equal(fixture_read(rig->f, state_run, &state, NULL), 0);
    return state;
}

static void test_who_is_turned_away(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const char *const bad[] = {
        "nonsense\n",
        "{\"type\":\"heartbeat\"}\n",
        "{\"type\":\"hello\",\"protocol\":2,\"run\":1,\"attempt\":1,\"token\":\"" TOKEN
        "\",\"pid\":1}\n",
        "{\"type\":\"hello\",\"protocol\":1,\"run\":1,\"attempt\":1,\"token\":\"\",\"pid\":1}\n",
        "{\"type\":\"hello\",\"protocol\":1,\"run\":1,\"attempt\":2,\"token\":\"" TOKEN
        "\",\"pid\":1}\n",
        "{\"type\":\"hello\",\"protocol\":1,\"run\":2,\"attempt\":1,\"token\":\"" TOKEN
        "\",\"pid\":1}\n",
        "{\"type\":\"hello\",\"protocol\":1,\"run\":1,\"attempt\":1,\"token\":\"" TOKEN
        "0\",\"pid\":1}\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = dial(rig);
        say(fd, bad[i]);
        assert_string_equal(hear(rig, fd), "");
        close(fd);
    }
    rig_free(rig);
}

struct secrets {
    const char *key;
    char token[DIGEST_HEX], other[DIGEST_HEX];
};

static int claim_second(struct store *store, void *arg, struct err *err)
{
    struct secrets *secrets = arg;
    struct claim claim;
    int status = store_run_claim(store, 2, secrets->key, &claim, err);
    if (status != 0)
        return status;
    memcpy(secrets->token, claim.token, sizeof secrets->token);
    claim_done(&claim);
    return store_attempt_secret(store, secrets->key, 1, 1, secrets->other, err);
}

static int end_second(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    struct attempt_row row;
    char digest[DIGEST_HEX];
    digest_of_hex(TOKEN, strlen(TOKEN), digest);
    int status = store_attempt_token(store, 2, 1, digest, err);
    if (status == 0)
        status = store_attempt_end(store, 2, 1, RUN_FAILED, "", "", err);
    if (status == 0)
        status = store_attempt_get(store, 2, 1, &row, err);
    assert_string_equal(row.token, "");
    attempt_row_done(&row);
    return status;
}

/* By what the folder's key makes of it, and by nothing else: not another attempt's, nor none. */
static void test_a_token_that_is_derived(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct secrets secrets = { .key = rig->f->datadir.tokens.key };
    assert_int_equal(strlen(secrets.key), 64);
    assert_int_equal(fixture_write(rig->f, claim_second, &secrets, NULL), 0);
    const char *const wrong[] = { "", secrets.key, secrets.other, TOKEN };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int fd = dial(rig);
        say(fd, hello(2, 1, wrong[i]));
        assert_string_equal(hear(rig, fd), "");
        close(fd);
    }
    int fd = dial(rig);
    say(fd, hello(1, 1, secrets.other)); /* begun with another token */
    assert_string_equal(hear(rig, fd), "");
    close(fd);
    fd = dial(rig);
    say(fd, hello(2, 1, secrets.token));
    assert_non_null(strstr(hear(rig, fd), "\"welcome\""));
    close(fd);
    assert_int_equal(fixture_write(rig->f, end_second, NULL, NULL), 0);
    rig_free(rig);
}

static void test_acks_follow_commits(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    for (int seq = 1; seq <= 3; seq++) {
        char ack[64];
        say(fd, metric(seq));
        snprintf(ack, sizeof ack, "{\"type\":\"ack\",\"seq\":%d}", seq);
        assert_string_equal(hear(rig, fd), ack);
        assert_int_equal(rows(rig), seq); /* a reader sees what was acked */
    }
    say(fd, "{\"type\":\"heartbeat\"}\n");
    hear_nothing(rig, fd);
    /* Lines in pieces, several at once, and one that was sent already. */
    char two[512];
    strcpy(two, metric(2));
    strcat(two, metric(4));
    strcat(two, metric(5));
    for (size_t at = 0, len = strlen(two); at < len; at += 7) {
        send(fd, two + at, len - at < 7 ? len - at : 7, MSG_NOSIGNAL);
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
    }
    const char *line;
    do
        line = hear(rig, fd);
    while (strcmp(line, "{\"type\":\"ack\",\"seq\":5}") != 0 && line[0] != '\0');
    assert_string_equal(line, "{\"type\":\"ack\",\"seq\":5}");
    assert_int_equal(rows(rig), 5);
    close(fd);
    /* It comes back and is told where it was. */
    fd = greet(rig, "{\"type\":\"welcome\",\"acked\":5}");
    say(fd, "{\"type\":\"finished\",\"seq\":6,\"step\":5,\"artifacts\":[]}\n");
    assert_string_equal(hear(rig, fd), "{\"type\":\"ack\",\"seq\":6}");
    assert_int_equal(state_of(rig), RUN_SUCCEEDED);
    say(fd, metric(7)); /* after the end */
    assert_string_equal(hear(rig, fd), "");
    close(fd);
    fd = dial(rig);
    say(fd, hello(1, 1, TOKEN));
    assert_string_equal(hear(rig, fd), "");
    close(fd);
    assert_int_equal(rows(rig), 5);
    rig_free(rig);
}

static void write_events(struct rig *rig, const char *text, size_t len)
{
    char path[PATH_MAX + 16];
    struct err err;
    snprintf(path, sizeof path, "%s/events.ndjson", rig->dir);
    assert_ok(files_write(path, text, len, 0600, &err), err);
}

static void test_a_gap_is_filled_from_the_file(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct buf text;
    buf_init(&text, 0);
    for (int seq = 1; seq <= 9; seq++)
        buf_adds(&text, metric(seq));
    write_events(rig, text.data, text.len - 5); /* the last isn't whole */
    int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    say(fd, metric(1));
    assert_string_equal(hear(rig, fd), "{\"type\":\"ack\",\"seq\":1}");
    say(fd, metric(7));
    assert_string_equal(hear(rig, fd), "{\"type\":\"ack\",\"seq\":8}");
    assert_int_equal(rows(rig), 8);
    say(fd, metric(11)); /* which the file can't fill */
    assert_string_equal(hear(rig, fd), "");
    close(fd);
    assert_int_equal(rows(rig), 8);
    buf_done(&text);
    rig_free(rig);
}

struct reading {
    const char *dir;
    bool more;
};

static int read_file(struct store *store, void *arg, struct err *err)
{
    struct reading *reading = arg;
    return ingest_file(store, reading->dir, 1, 1, &reading->more, err);
}

/* A file may lack its end; what is stored stood in it once. */
static void test_a_file_that_lost_lines(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct reading reading = { .dir = rig->dir };
    struct err err;
    char text[1024], path[PATH_MAX + 16];
    assert_int_equal(fixture_write(rig->f, read_file, &reading, NULL), 0); /* none yet */
    snprintf(text, sizeof text, "%s", metric(1));
    strcat(text, metric(2));
    write_events(rig, text, strlen(text));
    assert_int_equal(fixture_write(rig->f, read_file, &reading, NULL), 0);
    assert_int_equal(rows(rig), 2);
    write_events(rig, text, strlen(text) - 1);
    assert_int_equal(fixture_write(rig->f, read_file, &reading, &err), -ERR_PROTOCOL);
    assert_string_equal(err.message, "it has fewer lines than the 2 that are stored");
    snprintf(path, sizeof path, "%s/events.ndjson", rig->dir);
    unlink(path);
    assert_int_equal(fixture_write(rig->f, read_file, &reading, &err), -ERR_PROTOCOL);
    assert_string_equal(err.message, "the file is gone; 2 lines of it are stored");
    assert_int_equal(rows(rig), 2);
    rig_free(rig);
}

static void test_a_bad_line_keeps_what_stood_before(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[2,0.5,1]]}\n",
        ("{\"type\":\"audit\",\"seq\":2,\"name\":\"x\",\"status\":\"maybe\",\"detail\":\"\","
         "\"evidence\":{}}\n"),
        "{\"type\":\"nosuch\",\"seq\":2}\n",
        ("{\"type\":\"hello\",\"protocol\":1,\"run\":1,\"attempt\":1,\"token\":\"" TOKEN
         "\",\"pid\":1}\n"),
        "{\"type\":\"welcome\",\"acked\":0}\n",
        "\xff\n",
        "\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rig *rig = rig_new();
        char text[1024];
        int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
        snprintf(text, sizeof text, "%s%s%s", metric(1), bad[i], "");
        strcat(text, metric(2));
        say(fd, text);
        assert_string_equal(hear(rig, fd), "");
        close(fd);
        assert_int_equal(rows(rig), 1);
        fd = greet(rig, "{\"type\":\"welcome\",\"acked\":1}");
        close(fd);
        rig_free(rig);
    }
}

static void test_an_endless_line(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    char *much = malloc(65536);
    memset(much, 'x', 65536);
    for (int i = 0; i < 40; i++) {
        send(fd, much, 65536, MSG_NOSIGNAL);
        for (int j = 0; j < 4; j++)
            uv_run(&rig->f->loop, UV_RUN_NOWAIT);
    }
    free(much);
    assert_string_equal(hear(rig, fd), "");
    close(fd);
    rig_free(rig);
}

static bool is_open(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
}

/* However many connect and say nothing, few of them are kept, and who speaks is heard. */
static void test_silent_connections(void **state)
{
    (void)state;
    enum { SILENT = 120, KEPT = 64 };
    struct rig *rig = rig_new();
    int silent[SILENT];
    for (int i = 0; i < SILENT; i++) {
        silent[i] = dial(rig);
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
    }
    int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    for (int i = 0; i <= SILENT - KEPT; i++)
        assert_string_equal(hear(rig, silent[i]), "");
    say(fd, metric(1));
    assert_string_equal(hear(rig, fd), "{\"type\":\"ack\",\"seq\":1}");
    int open = 0;
    for (int i = 0; i < SILENT; i++) {
        open += is_open(silent[i]);
        close(silent[i]);
    }
    assert_int_equal(open, KEPT - 1); /* the one that spoke came as one of them */
    close(fd);
    rig_free(rig);
}

/* An attempt that comes again has given its connection up. */
static void test_one_connection_an_attempt(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    int first = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    say(first, metric(1));
    assert_string_equal(hear(rig, first), "{\"type\":\"ack\",\"seq\":1}");
    int second = greet(rig, "{\"type\":\"welcome\",\"acked\":1}");
    assert_string_equal(hear(rig, first), "");
    say(second, metric(2));
    assert_string_equal(hear(rig, second), "{\"type\":\"ack\",\"seq\":2}");
    close(first);
    close(second);
    rig_free(rig);
}

static void test_stop_reaches_the_trainer(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    assert_false(ingest_stop(rig->ingest, 1, "cancelled"));
    int fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    assert_false(ingest_stop(rig->ingest, 2, "cancelled"));
    assert_true(ingest_stop(rig->ingest, 1, "can\"celled"));
    assert_string_equal(hear(rig, fd), "{\"type\":\"stop\",\"reason\":\"can\\\"celled\"}");
    say(fd, "{\"type\":\"failed\",\"seq\":1,\"reason\":\"stopped\",\"detail\":\"x\"}\n");
    assert_string_equal(hear(rig, fd), "{\"type\":\"ack\",\"seq\":1}");
    assert_int_equal(state_of(rig), RUN_QUEUED); /* nobody asked the store to cancel it */
    close(fd);
    rig_free(rig);
}

static void test_a_second_daemon_finds_a_stale_socket(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    bool closed = false;
    char path[PATH_MAX];
    ingest_close(rig->ingest, fixture_flag, &closed);
    fixture_wait(rig->f, &closed);
    datadir_path(&rig->f->datadir, path, "worker.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* left behind */
    struct err err;
    struct stat info;
    assert_ok(ingest_new(&rig->f->loop, &rig->f->datadir, rig->f->work, &rig->ingest, &err), err);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    fd = greet(rig, "{\"type\":\"welcome\",\"acked\":0}");
    close(fd);
    rig_free(rig);
}

struct part {
    const char *dir;
    bool more;
};

static int part_run(struct store *store, void *arg, struct err *err)
{
    struct part *part = arg;
    return ingest_file(store, part->dir, 1, 1, &part->more, err);
}

static void test_a_long_file_in_parts(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    struct part part = { .dir = rig->dir };
    struct buf text;
    struct err err;
    assert_ok(fixture_write(rig->f, part_run, &part, &err), err); /* no file: nothing to do */
    assert_false(part.more);
    buf_init(&text, 0);
    for (int seq = 1; seq <= 40; seq++) {
        buf_addf(&text, "{\"type\":\"metrics\",\"seq\":%d,\"names\":[\"a\"],\"rows\":[", seq);
        for (int i = 0; i < 10000; i++)
            buf_addf(&text, "%s[%d,0.5]", i == 0 ? "" : ",", seq * 10000 + i);
        buf_adds(&text, "]}\n");
    }
    write_events(rig, text.data, text.len);
    int parts = 0;
    do {
        assert_ok(fixture_write(rig->f, part_run, &part, &err), err);
        parts++;
    } while (part.more);
    assert_true(parts >= (int)(text.len >> 21));
    assert_int_equal(rows(rig), 400000);
    /* Damage has its line's number, and what stands before it counts. */
    for (int seq = 41; seq <= 42; seq++)
        buf_addf(&text, "{\"type\":\"metrics\",\"seq\":%d,\"names\":[\"a\"],\"rows\":[[%d,0.5]]}\n",
                 seq, seq * 10000);
    buf_adds(&text, "{\"type\":\"metr\n");
    write_events(rig, text.data, text.len);
    assert_int_equal(fixture_write(rig->f, part_run, &part, &err), -ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "line 43: "));
    buf_done(&text);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_turned_away),
        cmocka_unit_test(test_a_token_that_is_derived),
        cmocka_unit_test(test_acks_follow_commits),
        cmocka_unit_test(test_a_gap_is_filled_from_the_file),
        cmocka_unit_test(test_a_file_that_lost_lines),
        cmocka_unit_test(test_a_bad_line_keeps_what_stood_before),
        cmocka_unit_test(test_an_endless_line),
        cmocka_unit_test(test_silent_connections),
        cmocka_unit_test(test_one_connection_an_attempt),
        cmocka_unit_test(test_stop_reaches_the_trainer),
        cmocka_unit_test(test_a_second_daemon_finds_a_stale_socket),
        cmocka_unit_test(test_a_long_file_in_parts),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
