/* Hostile and wrong SELECTs against a store with rows in it, each in a process behind its walls, as
 * the daemon starts it; with the authorizer off as well: then the walls are all there is. */
#include "tests/unit/server/fixture.h"

#include "common/base/digest.h"
#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/query/process.h"
#include "server/query/walls.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/store_params.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct base {
    char folder[64], path[128];
    struct store *store; /* as the daemon has it */
    char token[DIGEST_HEX];
};

#define KEY "4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b"

static int set_up(void **state)
{
    struct base *b = calloc(1, sizeof *b);
    struct err err;
    fixture_folder(b->folder);
    snprintf(b->path, sizeof b->path, "%s/ablate.db", b->folder);
    b->store = fixture_store(b->folder);
    assert_ok(store_begin(b->store, &err), err);
    fixture_experiment(b->store, 3, 0, 1, false);
    struct claim claim;
    assert_ok(store_run_claim(b->store, 1, KEY, &claim, &err), err);
    memcpy(b->token, claim.token, sizeof b->token);
    claim_done(&claim);
    assert_ok(store_commit(b->store, &err), err);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct base *b = *state;
    store_close(b->store);
    fixture_remove_folder(b->folder);
    free(b);
    return 0;
}

/* asking */

#define SERVE "serve" /* this program's argument, to be the process */

struct asked {
    pid_t pid;
    int fd;
};

/* params: JSON as a request has it; NULL = none. */
static struct asked ask_with(const struct base *b, enum store_guard guard, const char *sql,
                             const char *params, int64_t limit)
{
    int ends[2];
    struct buf text;
    struct asked asked;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    asked.fd = ends[0];
    asked.pid = fork();
    if (asked.pid == 0) {
        dup2(ends[1], STDIN_FILENO);
        execl("/proc/self/exe", "test_query", SERVE, guard == STORE_GUARDED ? "guarded" : "not",
              (char *)NULL); /* SQLite can't be taken over a fork */
        _exit(255);
    }
    close(ends[1]);
    buf_init(&text, 0);
    json_t *request =
        json_pack("{s:s, s:s, s:I}", "database", b->path, "sql", sql, "limit", (json_int_t)limit);
    if (params != NULL) {
        json_t *value = json_loads(params, 0, NULL);
        assert_non_null(value);
        json_object_set_new(request, "params", store_params_pack(value));
        json_decref(value);
    }
    jsonx_dump(request, 0, &text);
    json_decref(request);
    assert_int_equal(write(asked.fd, text.data, text.len), text.len);
    shutdown(asked.fd, SHUT_WR);
    buf_done(&text);
    return asked;
}

static struct asked ask(const struct base *b, enum store_guard guard, const char *sql,
                        int64_t limit)
{
    return ask_with(b, guard, sql, NULL, limit);
}

/* The reply is the caller's. */
static int hear(struct asked asked, struct buf *reply, struct err *err)
{
    char chunk[65536];
    int how;
    buf_init(reply, 0);
    for (ssize_t n; (n = read(asked.fd, chunk, sizeof chunk)) > 0;)
        buf_add(reply, chunk, (size_t)n);
    close(asked.fd);
    assert_int_equal(waitpid(asked.pid, &how, 0), asked.pid);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 0)
        return 0;
    assert_int_equal(WEXITSTATUS(how), QUERY_REFUSED);
    return query_problem_read(reply->data, err);
}

static void assert_answer(const struct base *b, const char *sql, int64_t limit, const char *want)
{
    struct err err = { 0 };
    struct buf text;
    assert_ok(hear(ask(b, STORE_GUARDED, sql, limit), &text, &err), err);
    char *as_of = strstr(text.data, ",\"as_of\":");
    assert_non_null(as_of);
    *as_of = '\0';
    assert_string_equal(text.data, want);
    buf_done(&text);
}

