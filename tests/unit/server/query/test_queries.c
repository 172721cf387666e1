/* The daemon's side of queries, with this program as the process that it starts. */
#include "tests/unit/server/fixture.h"

#include "server/query/process.h"
#include "server/query/queries.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define ENDLESS                                                                                    \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
#define LARGE                                                                                      \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(100000) "    \
    "FROM n"

enum { MANY = QUERIES_RUNNING + QUERIES_WAITING };

struct base {
    struct fixture *f;
    struct queries *queries;
};

struct one {
    struct query query;
    bool done;
};

static void on_done(struct query *query)
{
    ((struct one *)query->data)->done = true;
}

static int set_up_for(int64_t allowed_ms, void **state)
{
    struct base *b = calloc(1, sizeof *b);
    struct err err;
    b->f = fixture_new();
    assert_ok(queries_new(b->f->work, &b->f->datadir, allowed_ms, &b->queries, &err), err);
    *state = b;
    return 0;
}

static int set_up(void **state)
{
    return set_up_for(PATIENCE_MS, state);
}

static int set_up_hasty(void **state)
{
    return set_up_for(300, state);
}

/* What the daemon's end leaves is killed, and waits only to be waited for. */
static int tear_down(void **state)
{
    struct base *b = *state;
    int how;
    queries_close(b->queries);
    fixture_free(b->f);
    queries_free(b->queries);
    free(b);
    while (waitpid(-1, &how, 0) > 0)
        assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    return 0;
}

static int try_to_begin(const struct base *b, struct one *one, const char *sql, struct err *err)
{
    *one = (struct one){ .query = { .sql = sql, .limit = 10000, .done = on_done, .data = one } };
    return query_begin(b->queries, &one->query, err);
}

static void begin(const struct base *b, struct one *one, const char *sql)
{
    struct err err = { 0 };
    assert_ok(try_to_begin(b, one, sql, &err), err);
    assert_false(one->done);
}

/* Our processes; those that weren't waited for count. */
static size_t children(pid_t ret[16])
{
    char path[64], line[512];
    size_t n = 0;
    DIR *all = opendir("/proc");
    for (const struct dirent *entry; (entry = readdir(all)) != NULL;) {
        long parent = 0;
        snprintf(path, sizeof path, "/proc/%.20s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (file == NULL)
            continue;
        const char *name = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
        if (name != NULL && sscanf(name, ") %*c %ld", &parent) == 1 && parent == getpid() && n < 16)
            ret[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
        fclose(file);
    }
    closedir(all);
    return n;
}

static size_t alive(void)
{
    pid_t ignored[16];
    return children(ignored);
}

/* Until so many have been started. */
static void await(const struct base *b, size_t n, pid_t ret[16])
{
    while (children(ret) != n)
        uv_run(&b->f->loop, UV_RUN_ONCE);
}

static void test_answers(void **state)
{
    struct base *b = *state;
    struct one one;
    begin(b, &one, "SELECT 1 AS a");
    fixture_wait(b->f, &one.done);
    assert_ok(one.query.status, one.query.err);
    assert_string_equal(one.query.reply.data,
                        "{\"columns\":[\"a\"],\"rows\":[[1]],\"truncated\":false,\"as_of\":0}\n");
    query_release(&one.query);
    begin(b, &one, "SELECT nobody");
    fixture_wait(b->f, &one.done);
    assert_int_equal(one.query.status, -ERR_BAD_QUERY);
    assert_string_equal(one.query.err.message, "no such column: nobody");
    assert_string_equal(one.query.err.pointer, "/sql");
    query_release(&one.query);
    assert_int_equal(alive(), 0);
}

/* As many as may wait, and one more; what a busy machine can't do in time is refused. */
static void test_many(void **state)
{
    static struct one many[MANY + 1];
    struct base *b = *state;
    struct err err = { 0 };
    for (size_t i = 0; i < MANY; i++)
        begin(b, &many[i], "SELECT count(*) FROM runs");
    assert_int_equal(try_to_begin(b, &many[MANY], "SELECT 1", &err), -ERR_TOO_MANY_REQUESTS);
    query_release(&many[MANY].query);
    int64_t end = clock_mono_ms() + 2 * PATIENCE_MS;
    for (size_t over = 0; over < MANY;) {
        assert_true(clock_mono_ms() < end);
        uv_run(&b->f->loop, UV_RUN_ONCE);
        assert_true(alive() <= QUERIES_RUNNING);
        over = 0;
        for (size_t i = 0; i < MANY; i++)
            over += many[i].done;
    }
    assert_ok(many[0].query.status, many[0].query.err);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(many[i].query.status == 0 || many[i].query.status == -ERR_TOO_MANY_REQUESTS);
        query_release(&many[i].query);
    }
}

/* Inside a function SQLite looks at no clock: the process is killed. */
static void test_late(void **state)
{
    struct base *b = *state;
    struct one one, other;
    begin(b, &one,
          "SELECT instr(zeroblob(1900000), zeroblob(900000) || x'01') FROM (SELECT 1 "
          "UNION ALL SELECT 2 UNION ALL SELECT 3)");
    begin(b, &other, ENDLESS);
    fixture_wait(b->f, &one.done);
    fixture_wait(b->f, &other.done);
    assert_int_equal(one.query.status, -ERR_QUERY_TIME);
    assert_int_equal(other.query.status, -ERR_QUERY_TIME);
    assert_string_equal(one.query.err.message, "the query took longer than 0.3 seconds");
    assert_string_equal(other.query.err.message, one.query.err.message);
    assert_int_equal(alive(), 0);
}

static void test_dropped(void **state)
{
    struct base *b = *state;
    struct one running[QUERIES_RUNNING], waiting;
    pid_t pids[16];
    for (size_t i = 0; i < QUERIES_RUNNING; i++)
        begin(b, &running[i], ENDLESS);
    begin(b, &waiting, "SELECT 1");
    await(b, QUERIES_RUNNING, pids);
    query_drop(&waiting.query);
    assert_true(waiting.done);
    query_drop(&running[0].query);
    query_drop(&running[0].query);
    fixture_wait(b->f, &running[0].done);
    assert_int_equal(running[0].query.status, -ERR_UNAVAILABLE);
    assert_int_equal(alive(), QUERIES_RUNNING - 1);
    assert_false(running[1].done);
    query_drop(&running[1].query);
    fixture_wait(b->f, &running[1].done);
    for (size_t i = 0; i < QUERIES_RUNNING; i++)
        assert_true(kill(pids[i], 0) != 0 && errno == ESRCH);
}

static void close_all(const struct base *b, bool started)
{
    struct one all[QUERIES_RUNNING + 3];
    struct err err = { 0 };
    pid_t pids[16];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        begin(b, &all[i], ENDLESS);
    if (started)
        await(b, QUERIES_RUNNING, pids);
    queries_close(b->queries);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_true(all[i].done);
        assert_int_equal(all[i].query.status, -ERR_UNAVAILABLE);
        query_release(&all[i].query);
    }
    assert_int_equal(try_to_begin(b, &all[0], "SELECT 1", &err), -ERR_UNAVAILABLE);
}

