/* The supervisor against a keeper that is a shell script: it holds the attempt's lock, writes what
 * a worker would leave behind, and ends as the test wants. */
#include "common/base/files.h"
#include "server/runs/attempt.h"
#include "server/runs/ingest.h"
#include "server/runs/supervisor.h"
#include "tests/unit/server/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* $1 run, $2 --dir, $3 the attempt's folder */
#define LOCK "exec 9>\"$3/lock\"; flock -n 9 || exit 69\n"
#define STARTED                                                                                    \
    "echo '{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{}}' >> $3/events.ndjson\n"
#define FINISHED                                                                                   \
    "echo '{\"type\":\"finished\",\"seq\":2,\"step\":100,\"artifacts\":[]}' >> $3/events.ndjson\n"
#define EXIT(exited, status, oom)                                                                  \
    "echo '{\"exited\":" #exited ",\"status\":" #status ",\"oom\":" #oom                           \
    ",\"seconds\":1,\"max_rss_bytes\":1048576}' > $3/exit.json\n"

struct rig {
    struct fixture *f;
    struct supervisor *supervisor;
    char worker[PATH_MAX];
    int64_t experiment;
};

static void write_worker(struct rig *rig, const char *body)
{
    char text[4096];
    struct err err;
    int len = snprintf(text, sizeof text, "#!/bin/sh\n%s", body);
    datadir_path(&rig->f->datadir, rig->worker, "worker.sh");
    assert_ok(files_write(rig->worker, text, (size_t)len, 0700, &err), err);
}

static void start(struct rig *rig, int64_t slots)
{
    struct err err;
    const struct supervisor_config config = { .datadir = &rig->f->datadir,
                                              .worker_path = rig->worker,
                                              .slots = slots,
                                              .memory_bytes = 1 << 30 };
    assert_ok(supervisor_new(&rig->f->loop, &config, rig->f->work, &rig->supervisor, &err), err);
}

static struct rig *rig_new(const char *body)
{
    struct rig *rig = calloc(1, sizeof *rig);
    rig->f = fixture_new();
    write_worker(rig, body);
    return rig;
}

static void stop(struct rig *rig, bool stop_workers)
{
    bool closed = false;
    supervisor_close(rig->supervisor, stop_workers, fixture_flag, &closed);
    fixture_wait(rig->f, &closed);
    supervisor_kick(rig->supervisor); /* a request that ends late */
    supervisor_stop_run(rig->supervisor, 1);
    supervisor_free(rig->supervisor);
}

static void rig_free(struct rig *rig)
{
    stop(rig, false);
    fixture_free(rig->f);
    free(rig);
}

struct order {
    size_t n;
    int64_t max_attempts, ret_id;
    bool exclusive;
};

static int submit_run(struct store *store, void *arg, struct err *err)
{
    (void)err;
    struct order *order = arg;
    order->ret_id = fixture_experiment(store, order->n, 0, order->max_attempts, order->exclusive);
    return 0;
}

static void submit(struct rig *rig, size_t n, int64_t max_attempts, bool exclusive)
{
    struct order order = { .n = n, .max_attempts = max_attempts, .exclusive = exclusive };
    assert_int_equal(fixture_write(rig->f, submit_run, &order, NULL), 0);
    rig->experiment = order.ret_id;
    if (rig->supervisor != NULL)
        supervisor_kick(rig->supervisor);
}

struct look {
    int64_t id;
    struct run_row run;
    struct attempt_row attempt;
};

static int look_run(struct store *store, void *arg, struct err *err)
{
    struct look *look = arg;
    int status = store_run_get(store, look->id, &look->run, err);
    if (status == 0 && look->run.attempt > 0)
        status = store_attempt_get(store, look->id, look->run.attempt, &look->attempt, err);
    return status;
}

static void look_done(struct look *look)
{
    run_row_done(&look->run);
    free(look->attempt.environment);
}

static struct look look_at(struct rig *rig, int64_t id)
{
    struct look look = { .id = id };
    assert_int_equal(fixture_read(rig->f, look_run, &look, NULL), 0);
    return look;
}

