/* Where memory is refused, loading BLAS fails and says so, or every product has what it needs. Each
 * trial runs in a process of its own, whose limit of CPU time ends one that asks for ever. */
#include "common/base/err.h"
#include "worker/base/pool.h"
#include "worker/ops/gemm.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 3, SIZE = 256, PRODUCTS = 64, CPU_S = 10, STEP_BYTES = 8 << 20 };
enum outcome { MULTIPLIED, REFUSED, GREW, FAILED };

/* The address space that this process has, in bytes; -1 = unknown. */
static int64_t mapped(void)
{
    long long pages = -1;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lld", &pages) != 1)
        pages = -1;
    if (file != NULL)
        fclose(file);
    return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

static void multiply(void *arg, size_t i, int thread)
{
    static real a[THREADS][SIZE * SIZE], c[THREADS][SIZE * SIZE];
    const struct mat m = { a[thread], SIZE, false };
    (void)arg;
    (void)i;
    gemm(SIZE, SIZE, SIZE, 1, m, m, 0, c[thread], SIZE);
}

static void nothing(void *arg, size_t i, int thread)
{
    (void)arg;
    (void)i;
    (void)thread;
}

/* more: how much may still be mapped, -1 = anything. The threads, and what they map for themselves
 * when they begin, are there before the limit. */
static enum outcome attempt(int64_t more)
{
    struct pool *pool;
    struct err err = { 0 };
    const struct rlimit cpu = { CPU_S, CPU_S + 1 };
    if (setrlimit(RLIMIT_CPU, &cpu) != 0 || pool_new(THREADS, &pool, &err) != 0)
        return FAILED;
    pool_run(pool, THREADS, nothing, NULL);
    rlim_t most = (rlim_t)(mapped() + more);
    const struct rlimit space = { most, most };
    if (more >= 0 && setrlimit(RLIMIT_AS, &space) != 0)
        return FAILED;
    if (gemm_init(THREADS, &err) != 0)
        return err.code == ERR_NO_MEMORY ? REFUSED : FAILED;
    int64_t before = mapped();
    pool_run(pool, PRODUCTS, multiply, NULL);
    return before >= 0 && mapped() == before ? MULTIPLIED : GREW;
}

static enum outcome in_child(int64_t more)
{
    int how;
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)attempt(more));
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (!WIFEXITED(how))
        fail_msg("with %lld KiB more: %s", (long long)more / 1024,
                 WIFSIGNALED(how) ? strsignal(WTERMSIG(how)) : "stopped");
    return WEXITSTATUS(how);
}

static void test_products_map_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(-1), MULTIPLIED);
}

/* From nothing to enough for all: first it is refused, then it works, and nothing in between. */
static void test_any_limit(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("the address sanitizer maps more than any limit\n");
    skip();
#endif
    bool enough = false;
    int64_t most = (int64_t)(THREADS + 2) * GEMM_BUFFER_BYTES;
    assert_int_equal(in_child(0), REFUSED);
    for (int64_t more = STEP_BYTES; more <= most; more += STEP_BYTES) {
        enum outcome got = in_child(more);
        enough |= got == MULTIPLIED;
        if (got != (enough ? MULTIPLIED : REFUSED))
            fail_msg("with %lld MiB more: %d", (long long)more >> 20, (int)got);
    }
    assert_true(enough);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_products_map_nothing),
                                        cmocka_unit_test(test_any_limit) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