static void assert_refused(const struct base *b, const char *sql, int code)
{
    struct err err = { 0 };
    struct buf text;
    if (hear(ask(b, STORE_GUARDED, sql, 100), &text, &err) != -code)
        fail_msg("%s: %s: %s", sql, err_name(err.code), err.code == 0 ? text.data : err.message);
    assert_string_equal(err.pointer, "/sql");
    assert_true(strlen(err.message) > 0);
    buf_done(&text);
}

static void test_answers(void **state)
{
    const struct base *b = *state;
    assert_answer(b, "SELECT id, arm FROM runs ORDER BY id", 2,
                  "{\"columns\":[\"id\",\"arm\"],\"rows\":[[1,\"a0\"],[2,\"a1\"]],"
                  "\"truncated\":true");
    assert_answer(b, "SELECT count(*) FROM v_runs;\n", 10,
                  "{\"columns\":[\"count(*)\"],\"rows\":[[3]],\"truncated\":false");
    assert_answer(b, "SELECT NULL, -9e999, 2.5, 3.0, x'0aff', CAST(x'ff' AS TEXT) AS t", 10,
                  "{\"columns\":[\"NULL\",\"-9e999\",\"2.5\",\"3.0\",\"x'0aff'\",\"t\"],"
                  "\"rows\":[[null,\"-inf\",2.5,3,\"0aff\",\"(not UTF-8)\"]],\"truncated\":false");
    assert_answer(b, "SELECT 1 WHERE 0", 10,
                  "{\"columns\":[\"1\"],\"rows\":[],\"truncated\":false");
    assert_answer(b, "SELECT char(1, 34, 9, 0, 65) AS \"a\"\"b\"", 10,
                  "{\"columns\":[\"a\\\"b\"],\"rows\":[[\"\\u0001\\\"\\t\\u0000A\"]],"
                  "\"truncated\":false");
    assert_answer(b, "SELECT random() IS NULL AS r, length(datetime('now', 'localtime')) AS n", 10,
                  "{\"columns\":[\"r\",\"n\"],\"rows\":[[0,19]],\"truncated\":false");
    /* specifications are JSON */
    assert_answer(b, "SELECT e.value, t.fullkey FROM json_each('[7]') e, json_tree('[8]') t", 10,
                  "{\"columns\":[\"value\",\"fullkey\"],\"rows\":[[7,\"$\"],[7,\"$[0]\"]],"
                  "\"truncated\":false");
    /* every value allowed by itself, the row too much */
    assert_answer(b,
                  "SELECT zeroblob(2e6) a, zeroblob(2e6) b, zeroblob(2e6) c, zeroblob(2e6) d, "
                  "zeroblob(2e6) e",
                  10,
                  "{\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"rows\":[],\"truncated\":true");
}

static void test_refused(void **state)
{
    static const char *const refused[] = {
        ";",
        "/* nothing */",
        "SELECT",
        "SELECT 1; SELECT 2",
        "SELECT 1; -- and a comment that hides nothing\nDELETE FROM runs",
        "DELETE FROM runs",
        "INSERT INTO settings VALUES ('a', 'b')",
        "UPDATE runs SET seed = 9 RETURNING id",
        "REPLACE INTO settings VALUES ('a', 'b')",
        "WITH x AS (SELECT 1) DELETE FROM runs",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "DROP VIEW v_runs",
        "ALTER TABLE runs RENAME TO walks",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "VACUUM",
        "VACUUM INTO '/tmp/ablate-query-copy.db'",
        "REINDEX",
        "ANALYZE",
        "PRAGMA user_version",
        "PRAGMA user_version = 9",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "SELECT * FROM pragma_user_version",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "EXPLAIN DELETE FROM runs",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT * FROM nothing",
    };
    static const char *const too_large[] = {
        "SELECT zeroblob(3000000)",
        "SELECT randomblob(1000000000)",
        "SELECT group_concat(zeroblob(1000000)) FROM runs",
    };
    const struct base *b = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(b, refused[i], ERR_BAD_QUERY);
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++)
        assert_refused(b, too_large[i], ERR_QUERY_SIZE);
    assert_answer(b, "SELECT count(*) AS n FROM runs WHERE seed < 3", 1,
                  "{\"columns\":[\"n\"],\"rows\":[[3]],\"truncated\":false");
}