/* Waits for a state (and an attempt of at least that number), and looks. */
static struct look wait_for(struct rig *rig, int64_t id, enum run_state state, int64_t attempt)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS + 60000;
    for (;;) {
        struct look look = look_at(rig, id);
        if (look.run.state == state && look.run.attempt >= attempt)
            return look;
        if (clock_mono_ms() > end)
            fail_msg("run %d is %s in attempt %d: %s", (int)id, run_state_names[look.run.state],
                     (int)look.run.attempt, look.run.reason);
        look_done(&look);
        usleep(2000);
    }
}

static void file_path(struct rig *rig, int64_t run, int64_t attempt, const char *name,
                      char ret[PATH_MAX])
{
    datadir_path(&rig->f->datadir, ret, "runs/%d/attempts/%d/%s", (int)run, (int)attempt, name);
}

static void wait_for_file(struct rig *rig, const char *path)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    while (access(path, F_OK) != 0) {
        assert_true(clock_mono_ms() < end);
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void test_a_run_succeeds(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK STARTED FINISHED EXIT(1, 0, 0));
    struct launch launch;
    struct err err;
    char dir[PATH_MAX], path[PATH_MAX], *text;
    size_t len;
    start(rig, 2);
    submit(rig, 1, 3, false);
    struct look look = wait_for(rig, 1, RUN_SUCCEEDED, 1);
    assert_string_equal(look.run.reason, "");
    assert_string_equal(look.attempt.outcome, "finished");
    assert_int_equal(look.attempt.acked_seq, 2);
    assert_int_equal(look.run.step, 100);
    assert_true(look.run.ended_at >= look.run.started_at && look.run.started_at > 0);
    look_done(&look);

    attempt_path(&rig->f->datadir, 1, 1, dir);
    assert_ok(launch_read(dir, &launch, &err), err);
    assert_int_equal(launch.threads, 3); /* the spec's own */
    assert_int_equal(launch.memory_bytes, 100 << 20);
    assert_int_equal(strlen(launch.token), 64);
    assert_string_equal(launch.dataset, "");
    datadir_path(&rig->f->datadir, path, "worker.sock");
    assert_string_equal(launch.socket, path);
    datadir_path(&rig->f->datadir, path, "runs/1/spec.json");
    assert_string_equal(launch.spec, path);
    assert_ok(files_read(path, 1000, &text, &len, &err), err);
    assert_string_equal(text, "{\"train\":{\"threads\":3}}");
    free(text);
    rig_free(rig);
}

/* A worker whose first attempt's trainer dies of a signal, and whose second finishes. */
#define DIES_ONCE(signal)                                                                          \
    LOCK STARTED                                                                                   \
        "case $3 in */1)\n" EXIT(0, signal, 0) ";;\n*)\n" FINISHED EXIT(1, 0, 0) ";; esac\n"

static void assert_second_attempt_succeeds(const char *worker, int64_t max_attempts)
{
    struct rig *rig = rig_new(worker);
    start(rig, 1);
    submit(rig, 1, max_attempts, false);
    struct look look = wait_for(rig, 1, RUN_SUCCEEDED, 2);
    assert_int_equal(look.run.attempt, 2);
    look_done(&look);
    rig_free(rig);
}

static void test_a_crash_is_told_and_tried_again(void **state)
{
    (void)state;
    assert_second_attempt_succeeds(DIES_ONCE(11), 3);
}

/* A machine that is switched off tells everybody to end, also a trainer that has just begun. */
static void test_a_trainer_told_to_end_forgives(void **state)
{
    (void)state;
    assert_second_attempt_succeeds(DIES_ONCE(15), 1);
}

