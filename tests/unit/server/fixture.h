/* What the server's tests share: a data folder in /tmp, a store, and a loop with its writer. */
#ifndef ABLATE_TESTS_FIXTURE_H
#define ABLATE_TESTS_FIXTURE_H

#include "common/base/clock.h"
#include "server/data/datadir.h"
#include "server/feed/publish.h"
#include "server/jobs/work.h"
#include "server/jobs/work_beside.h"
#include "server/store/curves/store_metrics.h"
#include "server/store/runs/store_experiments.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 600000 }; /* before a test that waits gives up: bounds a hang, nothing else */

#define assert_ok(status, err)                                                                     \
    do {                                                                                           \
        if ((status) != 0)                                                                         \
            fail_msg("%s: %s", err_name((err).code), (err).message);                               \
    } while (0)

struct fixture {
    char path[64]; /* the folder */
    struct datadir datadir;
    uv_loop_t loop;
    struct work *work;
    struct err fatal;
    /* Every batch that was published, kept; publish may be set to get them too. */
    struct publish_batch *batches[4096];
    size_t batches_n;
    void (*publish)(struct fixture *, struct publish_batch *);
    void *data;
};

/* As the daemon does: who writes to a process that has died is told by the write. */
__attribute__((constructor)) static void fixture_ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static inline int fixture_remove(const char *path, const struct stat *info, int type,
                                 struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static inline void fixture_folder(char ret[64])
{
    snprintf(ret, 64, "/tmp/ablate-test-XXXXXX");
    assert_non_null(mkdtemp(ret));
}

static inline void fixture_remove_folder(const char *path)
{
    nftw(path, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_on_publish(void *take_batch, void *arg)
{
    struct fixture *f = arg;
    assert_true(f->batches_n < sizeof f->batches / sizeof *f->batches);
    f->batches[f->batches_n++] = take_batch;
    if (f->publish != NULL)
        f->publish(f, take_batch);
}

static inline int fixture_collect(struct store *store, void **ret_batch, void *arg, struct err *err)
{
    (void)arg;
    return publish_collect(store, true, ret_batch, err);
}

static inline void fixture_on_discard(void *take_batch, void *arg)
{
    (void)arg;
    publish_batch_free(take_batch);
}

static inline void fixture_on_fatal(const struct err *err, void *arg)
{
    ((struct fixture *)arg)->fatal = *err;
}

static inline void fixture_start(struct fixture *f)
{
    const struct work_hooks hooks = { .collect = fixture_collect,
                                      .publish = fixture_on_publish,
                                      .discard = fixture_on_discard,
                                      .fatal = fixture_on_fatal,
                                      .arg = f };
    struct err err;
    char path[PATH_MAX];
    datadir_path(&f->datadir, path, "ablate.db");
    uv_loop_init(&f->loop);
    assert_ok(work_new(&f->loop, path, &hooks, &f->work, &err), err);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err;
    assert_non_null(f);
    fixture_folder(f->path);
    assert_ok(datadir_open(f->path, &f->datadir, &err), err);
    fixture_start(f);
    return f;
}

/* Runs the loop until *flag; fails when that takes too long. */
static inline void fixture_wait(struct fixture *f, const bool *flag)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    while (!*flag) {
        assert_true(clock_mono_ms() < end);
        if (uv_run(&f->loop, UV_RUN_NOWAIT) == 0 || !*flag)
            usleep(200);
    }
}

static inline void fixture_flag(void *flag)
{
    *(bool *)flag = true;
}

static inline void fixture_stop(struct fixture *f)
{
    bool closed = false;
    work_close(f->work, fixture_flag, &closed);
    fixture_wait(f, &closed);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    for (size_t i = 0; i < f->batches_n; i++)
        publish_batch_free(f->batches[i]);
    f->batches_n = 0;
}

static inline void fixture_free(struct fixture *f)
{
    fixture_stop(f);
    datadir_done(&f->datadir);
    fixture_remove_folder(f->path);
    free(f);
}

struct fixture_call {
    struct job job;
    int (*run)(struct store *, void *, struct err *);
    void *arg;
    bool done;
};

static inline int fixture_run(struct job *job, struct store *store, struct err *err)
{
    struct fixture_call *call = job->data;
    return call->run(store, call->arg, err);
}

static inline void fixture_done(struct job *job)
{
    ((struct fixture_call *)job->data)->done = true;
}

/* Runs fn on the writer and waits for its commit. */
static inline int fixture_write(struct fixture *f, int (*fn)(struct store *, void *, struct err *),
                                void *arg, struct err *err)
{
    struct fixture_call call = { .run = fn, .arg = arg };
    call.job = (struct job){ .run = fixture_run, .done = fixture_done, .data = &call };
    work_write(f->work, &call.job);
    fixture_wait(f, &call.done);
    if (err != NULL)
        *err = call.job.err;
    return call.job.status;
}

/* The same on a reader. */
static inline int fixture_read(struct fixture *f, int (*fn)(struct store *, void *, struct err *),
                               void *arg, struct err *err)
{
    struct fixture_call call = { .run = fn, .arg = arg };
    call.job = (struct job){ .run = fixture_run, .done = fixture_done, .data = &call };
    work_read(f->work, &call.job);
    fixture_wait(f, &call.done);
    if (err != NULL)
        *err = call.job.err;
    return call.job.status;
}

/* A store of its own in path, outside any work: for the tests of store/ alone. */
static inline struct store *fixture_store(const char *folder)
{
    char path[128];
    struct store *store = NULL;
    struct err err;
    snprintf(path, sizeof path, "%s/ablate.db", folder);
    assert_ok(store_open(path, STORE_WRITER, &store, &err), err);
    return store;
}

/* A store in a folder of its own, inside a transaction: a test's state, or the first member of one.
 */
struct fixture_base {
    char folder[64];
    struct store *store;
};

/* Of `size` bytes, zeros behind the base. */
static inline void *fixture_base_new(size_t size)
{
    struct fixture_base *base = calloc(1, size);
    struct err err;
    assert_non_null(base);
    fixture_folder(base->folder);
    base->store = fixture_store(base->folder);
    assert_ok(store_begin(base->store, &err), err);
    return base;
}

static inline int fixture_base_set_up(void **state)
{
    *state = fixture_base_new(sizeof(struct fixture_base));
    return 0;
}

static inline void fixture_base_free(void *take_base)
{
    struct fixture_base *base = take_base;
    store_close(base->store);
    fixture_remove_folder(base->folder);
    free(base);
}

static inline int fixture_base_tear_down(void **state)
{
    fixture_base_free(*state);
    return 0;
}

/* A plain experiment of these runs, to be changed where a test looks at it. */
static inline struct new_experiment fixture_plain(const struct new_run *runs, size_t n)
{
    return (struct new_experiment){ .name = "e",
                                    .notes = "",
                                    .hypothesis = "",
                                    .tags = "{}",
                                    .spec = "{}",
                                    .metric = "val/loss",
                                    .goal = "min",
                                    .runs = runs,
                                    .runs_n = n };
}

/* Stores one; returns its id. Inside a transaction. */
static inline int64_t fixture_add(struct store *store, const struct new_experiment *experiment)
{
    int64_t id = 0;
    bool existing;
    struct err err;
    assert_ok(store_experiment_add(store, experiment, &id, &existing, &err), err);
    return id;
}

/* An experiment of n runs (arms a0, a1, … a63, again and again; 100 MiB and 100 steps each);
 * returns its id. Inside a transaction. */
static inline int64_t fixture_experiment(struct store *store, size_t n, int64_t priority,
                                         int64_t max_attempts, bool exclusive)
{
    struct new_run *runs = calloc(n + 1, sizeof *runs);
    enum { ARMS = 64 };
    char arms[ARMS][32];
    for (size_t i = 0; i < ARMS; i++)
        snprintf(arms[i], sizeof arms[i], "a%zu", i);
    for (size_t i = 0; i < n; i++) {
        runs[i] = (struct new_run){ .arm = arms[i % ARMS],
                                    .grid = "{\"data.seq_len\":64}",
                                    .spec = "{\"train\":{\"threads\":3}}",
                                    .digest = "d",
                                    .seed = (int64_t)i,
                                    .priority = priority,
                                    .max_attempts = max_attempts,
                                    .steps = 100,
                                    .exclusive = exclusive,
                                    .cost = { .parameters = 10, .memory_bytes = 100 << 20 } };
    }
    struct new_experiment experiment = fixture_plain(runs, n);
    experiment.name = "test";
    experiment.tags = "{\"topic\":\"dsa\"}";
    experiment.spec = "{\"arms\":{\"a0\":{}},\"seeds\":[0]}";
    int64_t id = fixture_add(store, &experiment);
    free(runs);
    return id;
}

/* Applies one event, given as a format of its line. */
static inline int fixture_event(struct store *store, int64_t run, int64_t attempt,
                                const char *format, ...)
{
    char line[4096];
    struct wire_message message;
    struct err err = { 0 };
    uint64_t acked;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert_ok(wire_decode(line, (size_t)len, &message, &err), err);
    int status = store_event_apply(store, run, attempt, &message, &acked, &err);
    wire_message_done(&message);
    return status;
}

#endif