#define NUMBERS "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "

/* The bytes that count are those that are sent: a control character is six of them. */
static void test_bytes(void **state)
{
    static const char *const large[] = {
        NUMBERS "SELECT zeroblob(10000) FROM n",
        NUMBERS "SELECT replace(hex(zeroblob(3000)), '00', char(1)) FROM n",
    };
    const struct base *b = *state;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        struct err err = { 0 };
        struct buf text;
        json_t *result = NULL;
        assert_ok(hear(ask(b, STORE_GUARDED, large[i], STORE_QUERY_ROWS), &text, &err), err);
        assert_true(text.len <= STORE_QUERY_BYTES && text.len > STORE_QUERY_BYTES - 30000);
        assert_ok(jsonx_load(text.data, text.len, &result, &err), err);
        assert_true(json_is_true(json_object_get(result, "truncated")));
        json_decref(result);
        buf_done(&text);
    }
}

#define MIB  "hex(zeroblob(1000000))"
#define TEN  MIB "," MIB "," MIB "," MIB "," MIB "," MIB "," MIB "," MIB "," MIB "," MIB
#define HUGE TEN "," TEN "," TEN "," TEN "," TEN "," TEN "," TEN "," TEN "," TEN "," TEN

/* By a function's arguments, by rows that are sorted, by a table that is made: all in memory. */
static void test_memory(void **state)
{
    static const char *const greedy[] = {
        "SELECT length(max(" HUGE ")), length(min(" HUGE "))",
        NUMBERS "SELECT hex(zeroblob(50000)) AS h FROM n ORDER BY h || i",
        NUMBERS ", m AS MATERIALIZED (SELECT hex(zeroblob(50000)) AS h, i FROM n) SELECT count(*) "
                "FROM m AS a, m AS b WHERE a.i = b.i + 1",
        NUMBERS "SELECT count(DISTINCT hex(zeroblob(50000)) || i) FROM n",
    };
    const struct base *b = *state;
    for (size_t i = 0; i < sizeof greedy / sizeof *greedy; i++)
        assert_refused(b, greedy[i], ERR_QUERY_MEMORY);
}

/* With the authorizer off. */

/* Whatever comes of them: nothing is written, and nothing is there that is secret. */
static void test_unguarded(void **state)
{
    static const char *const hostile[] = {
        "INSERT INTO settings VALUES ('a', 'b')",
        "DELETE FROM runs",
        "UPDATE runs SET seed = 9 RETURNING id",
        "DROP TABLE runs",
        "CREATE TABLE t (a)",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 9",
        "PRAGMA writable_schema = 1",
        "VACUUM",
        "VACUUM INTO '%s/copy.db'",
        "ATTACH '%s/new.db' AS x",
        "ATTACH '%s/key' AS x",
        "ATTACH '/etc/passwd' AS x",
        "SELECT load_extension('libm.so.6')",
        "SELECT fts3_tokenizer('simple', x'0011223344556677')",
    };
    const struct base *b = *state;
    char sql[300], before[DIGEST_HEX], after[DIGEST_HEX], log[160];
    struct err err = { 0 };
    struct buf text;
    int64_t bytes = store_wal_bytes(b->store);
    snprintf(log, sizeof log, "%s-wal", b->path);
    assert_ok(digest_file(log, before, &err), err);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct err why = { 0 };
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(sql, sizeof sql, hostile[i], b->folder);
#pragma GCC diagnostic pop
        int status = hear(ask(b, STORE_UNGUARDED, sql, 10), &text, &why);
        assert_ok(digest_file(log, after, &err), err);
        if (strcmp(before, after) != 0 || store_wal_bytes(b->store) != bytes)
            fail_msg("%s: %s", sql, status == 0 ? text.data : why.message);
        buf_done(&text);
    }
    snprintf(sql, sizeof sql, "%s/copy.db", b->folder);
    assert_int_not_equal(access(sql, F_OK), 0);
    snprintf(sql, sizeof sql, "%s/new.db", b->folder);
    assert_int_not_equal(access(sql, F_OK), 0);
    assert_answer(b, "SELECT count(*) AS n FROM runs WHERE seed < 3", 1,
                  "{\"columns\":[\"n\"],\"rows\":[[3]],\"truncated\":false");
}