static const struct {
    const char *ending, *outcome, *reason;
} endings[] = {
    { EXIT(0, 9, 0), "signal SIGKILL", "killed by SIGKILL (Killed), in the last of 2 attempts" },
    { EXIT(0, 9, 1), "out of memory",
      "out of memory: the trainer held 1 MiB at its peak, in the last of 2 attempts" },
    { "echo 'ts=2026-01-31T09:05:00.250Z level=error msg=\"can'\"'\"'t open \\\"x\\\"\"' "
      ">&2\n" EXIT(1, 70, 0),
      "exit 70", "exit status 70: can't open \"x\", in the last of 2 attempts" },
    { "printf 'half a \\377 line\\n\\n' >&2\n" EXIT(1, 3, 0), "exit 3",
      "exit status 3: half a ? line, in the last of 2 attempts" },
    { "echo '{\"exited\":0,\"status\":9,\"oom\":0,\"seconds\":1,\"max_rss_bytes\":1,\"ended\":"
      "\"it wrote\"}' > $3/exit.json\n",
      "ended by its keeper", "ended by its keeper: it wrote, in the last of 2 attempts" },
    { "kill -9 $$\n", "lost", "the worker was killed by SIGKILL, in the last of 2 attempts" },
    { "true\n", "lost", "the worker vanished without a word, in the last of 2 attempts" },
    { "echo nonsense >> $3/events.ndjson\n" EXIT(1, 1, 0), "exit 1",
      "exit status 1; its events can't be read to their end: line 2: line 1, column 3: invalid "
      "token near 'nonsense', in the last of 2 attempts" },
    { "echo 'ts=2026-01-31T09:05:00.250Z level=error msg=\"64 MiB were refused\"' >&2\n" EXIT(1, 71,
                                                                                              1),
      "out of memory",
      "out of memory: the trainer held 1 MiB at its peak: 64 MiB were refused, in the last of 2 "
      "attempts" },
    { "echo 'ts=2026-01-31T09:05:00.250Z level=info msg=\"all is well\"' >&2\n", "lost",
      "the worker vanished without a word, in the last of 2 attempts" },
    { "echo 'ts=2026-01-31T09:05:00.250Z level=error msg=\"a level=info of its own\"' >&2\n" EXIT(
          1, 70, 0),
      "exit 70", "exit status 70: a level=info of its own, in the last of 2 attempts" },
};

static void test_every_ending_has_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char body[2048];
        snprintf(body, sizeof body, "%s%s", LOCK STARTED, endings[i].ending);
        struct rig *rig = rig_new(body);
        start(rig, 1);
        submit(rig, 1, 2, false);
        struct look look = wait_for(rig, 1, RUN_FAILED, 2);
        assert_string_equal(look.attempt.outcome, endings[i].outcome);
        if (i != 7)
            assert_string_equal(look.run.reason, endings[i].reason);
        else
            assert_non_null(
                strstr(look.run.reason, "its events can't be read to their end: line 2"));
        look_done(&look);
        rig_free(rig);
    }
}

/* Runs to their ends; each counts, when it begins, how many are inside: "1\n2\n…". Owned. */
static char *count_inside(int64_t slots, size_t runs, bool exclusive)
{
    struct rig *rig = rig_new(LOCK "cd $3/../../../..; mkdir in.$$; ls -d in.* | wc -l >> most\n"
                                   "sleep 0.05; rmdir in.$$\n" STARTED FINISHED EXIT(1, 0, 0));
    char path[PATH_MAX], *text;
    size_t len;
    struct err err;
    start(rig, slots);
    submit(rig, runs, 1, exclusive);
    for (size_t run = 1; run <= runs; run++) {
        struct look look = wait_for(rig, (int64_t)run, RUN_SUCCEEDED, 1);
        look_done(&look);
    }
    datadir_path(&rig->f->datadir, path, "most");
    assert_ok(files_read(path, 1000, &text, &len, &err), err);
    rig_free(rig);
    return text;
}

static void test_slots_are_kept(void **state)
{
    (void)state;
    char *inside = count_inside(2, 7, false);
    assert_int_equal(strlen(inside), 14);
    for (size_t i = 0; i < 14; i += 2)
        assert_in_range(inside[i], '1', '2');
    free(inside);
}

static void test_exclusive_runs_are_alone(void **state)
{
    (void)state;
    char *inside = count_inside(4, 4, true);
    assert_string_equal(inside, "1\n1\n1\n1\n");
    free(inside);
}

static int cancel_run(struct store *store, void *arg, struct err *err)
{
    return store_run_cancel(store, *(int64_t *)arg, err);
}

