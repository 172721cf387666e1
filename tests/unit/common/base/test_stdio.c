/* Every choice of closed descriptors, each in a process of its own: no file opened later gets one
 * of the three numbers, what was open stays what it was, and nothing else is left open. */
#include "common/base/stdio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0 when all is as it should be. */
static int child(unsigned closed)
{
    struct stat null, about;
    int pipes[2];
    if (stat("/dev/null", &null) != 0 || pipe(pipes) != 0)
        return 1;
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(pipes[1], fd) < 0)
            return 2;
    close(pipes[0]);
    close(pipes[1]);
    for (int fd = 0; fd <= 2; fd++)
        if (closed >> fd & 1)
            close(fd);
    if (stdio_keep_open() != 0)
        return 3;
    for (int fd = 0; fd <= 2; fd++) {
        if (fstat(fd, &about) != 0)
            return 4;
        bool is_null = S_ISCHR(about.st_mode) && about.st_rdev == null.st_rdev;
        if (is_null != (closed >> fd & 1))
            return 5;
    }
    int next = open("/", O_RDONLY);
    return next > 2 && fcntl(next + 1, F_GETFD) < 0 ? 0 : 6;
}

static void test_closed(void **state)
{
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(child(closed));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_closed) };
    return cmocka_run_group_tests_name("stdio", tests, NULL, NULL);
}