/* With an attempt under way, whose worker has a token. */
static void test_no_secret(void **state)
{
    static const char *const curious[] = {
        "SELECT token FROM attempts",
        "SELECT token FROM attempts FULL JOIN (SELECT 1 AS token) USING (token)",
        "SELECT * FROM attempts",
        "SELECT group_concat(key || value) FROM settings",
        "SELECT * FROM identity",
    };
    const struct base *b = *state;
    char digest[DIGEST_HEX];
    const char *const secrets[] = { b->token, digest, KEY };
    struct err err = { 0 };
    struct buf text;
    digest_of_hex(b->token, strlen(b->token), digest);
    assert_int_equal(strlen(b->token), 64);
    for (size_t i = 0; i < sizeof curious / sizeof *curious; i++)
        for (int guard = STORE_GUARDED; guard <= STORE_UNGUARDED; guard++) {
            assert_ok(hear(ask(b, (enum store_guard)guard, curious[i], 100), &text, &err), err);
            for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++)
                if (strstr(text.data, secrets[k]) != NULL)
                    fail_msg("%s: %s", curious[i], text.data);
            buf_done(&text);
        }
    /* nor where no SQL leads */
    for (int log = 0; log < 2; log++) {
        char path[160], *bytes = NULL;
        size_t len = 0;
        snprintf(path, sizeof path, "%s%s", b->path, log ? "-wal" : "");
        assert_ok(files_read(path, 16 << 20, &bytes, &len, &err), err);
        for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++)
            assert_null(memmem(bytes, len, secrets[k], strlen(secrets[k])));
        free(bytes);
    }
}

/* The walls by themselves: what a process could do that has been taken over altogether. Trials: 0,
 * or errno. */

static int opened = -1; /* to be written, before the walls were there */
static bool bounded;    /* its memory is; a sanitizer's isn't */

static int wrong(long result)
{
    return result < 0 ? errno : 0;
}