static void test_a_deaf_worker_is_killed_after_the_grace(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK "touch $3/here; sleep 1000\n");
    char path[PATH_MAX];
    int64_t run = 1;
    start(rig, 1);
    submit(rig, 1, 3, false);
    file_path(rig, 1, 1, "here", path);
    wait_for_file(rig, path);
    assert_int_equal(fixture_write(rig->f, cancel_run, &run, NULL), 0);
    supervisor_stop_run(rig->supervisor, 1);
    clock_shift(0, 11000);
    struct look look = wait_for(rig, 1, RUN_CANCELLED, 1);
    assert_string_equal(look.run.reason, "cancelled");
    look_done(&look);
    rig_free(rig);
}

/* The next line of the daemon's; "" when there is none yet. */
static const char *hear(int fd)
{
    static char line[512];
    size_t len = 0;
    while (len < sizeof line - 1 && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

/* A trainer that says hello after its run was cancelled hears of it with its welcome, and not when
 * a clock ticks. */
static void test_a_cancel_reaches_a_worker_that_is_starting(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK "touch $3/here; sleep 1000\n");
    struct ingest *ingest = NULL;
    struct launch launch;
    struct err err;
    char path[PATH_MAX], dir[PATH_MAX], hello[256];
    int64_t run = 1;
    bool closed = false;
    start(rig, 1);
    assert_ok(ingest_new(&rig->f->loop, &rig->f->datadir, rig->f->work, &ingest, &err), err);
    supervisor_attach(rig->supervisor, ingest);
    submit(rig, 1, 1, false);
    file_path(rig, 1, 1, "here", path);
    wait_for_file(rig, path);
    assert_int_equal(fixture_write(rig->f, cancel_run, &run, NULL), 0);
    supervisor_stop_run(rig->supervisor, 1);
    attempt_path(&rig->f->datadir, 1, 1, dir);
    assert_ok(launch_read(dir, &launch, &err), err);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/worker.sock", rig->f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len =
        snprintf(hello, sizeof hello,
                 "{\"type\":\"hello\",\"protocol\":1,\"run\":1,\"attempt\":1,\"token\":\"%s\","
                 "\"pid\":1}\n",
                 launch.token);
    assert_int_equal(send(fd, hello, (size_t)len, MSG_NOSIGNAL), len);
    const char *line;
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; *(line = hear(fd)) == '\0'; usleep(200)) {
        assert_true(clock_mono_ms() < end);
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
    }
    assert_string_equal(line, "{\"type\":\"welcome\",\"acked\":0}");
    assert_string_equal(hear(fd), "{\"type\":\"stop\",\"reason\":\"cancelled\"}");
    close(fd);
    clock_shift(0, 11000);
    struct look look = wait_for(rig, 1, RUN_CANCELLED, 1);
    look_done(&look);
    stop(rig, false);
    ingest_close(ingest, fixture_flag, &closed);
    fixture_wait(rig->f, &closed);
    fixture_free(rig->f);
    free(rig);
}

static void test_a_shutdown_queues_again_and_forgives(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK "touch $3/here; sleep 1000\n");
    char path[PATH_MAX];
    start(rig, 1);
    submit(rig, 1, 1, false);
    file_path(rig, 1, 1, "here", path);
    wait_for_file(rig, path);
    clock_shift(0, -11000);
    bool closed = false;
    supervisor_close(rig->supervisor, true, fixture_flag, &closed);
    clock_shift(0, 11000);
    fixture_wait(rig->f, &closed);
    supervisor_free(rig->supervisor);
    struct look look = wait_for(rig, 1, RUN_QUEUED, 1);
    assert_int_equal(look.run.max_attempts, 2);
    look_done(&look);
    /* The next daemon takes it up again. */
    write_worker(rig, LOCK STARTED FINISHED EXIT(1, 0, 0));
    start(rig, 1);
    look = wait_for(rig, 1, RUN_SUCCEEDED, 2);
    look_done(&look);
    rig_free(rig);
}

