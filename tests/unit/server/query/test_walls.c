/* What is said of a machine without Landlock or seccomp, by a filter that answers for its kernel.
 * The walls themselves: test_query.c. */
#include "server/query/walls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

static const struct {
    int landlock, seccomp; /* errno that the first call of each answers; 0 = as it is */
    const char *said;
} machines[] = {
    { ENOSYS, 0, "queries: this kernel has no Landlock: seccomp alone closes files to them" },
    { EPERM, 0, "queries: a filter of system calls allows no Landlock: seccomp alone" },
    { 0, EINVAL, "queries: this kernel has no seccomp filters: network and other processes" },
    { 0, ENOSYS, "queries: this kernel has no seccomp filters: network and other processes" },
    { ENOSYS, EINVAL, "no Landlock: nor has it seccomp filters: files, network and other" },
};

static void lose(int call, int error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (error != 0 && (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), call, 0) != 0 ||
                       seccomp_load(filter) != 0))
        _exit(254);
    seccomp_release(filter);
}

static int say(size_t i, bool files)
{
    char said[200] = "";
    lose(SCMP_SYS(landlock_create_ruleset), machines[i].landlock);
    lose(SCMP_SYS(seccomp), machines[i].seccomp);
    bool lacks = walls_lack(said, sizeof said);
    bool as_is = machines[i].landlock == 0 && !files; /* it says more, then */
    return lacks && (as_is || strstr(said, machines[i].said) != NULL) ? 0 : 1;
}

static void test_what_is_lacking_is_said(void **state)
{
    (void)state;
    bool files = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) != 0) {
        print_message("this kernel has no seccomp filters to answer with\n");
        skip();
    }
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(say(i, files));
        int how;
        assert_int_equal(waitpid(pid, &how, 0), pid);
        if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
            fail_msg("\"%s\"", machines[i].said);
    }
    char said[200];
    assert_int_equal(walls_lack(said, sizeof said), !files);
    assert_int_equal(walls_lack(said, sizeof said), !files); /* nothing was given up */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_what_is_lacking_is_said) };
    return cmocka_run_group_tests_name("walls", tests, NULL, NULL);
}