static int opens(void)
{
    return wrong(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int opens_by_number(void)
{
    return wrong(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0));
}

static int makes_file(void)
{
    return wrong(open("/tmp/ablate-made-by-a-query", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int makes_nameless(void)
{
    return wrong(memfd_create("x", 0));
}

static int writes_what_is_open(void)
{
    return wrong(pwrite(opened, "x", 1, 0));
}

static int writes_by_write(void)
{
    return wrong(write(opened, "x", 1));
}

static int maps_to_write(void)
{
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
    return map == MAP_FAILED ? errno : 0;
}

static int maps_to_write_later(void)
{
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, opened, 0);
    return map == MAP_FAILED ? errno : wrong(mprotect(map, 4096, PROT_READ | PROT_WRITE));
}

static int maps_to_run(void)
{
    void *map =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED ? errno : 0;
}

static int removes(void)
{
    return wrong(unlink("/tmp/ablate-made-by-a-query"));
}

static int truncates(void)
{
    return wrong(ftruncate(opened, 0));
}

static int opens_socket(void)
{
    return wrong(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int opens_tcp(void)
{
    return wrong(socket(AF_INET, SOCK_STREAM, 0));
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return wrong(pid);
}

static int starts_program(void)
{
    char *const nothing[] = { NULL };
    execve("/bin/true", nothing, nothing);
    return errno;
}

static int signals_parent(void)
{
    return wrong(kill(getppid(), 0));
}

static int traces_parent(void)
{
    return wrong(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int reads_others_memory(void)
{
    return wrong(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int lifts_limit(void)
{
    const struct rlimit limit = { 1 << 20, 1 << 20 };
    return wrong(setrlimit(RLIMIT_FSIZE, &limit));
}

static int outlives_daemon(void)
{
    return wrong(prctl(PR_SET_PDEATHSIG, 0));
}

static int makes_namespace(void)
{
    return wrong(syscall(SYS_unshare, 0x10000000));
}

static int sends_descriptor(void)
{
    const struct msghdr message = { 0 };
    return wrong(sendmsg(STDIN_FILENO, &message, 0));
}

static int takes_memory(void)
{
    return malloc(1 << 20) != NULL ? 0 : ENOMEM;
}

static int takes_too_much(void)
{
    return bounded && malloc((size_t)1 << 30) != NULL ? 0 : ENOMEM;
}

static int answers(void)
{
    return write(STDIN_FILENO, "x", 1) == 1 ? 0 : errno;
}

static const struct {
    const char *what;
    int (*try)(void);
    int want;
} trials[] = {
    { "open a file", opens, EPERM },
    { "open one by another call", opens_by_number, EPERM },
    { "make a file", makes_file, EPERM },
    { "make one without a name", makes_nameless, EPERM },
    { "write what is open", writes_what_is_open, EPERM },
    { "write it by write", writes_by_write, EPERM },
    { "map it to be written", maps_to_write, EPERM },
    { "map it, and write later", maps_to_write_later, EPERM },
    { "map memory to be run", maps_to_run, EPERM },
    { "remove a file", removes, EPERM },
    { "cut a file", truncates, EPERM },
    { "open a Unix socket", opens_socket, EPERM },
    { "open a TCP socket", opens_tcp, EPERM },
    { "fork", forks, EPERM },
    { "start a program", starts_program, EPERM },
    { "signal its parent", signals_parent, EPERM },
    { "trace its parent", traces_parent, EPERM },
    { "read its parent's memory", reads_others_memory, EPERM },
    { "lift a limit", lifts_limit, EPERM },
    { "outlive the daemon", outlives_daemon, EPERM },
    { "make a namespace", makes_namespace, EPERM },
    { "send a descriptor", sends_descriptor, EPERM },
    { "take memory", takes_memory, 0 },
    { "take too much memory", takes_too_much, ENOMEM },
    { "answer", answers, 0 },
};

static int try_behind_walls(const struct base *b, int (*try)(void))
{
    int ends[2], how;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char path[160];
        struct rlimit space;
        struct err err;
        dup2(ends[1], STDIN_FILENO);
        snprintf(path, sizeof path, "%s-wal", b->path);
        opened = open(path, O_RDWR | O_CLOEXEC);
        if (opened < 0 || walls_limits(&err) != 0 || walls_files(b->path, &err) != 0 ||
            getrlimit(RLIMIT_AS, &space) != 0 || walls_calls(&err) != 0)
            _exit(255);
        bounded = space.rlim_cur != RLIM_INFINITY;
        _exit(try());
    }
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

static void test_walls(void **state)
{
    const struct base *b = *state;
    if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) != 0) {
        print_message("this kernel has no seccomp filters\n");
        skip();
    }
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        int got = try_behind_walls(b, trials[i].try);
        if (got != trials[i].want)
            fail_msg("%s: %s (%d), expected %s", trials[i].what, strerrorname_np(got), got,
                     strerrorname_np(trials[i].want));
    }
}

/* A filter isn't everywhere: what Landlock and the limits alone forbid. */
static void test_files_alone(void **state)
{
    const struct base *b = *state;
    char key[128];
    struct err err;
    int how, abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (abi <= 0) {
        print_message("this kernel has no Landlock\n");
        skip();
    }
    snprintf(key, sizeof key, "%s/key", b->folder);
    close(open(key, O_WRONLY | O_CREAT, 0600));
    pid_t pid = fork();
    if (pid == 0) {
        if (walls_limits(&err) != 0 || walls_files(b->path, &err) != 0)
            _exit(255);
        bool held = opens() == EACCES && makes_file() == EACCES &&
                    wrong(open(key, O_RDONLY)) == EACCES &&
                    wrong(open(b->path, O_WRONLY)) == EACCES && wrong(open(b->path, O_RDONLY)) == 0;
        _exit(held ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

/* A reader that was killed amid its query is no reader any more, whatever it had mapped. */
static void test_killed_reader(void **state)
{
    const struct base *b = *state;
    struct err err = { 0 };
    char byte;
    int how;
    struct asked asked = ask(b, STORE_GUARDED,
                             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                             "SELECT count(*) FROM n, runs",
                             1);
    assert_true(store_wal_bytes(b->store) > 0);
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    char value[24];
    do { /* until it holds its snapshot, and with it the log */
        assert_true(clock_mono_ms() < end);
        assert_ok(store_begin(b->store, &err), err);
        snprintf(value, sizeof value, "%lld", (long long)clock_mono_ms()); /* a change */
        assert_ok(store_setting_put(b->store, "a", value, &err), err);
        assert_ok(store_commit(b->store, &err), err);
        assert_ok(store_checkpoint(b->store, true, &err), err);
    } while (store_wal_bytes(b->store) == 0);
    assert_int_equal(recv(asked.fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(kill(asked.pid, SIGKILL), 0);
    assert_int_equal(waitpid(asked.pid, &how, 0), asked.pid);
    close(asked.fd);
    assert_ok(store_checkpoint(b->store, true, &err), err);
    assert_int_equal(store_wal_bytes(b->store), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Each value with the type that SQLite has it as. */
static void test_params(void **state)
{
    const struct base *b = *state;
    static const struct {
        const char *sql, *params, *rows;
    } cases[] = {
        { "SELECT ?, ?", "[1, \"a\"]", "[1,\"a\"]" },
        { "SELECT typeof(?), typeof(?), typeof(?), typeof(?), typeof(?), typeof(?)",
          "[2, 2.0, \"2\", true, null, 1e300]",
          "[\"integer\",\"real\",\"text\",\"integer\",\"null\",\"real\"]" },
        { "SELECT ? = 9007199254740991, ? = -9007199254740991, ? / 2",
          "[9007199254740991, -9007199254740991, 3.0]", "[1,1,1.5]" },
        { "SELECT ?, ?", "[true, false]", "[1,0]" },
        { "SELECT ?2, ?1", "[1, 2]", "[2,1]" },
        { "SELECT :a, @b, $c, :a", "{\"a\": 1, \"b\": 2, \"c\": 3}", "[1,2,3,1]" },
        { "SELECT :a, $a", "{\"a\": 1}", "[1,1]" },
        { "SELECT ?", "[\"x' OR '1'='1\"]", "[\"x' OR '1'='1\"]" },
        { "SELECT arm = ? FROM runs WHERE id = ?", "[\"none\", 1]", "[0]" },
        { "SELECT 1", "[]", "[1]" },
        { "SELECT 1", "{}", "[1]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        struct buf text;
        print_message("%s with %s\n", cases[i].sql, cases[i].params);
        assert_ok(hear(ask_with(b, STORE_GUARDED, cases[i].sql, cases[i].params, 10), &text, &err),
                  err);
        char *rows = strstr(text.data, "\"rows\":["), *end = strstr(text.data, "],\"truncated");
        assert_true(rows != NULL && end != NULL);
        *end = '\0';
        assert_string_equal(rows + 8, cases[i].rows);
        buf_done(&text);
    }
}

static void test_params_refused(void **state)
{
    const struct base *b = *state;
    static const struct {
        const char *sql, *params, *pointer;
        int code;
    } cases[] = {
        { "SELECT ?", NULL, "/params", ERR_INCONSISTENT },
        { "SELECT :a", NULL, "/params", ERR_INCONSISTENT },
        { "SELECT ?", "[]", "/params", ERR_INCONSISTENT },
        { "SELECT ?", "[1, 2]", "/params", ERR_INCONSISTENT },
        { "SELECT 1", "[1]", "/params", ERR_INCONSISTENT },
        { "SELECT ?3", "[1]", "/params", ERR_INCONSISTENT },
        { "SELECT :a", "[1]", "/params", ERR_INCONSISTENT },
        { "SELECT ?", "{\"a\": 1}", "/params", ERR_INCONSISTENT },
        { "SELECT ?1", "{\"1\": 1}", "/params", ERR_INCONSISTENT },
        { "SELECT :a", "{}", "/params/a", ERR_MISSING_FIELD },
        { "SELECT :a", "{\":a\": 1}", "/params/a", ERR_MISSING_FIELD },
        { "SELECT :a", "{\"a\": 1, \"b/c\": 1}", "/params/b~1c", ERR_UNKNOWN_FIELD },
        { "SELECT 1", "{\"a\": 1}", "/params/a", ERR_UNKNOWN_FIELD },
        { "SELECT ?101", "[]", "/sql", ERR_BAD_QUERY },
        { "DELETE FROM runs WHERE id = ?", "[1]", "/sql", ERR_BAD_QUERY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        struct buf text;
        print_message("%s\n", cases[i].sql);
        int status =
            hear(ask_with(b, STORE_GUARDED, cases[i].sql, cases[i].params, 10), &text, &err);
        assert_int_equal(status, -cases[i].code);
        assert_string_equal(err.pointer, cases[i].pointer);
        buf_done(&text);
    }
}

/* What no statement is needed for. */
static void test_params_checked(void **state)
{
    (void)state;
    static const struct {
        const char *params, *pointer;
        int code;
    } cases[] = {
        { "\"x\"", "/params", ERR_WRONG_TYPE },         { "null", "/params", ERR_WRONG_TYPE },
        { "[1, [2]]", "/params/1", ERR_WRONG_TYPE },    { "[{}]", "/params/0", ERR_WRONG_TYPE },
        { "{\"a\": []}", "/params/a", ERR_WRONG_TYPE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        json_t *params = json_loads(cases[i].params, JSON_DECODE_ANY, NULL);
        assert_int_equal(store_params_check(params, &err), -cases[i].code);
        assert_string_equal(err.pointer, cases[i].pointer);
        json_decref(params);
    }
    struct err err = { 0 };
    json_t *many = json_array(), *long_one;
    for (int i = 0; i < STORE_PARAMS; i++)
        json_array_append_new(many, json_integer(i));
    assert_ok(store_params_check(many, &err), err);
    json_array_append_new(many, json_integer(1));
    assert_int_equal(store_params_check(many, &err), -ERR_OUT_OF_RANGE);
    json_decref(many);
    char *text = calloc(1, STORE_PARAMS_BYTES + 1);
    memset(text, 'x', STORE_PARAMS_BYTES);
    long_one = json_pack("[s]", text);
    assert_int_equal(store_params_check(long_one, &err), -ERR_OUT_OF_RANGE);
    json_decref(long_one);
    free(text);
    assert_ok(store_params_check(NULL, &err), err);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], SERVE) == 0)
        _exit(query_process_serve(strcmp(argv[2], "guarded") == 0 ? STORE_GUARDED : STORE_UNGUARDED,
                                  PATIENCE_MS));
    const struct CMUnitTest tests[] = {
        TEST(test_answers), TEST(test_refused),        TEST(test_bytes),
        TEST(test_memory),  TEST(test_unguarded),      TEST(test_no_secret),
        TEST(test_walls),   TEST(test_files_alone),    TEST(test_killed_reader),
        TEST(test_params),  TEST(test_params_refused), TEST(test_params_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