static void test_workers_outlive_the_daemon(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK STARTED "touch $3/here\nwhile ! test -e $3/go; do sleep 0.02; "
                                           "done\n" FINISHED EXIT(1, 0, 0));
    char path[PATH_MAX];
    start(rig, 1);
    submit(rig, 2, 1, false);
    file_path(rig, 1, 1, "here", path);
    wait_for_file(rig, path);
    stop(rig, false);
    fixture_stop(rig->f);
    fixture_start(rig->f);
    start(rig, 1);
    /* It is found alive: the second run must wait. */
    for (int i = 0; i < 50; i++) {
        struct look look = look_at(rig, 2);
        assert_int_equal(look.run.state, RUN_QUEUED);
        look_done(&look);
    }
    struct look look = look_at(rig, 1);
    assert_int_equal(look.run.state, RUN_RUNNING);
    assert_true(look.attempt.pid > 0);
    look_done(&look);
    struct err err;
    file_path(rig, 1, 1, "go", path);
    assert_ok(files_write(path, "", 0, 0600, &err), err);
    look = wait_for(rig, 1, RUN_SUCCEEDED, 1);
    assert_int_equal(look.run.attempt, 1);
    look_done(&look);
    file_path(rig, 2, 1, "here", path);
    wait_for_file(rig, path);
    file_path(rig, 2, 1, "go", path);
    assert_ok(files_write(path, "", 0, 0600, &err), err);
    look = wait_for(rig, 2, RUN_SUCCEEDED, 1);
    look_done(&look);
    rig_free(rig);
}

static int claim_run(struct store *store, void *arg, struct err *err)
{
    struct claim claim;
    int status = store_run_claim(store, *(int64_t *)arg, "token", &claim, err);
    if (status == 0)
        claim_done(&claim);
    return status;
}

static void test_a_claim_without_a_worker_is_lost(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK STARTED FINISHED EXIT(1, 0, 0));
    int64_t run = 1;
    submit(rig, 1, 2, false);
    assert_int_equal(fixture_write(rig->f, claim_run, &run, NULL), 0);
    start(rig, 1); /* as after a daemon's death between claim and start */
    struct look look = wait_for(rig, 1, RUN_SUCCEEDED, 2);
    assert_int_equal(look.run.attempt, 2);
    look_done(&look);
    rig_free(rig);
}

static void test_a_worker_that_cannot_start(void **state)
{
    (void)state;
    struct rig *rig = rig_new("");
    start(rig, 1);
    unlink(rig->worker);
    submit(rig, 1, 2, false);
    struct look look = wait_for(rig, 1, RUN_FAILED, 2);
    assert_string_equal(look.attempt.outcome, "not started");
    assert_non_null(strstr(look.run.reason, "could not be started: "));
    assert_non_null(strstr(look.run.reason, "no such file or directory"));
    look_done(&look);
    rig_free(rig);
}

static int pause_run(struct store *store, void *arg, struct err *err)
{
    return store_queue_pause(store, *(bool *)arg, err);
}

static void test_a_paused_queue_claims_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(LOCK STARTED FINISHED EXIT(1, 0, 0));
    bool paused = true;
    assert_int_equal(fixture_write(rig->f, pause_run, &paused, NULL), 0);
    start(rig, 1);
    submit(rig, 1, 1, false);
    /* Until it has looked at the queue, and for a while after that. */
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    for (int i = 0; i < 20; i += supervisor_limits(rig->supervisor)->paused) {
        struct look look = look_at(rig, 1);
        assert_int_equal(look.run.state, RUN_QUEUED);
        look_done(&look);
        assert_true(clock_mono_ms() < end);
    }
    paused = false;
    assert_int_equal(fixture_write(rig->f, pause_run, &paused, NULL), 0);
    supervisor_kick(rig->supervisor);
    struct look look = wait_for(rig, 1, RUN_SUCCEEDED, 1);
    look_done(&look);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_succeeds),
        cmocka_unit_test(test_a_crash_is_told_and_tried_again),
        cmocka_unit_test(test_a_trainer_told_to_end_forgives),
        cmocka_unit_test(test_every_ending_has_its_reason),
        cmocka_unit_test(test_slots_are_kept),
        cmocka_unit_test(test_exclusive_runs_are_alone),
        cmocka_unit_test(test_a_deaf_worker_is_killed_after_the_grace),
        cmocka_unit_test(test_a_cancel_reaches_a_worker_that_is_starting),
        cmocka_unit_test(test_a_shutdown_queues_again_and_forgives),
        cmocka_unit_test(test_workers_outlive_the_daemon),
        cmocka_unit_test(test_a_claim_without_a_worker_is_lost),
        cmocka_unit_test(test_a_worker_that_cannot_start),
        cmocka_unit_test(test_a_paused_queue_claims_nothing),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