/* Nothing is waited for. */
static void test_closed(void **state)
{
    close_all(*state, true);
}

static void test_closed_while_they_start(void **state)
{
    close_all(*state, false);
}

static void test_dropped_while_it_starts(void **state)
{
    struct base *b = *state;
    struct one one;
    begin(b, &one, ENDLESS);
    query_drop(&one.query);
    fixture_wait(b->f, &one.done);
    assert_int_equal(one.query.status, -ERR_UNAVAILABLE);
    assert_int_equal(alive(), 0);
}

/* Killed, but not by us: as the kernel does when memory runs out. */
static void test_killed(void **state)
{
    struct base *b = *state;
    struct one one;
    pid_t pids[16];
    begin(b, &one, ENDLESS);
    await(b, 1, pids);
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    fixture_wait(b->f, &one.done);
    assert_int_equal(one.query.status, -ERR_QUERY_MEMORY);
}

/* What callers are slow to read is memory, too. */
static void test_held(void **state)
{
    enum { HELD = QUERIES_HELD_BYTES / STORE_QUERY_BYTES };
    struct base *b = *state;
    struct one large[HELD], waiting;
    for (size_t i = 0; i < HELD; i++) {
        begin(b, &large[i], LARGE);
        fixture_wait(b->f, &large[i].done);
        assert_ok(large[i].query.status, large[i].query.err);
        assert_true(large[i].query.reply.len > STORE_QUERY_BYTES - 300000);
    }
    begin(b, &waiting, "SELECT 1");
    uv_run(&b->f->loop, UV_RUN_NOWAIT);
    assert_false(waiting.done);
    assert_null(waiting.query.run);
    query_release(&large[0].query);
    fixture_wait(b->f, &waiting.done);
    assert_ok(waiting.query.status, waiting.query.err);
    for (size_t i = 1; i < HELD; i++)
        query_release(&large[i].query);
    query_release(&waiting.query);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], QUERY_PROCESS) == 0)
        query_process_main(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_many),
        cmocka_unit_test_setup_teardown(test_late, set_up_hasty, tear_down),
        TEST(test_dropped),
        TEST(test_dropped_while_it_starts),
        TEST(test_closed),
        TEST(test_closed_while_they_start),
        TEST(test_killed),
        TEST(test_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
