/* Each trial runs in a process of its own that enters the sandbox and tries something. */
#include "worker/process/sandbox.h"

#include "common/base/confine.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char
    root[64];       /* run/ writable, corpus/ readable, other/ neither, socket: somebody listens */
static int pair[2]; /* connected to each other */
static int single;  /* a Unix socket */

static const char *in_root(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int open_in_root(const char *name, int flags)
{
    int fd = open(in_root(name), flags | O_CLOEXEC, 0600);
    return fd < 0 ? errno : 0;
}

static int wrong(long result)
{
    return result < 0 ? errno : 0;
}

/* Trials: 0, or errno. */

static int writes_own(void)
{
    return open_in_root("run/new", O_WRONLY | O_CREAT);
}

static int renames_own(void)
{
    char to[256];
    snprintf(to, sizeof to, "%s/run/renamed", root);
    return wrong(rename(in_root("run/file"), to));
}

static int makes_own_folder(void)
{
    return wrong(mkdir(in_root("run/sub"), 0700));
}

static int reads_corpus(void)
{
    return open_in_root("corpus/file", O_RDONLY);
}

static int writes_corpus(void)
{
    return open_in_root("corpus/file", O_WRONLY);
}

static int removes_corpus(void)
{
    return wrong(unlink(in_root("corpus/file")));
}

static int reads_other(void)
{
    return open_in_root("other/file", O_RDONLY);
}

static int climbs_out(void)
{
    return open_in_root("run/../other/file", O_RDONLY);
}

static int follows_link_out(void)
{
    return open_in_root("run/link", O_RDONLY);
}

static int reads_machine(void)
{
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : EINVAL;
}

static int reads_passwords(void)
{
    return wrong(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int opens_tcp(void)
{
    return wrong(socket(AF_INET, SOCK_STREAM, 0));
}

static int opens_netlink(void)
{
    return wrong(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int opens_unix(void)
{
    return wrong(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int makes_pair(void)
{
    int ends[2];
    return wrong(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
}

static struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, in_root(name), strlen(in_root(name)) + 1);
    return address;
}

static int connects(void)
{
    const struct sockaddr_un address = address_of("socket");
    return wrong(connect(single, (const struct sockaddr *)&address, sizeof address));
}

static int binds(void)
{
    const struct sockaddr_un address = address_of("run/socket");
    return wrong(bind(single, (const struct sockaddr *)&address, sizeof address));
}

/* Without a name it has no reason to listen or accept but that it may. */
static int listens(void)
{
    return wrong(listen(single, 1)) == EPERM ? EPERM : 0;
}

static int accepts(void)
{
    return wrong(accept(single, NULL, NULL)) == EPERM ? EPERM : 0;
}

static int talks(void)
{
    char byte = 0;
    if (send(pair[0], "x", 1, MSG_NOSIGNAL) != 1)
        return errno;
    return recv(pair[1], &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x' ? 0 : EIO;
}

static int starts_program(void)
{
    char *const nothing[] = { NULL };
    execve("/bin/true", nothing, nothing);
    return errno;
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return wrong(pid);
}

static void *nothing(void *arg)
{
    return arg;
}

static int makes_thread(void)
{
    pthread_t thread;
    int status = pthread_create(&thread, NULL, nothing, NULL);
    return status != 0 ? status : pthread_join(thread, NULL);
}

static int signals_parent(void)
{
    return wrong(kill(getppid(), 0));
}

/* Without the C library, which would say its own process. */
static int signals_parent_s_thread(void)
{
    return wrong(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int raises_own_signal(void)
{
    signal(SIGUSR1, SIG_IGN);
    return wrong(raise(SIGUSR1));
}

/* The kernel signals a descriptor's owner when there is something to read. */
static int signals_by_descriptor(void)
{
    return wrong(fcntl(pair[0], F_SETOWN, getppid()));
}

static int signals_by_ioctl(void)
{
    int owner = getppid();
    return wrong(ioctl(pair[0], FIOSETOWN, &owner));
}

static int duplicates(void)
{
    return wrong(fcntl(2, F_DUPFD_CLOEXEC, 10));
}

static int outlives_keeper(void)
{
    return wrong(prctl(PR_SET_PDEATHSIG, 0));
}

static int names_thread(void)
{
    return wrong(prctl(PR_SET_NAME, "trial"));
}

static int makes_setuid(void)
{
    int fd = open(in_root("run/own"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? errno : wrong(fchmod(fd, 04700));
}

static int changes_mode(void)
{
    int fd = open(in_root("run/own"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? errno : wrong(fchmod(fd, 0640));
}

static int traces_parent(void)
{
    return wrong(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int lifts_limit(void)
{
    const struct rlimit limit = { 1, 1 };
    return wrong(setrlimit(RLIMIT_CORE, &limit));
}

static int maps(int flags)
{
    return mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int maps_memory(void)
{
    return maps(MAP_PRIVATE);
}

static int maps_shared_memory(void)
{
    return maps(MAP_SHARED);
}

static int maps_a_stack(void)
{
    return maps(MAP_PRIVATE | MAP_GROWSDOWN);
}

static int maps_the_corpus(void)
{
    int fd = open(in_root("corpus/file"), O_RDONLY | O_CLOEXEC);
    return mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0;
}

static int makes_a_file_of_memory(void)
{
    return wrong(memfd_create("trial", 0));
}

static int makes_thread_sealed(void)
{
    struct err err;
    int before = makes_thread();
    if (before != 0 || sandbox_seal(&err) != 0)
        return 254;
    return makes_thread();
}

static void *makes_another(void *arg)
{
    int *ends = arg;
    char byte;
    if (read(ends[0], &byte, 1) != 1)
        return (void *)(intptr_t)254;
    return (void *)(intptr_t)makes_thread();
}

/* One that was there before. */
static int makes_thread_in_a_sealed_one(void)
{
    pthread_t thread;
    struct err err;
    void *got;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0 || pthread_create(&thread, NULL, makes_another, ends) != 0 ||
        sandbox_seal(&err) != 0 || write(ends[1], "", 1) != 1 || pthread_join(thread, &got) != 0)
        return 254;
    return (int)(intptr_t)got;
}

static int lifts_the_seal(void)
{
    struct err err;
    return sandbox_seal(&err) != 0 ? 254 : wrong(syscall(SYS_seccomp, 1, 0, NULL));
}

static const struct {
    const char *name;
    int (*try)(void);
    int files, calls; /* what Landlock, what seccomp makes of it: errno, 0 = nothing */
} trials[] = {
    { "write below its folder", writes_own, 0, 0 },
    { "rename below its folder", renames_own, 0, 0 },
    { "make a folder below its folder", makes_own_folder, 0, 0 },
    { "read the corpus", reads_corpus, 0, 0 },
    { "write the corpus", writes_corpus, EACCES, 0 },
    { "remove the corpus", removes_corpus, EACCES, 0 },
    { "read another folder", reads_other, EACCES, 0 },
    { "climb out by ..", climbs_out, EACCES, 0 },
    { "follow a link out", follows_link_out, EACCES, 0 },
    { "read of the machine", reads_machine, 0, 0 },
    { "read /etc/passwd", reads_passwords, EACCES, 0 },
    { "open a TCP socket", opens_tcp, 0, EPERM },
    { "open a netlink socket", opens_netlink, 0, EPERM },
    { "open a Unix socket", opens_unix, 0, EPERM },
    { "make a pair of sockets", makes_pair, 0, EPERM },
    { "connect to a socket of its user's", connects, 0, EPERM },
    { "bind a socket", binds, EACCES, EPERM },
    { "listen", listens, 0, EPERM },
    { "accept", accepts, 0, EPERM },
    { "talk over a connection that it has", talks, 0, 0 },
    { "start a program", starts_program, 0, EPERM },
    { "fork", forks, 0, EPERM },
    { "make a thread", makes_thread, 0, 0 },
    { "signal its parent", signals_parent, 0, EPERM },
    { "signal its parent's thread", signals_parent_s_thread, 0, EPERM },
    { "raise a signal of its own", raises_own_signal, 0, 0 },
    { "have a descriptor signal its parent", signals_by_descriptor, 0, EPERM },
    { "have one signal its parent by ioctl", signals_by_ioctl, 0, EPERM },
    { "duplicate a descriptor", duplicates, 0, 0 },
    { "outlive its keeper", outlives_keeper, 0, EPERM },
    { "name a thread", names_thread, 0, 0 },
    { "make a file setuid", makes_setuid, 0, EPERM },
    { "change a file's mode", changes_mode, 0, 0 },
    { "trace its parent", traces_parent, 0, EPERM },
    { "change a limit", lifts_limit, 0, EPERM },
    { "map memory", maps_memory, 0, 0 },
    { "map shared memory", maps_shared_memory, 0, EPERM },
    { "map a stack", maps_a_stack, 0, EPERM },
    { "map the corpus", maps_the_corpus, 0, 0 },
    { "make a file of memory", makes_a_file_of_memory, 0, EPERM },
    { "make a thread when sealed", makes_thread_sealed, 0, EPERM },
    { "make one in a thread that was there", makes_thread_in_a_sealed_one, 0, EPERM },
    { "filter more when sealed", lifts_the_seal, EFAULT, EPERM },
};

static int try_in_sandbox(int (*try)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        char run[80], corpus[80], said[200];
        struct err err;
        snprintf(run, sizeof run, "%s/run", root);
        snprintf(corpus, sizeof corpus, "%s/corpus", root);
        const char *const writable[] = { run, NULL }, *const readable[] = { corpus, "", NULL };
        if (sandbox_enter(&(struct sandbox){ writable, readable }, said, sizeof said, &err) != 0)
            _exit(255);
        _exit(try());
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static void test_trials(void **state)
{
    (void)state;
    bool files = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    bool calls = access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0;
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        int expected = calls && trials[i].calls != 0 ? trials[i].calls
                       : files                       ? trials[i].files
                                                     : 0;
        int got = try_in_sandbox(trials[i].try);
        if (got != expected && (files || trials[i].files == 0) && (calls || trials[i].calls == 0))
            fail_msg("%s: %s, expected %s", trials[i].name, strerrorname_np(got),
                     strerrorname_np(expected));
    }
}

/* Kernels that lack something, by a filter that answers for them. */

static void lose(int call, int error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), call, 0) != 0 ||
        seccomp_load(filter) != 0)
        _exit(254);
    seccomp_release(filter);
}

static void no_landlock(void)
{
    lose(SCMP_SYS(landlock_create_ruleset), ENOSYS);
}

static void landlock_forbidden(void)
{
    lose(SCMP_SYS(landlock_create_ruleset), EPERM); /* as by a container's filter */
}

static void no_seccomp(void)
{
    lose(SCMP_SYS(seccomp), EINVAL);
}

static void neither(void)
{
    no_landlock();
    no_seccomp();
}

static const struct {
    void (*lose)(void);
    const char *said;
    bool files, calls; /* what holds all the same */
} lacks[] = {
    { no_landlock, "kernel has no Landlock: files aren't restricted; network and system calls by",
      false, true },
    { landlock_forbidden, "a filter of system calls allows no Landlock: files aren't restricted",
      false, true },
    { no_seccomp, "no seccomp filters: the network isn't closed", true, false },
    { neither, "no Landlock: files aren't restricted; nor has it seccomp filters", false, false },
};

static int start_without(size_t i, bool files)
{
    char said[200] = "";
    struct err err;
    const char *const no_folders[] = { NULL };
    lacks[i].lose();
    if (sandbox_enter(&(struct sandbox){ no_folders, no_folders }, said, sizeof said, &err) != 0)
        return 1;
    if (strstr(said, files || !lacks[i].files ? lacks[i].said : "no Landlock") == NULL)
        return 2;
    if (reads_other() != (lacks[i].files && files ? EACCES : 0))
        return 3;
    if (opens_tcp() != (lacks[i].calls ? EPERM : 0) || forks() != (lacks[i].calls ? EPERM : 0))
        return 4;
    return makes_thread() != 0 ? 5 : 0;
}

/* The trainer starts all the same and says so, and what the other forbids stays forbidden. */
static void test_lacking(void **state)
{
    (void)state;
    bool files = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    if (access("/proc/sys/kernel/seccomp/actions_avail", F_OK) != 0) {
        print_message("this kernel has no seccomp filters to answer with\n");
        skip();
    }
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(start_without(i, files));
        int how;
        assert_int_equal(waitpid(pid, &how, 0), pid);
        assert_true(WIFEXITED(how));
        if (WEXITSTATUS(how) != 0)
            fail_msg("\"%s\": check %d", lacks[i].said, WEXITSTATUS(how));
    }
}

static int adds_what_is_refused(void *filter)
{
    (void)filter;
    return -EINVAL;
}

/* A filter that can't be made isn't one that the kernel lacks: nobody starts without it. */
static void test_a_filter_that_is_refused(void **state)
{
    (void)state;
    const char *const no_calls[] = { NULL };
    bool filtered = true;
    struct err err = { 0 };
    assert_int_equal(confine_calls(no_calls, adds_what_is_refused, &filtered, &err), -ERR_INTERNAL);
    assert_non_null(strstr(err.message, "no seccomp filter"));
}

static void make_file(const char *name)
{
    int fd = open(in_root(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int make_root(void **state)
{
    static const char *const folders[] = { "run", "corpus", "other" };
    (void)state;
    snprintf(root, sizeof root, "/tmp/ablate-sandbox-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdir(in_root(folders[i]), 0700), 0);
    make_file("run/file");
    make_file("corpus/file");
    make_file("other/file");
    assert_int_equal(symlink("../other/file", in_root("run/link")), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const struct sockaddr_un address = address_of("socket");
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    single = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(single >= 0);
    return 0;
}

static int remove_root(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_trials),
                                        cmocka_unit_test(test_lacking),
                                        cmocka_unit_test(test_a_filter_that_is_refused) };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
