#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock. Rights are bits that newer kernels added to; what Debian 12's headers don't name yet
 * stands here by number (include/uapi/linux/landlock.h). */

enum { TRUNCATE_ABI = 3, TCP_ABI = 4, DEVICE_ABI = 5, SCOPE_ABI = 6 };
#define RIGHT_REFER    ((uint64_t)1 << 13)
#define RIGHT_TRUNCATE ((uint64_t)1 << 14)
#define RIGHT_DEVICE   ((uint64_t)1 << 15)
#define TCP_RIGHTS     ((uint64_t)3) /* bind, connect */
#define SCOPE_RIGHTS   ((uint64_t)3) /* abstract Unix sockets, signals */

struct ruleset {
    uint64_t files, tcp, scope;
};

static const struct {
    int abi;
    struct ruleset adds;
} known[] = {
    { 1, { .files = RIGHT_REFER - 1 } },           { 2, { .files = RIGHT_REFER } },
    { TRUNCATE_ABI, { .files = RIGHT_TRUNCATE } }, { TCP_ABI, { .tcp = TCP_RIGHTS } },
    { DEVICE_ABI, { .files = RIGHT_DEVICE } },     { SCOPE_ABI, { .scope = SCOPE_RIGHTS } },
};

#define READ_RIGHTS ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR))
#define WRITE_RIGHTS                                                                               \
    ((uint64_t)(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
                LANDLOCK_ACCESS_FS_MAKE_REG) |                                                     \
     RIGHT_REFER | RIGHT_TRUNCATE)
/* All that can be asked of a file that isn't a folder. */
#define FILE_RIGHTS                                                                                \
    ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) | RIGHT_TRUNCATE)

/* What the kernel and the C library tell of the machine. */
static const char *const machine[] = {
    "/proc/self/exe",          "/proc/stat", "/proc/cpuinfo", "/proc/meminfo",
    "/sys/devices/system/cpu", NULL,
};

/* A path that isn't there needs no right. */
static int allow(int rules, const char *path, uint64_t rights, struct err *err)
{
    struct stat about;
    int fd = open(path, O_PATH | O_CLOEXEC), status = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_STORAGE, "can't open %s", path);
    if (fstat(fd, &about) == 0 && !S_ISDIR(about.st_mode))
        rights &= FILE_RIGHTS;
    const struct landlock_path_beneath_attr beneath = { .allowed_access = rights, .parent_fd = fd };
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
        status = err_errno(err, ERR_INTERNAL, "no Landlock rule for %s", path);
    close(fd);
    return status;
}

static int allow_all(int rules, const char *const *paths, uint64_t rights, struct err *err)
{
    int status = 0;
    for (size_t i = 0; paths[i] != NULL && status == 0; i++)
        if (paths[i][0] != '\0')
            status = allow(rules, paths[i], rights, err);
    return status;
}

enum { FORBIDDEN = -1 };

/* *ret_abi: what the kernel knows, 0 = nothing; FORBIDDEN = a filter lets nobody ask. */
static int restrict_files(const struct sandbox *sandbox, int *ret_abi, struct err *err)
{
    struct ruleset handled = { 0 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *ret_abi = abi > 0 ? (int)abi : errno == EPERM ? FORBIDDEN : 0;
    if (abi <= 0)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (abi >= known[i].abi) {
            handled.files |= known[i].adds.files;
            handled.tcp |= known[i].adds.tcp;
            handled.scope |= known[i].adds.scope;
        }
    /* Older kernels take a larger structure when what they don't know is 0. */
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (rules < 0)
        return err_errno(err, ERR_INTERNAL, "no Landlock ruleset");
    uint64_t write = (READ_RIGHTS | WRITE_RIGHTS) & handled.files;
    int status = allow_all(rules, sandbox->writable, write, err);
    if (status == 0)
        status = allow_all(rules, sandbox->readable, READ_RIGHTS, err);
    if (status == 0)
        status = allow_all(rules, machine, READ_RIGHTS, err);
    if (status == 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        status = err_errno(err, ERR_INTERNAL, "Landlock refuses");
    close(rules);
    return status;
}

/* seccomp. What a trainer, its C library, OpenBLAS and a sanitizer call; another architecture may
 * lack some. Everything else fails with EPERM. */
static const char *const calls[] = {
    /* memory and threads */
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "exit",
    "exit_group",
    "futex",
    "futex_waitv",
    "get_robust_list",
    "getcpu",
    "getpid",
    "getppid",
    "getrandom",
    "getrusage",
    "gettid",
    "gettimeofday",
    "madvise",
    "membarrier",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "sysinfo",
    "time",
    "uname",
    /* files: where, is Landlock's business */
    "access",
    "close",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents64",
    "lseek",
    "lstat",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "pread64",
    "preadv",
    "pwrite64",
    "pwritev",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "stat",
    "statfs",
    "statx",
    "umask",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    /* the daemon's connection, which the keeper makes (door.h) */
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "pipe2",
    "poll",
    "ppoll",
    "pselect6",
    "recvfrom",
    "recvmsg",
    "select",
    "sendmsg",
    "sendto",
};

/* Calls whose arguments decide: each row allows one shape. A signal has more roads than kill: by
 * tgkill, and by the owner of a descriptor (F_SETOWN, FIOSETOWN), whom the kernel then signals. */
static int add_conditions(scmp_filter_ctx filter)
{
    const struct {
        int call;
        struct scmp_arg_cmp when;
    } shapes[] = {
        { SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) },
        { SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0) }, /* to read */
        { SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0) },
        { SCMP_SYS(prctl),
          SCMP_A0(SCMP_CMP_NE, PR_SET_PDEATHSIG, 0) }, /* it dies with its keeper */
        { SCMP_SYS(fchmod), SCMP_A1(SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0) },
        { SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_LE, F_SETLKW, 0) },
        { SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0) },
        { SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS, 0) }, /* is it a terminal? */
        { SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0) },
        { SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0) },
    };
    /* clone3's flags lie in memory; the C library then takes clone */
    int status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && status == 0; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, shapes[i].call, 1, shapes[i].when);
    return status;
}

/* false: the kernel has none. */
static bool restrict_calls(struct err *err, int *ret_status)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int status = filter == NULL ? -ENOMEM
                                /* the kernel's own errors, to tell one that lacks it */
                                : seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    if (status == 0)
        status = add_conditions(filter);
    for (size_t i = 0; i < sizeof calls / sizeof *calls && status == 0; i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);
        status = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    bool lacking = status == -ENOSYS || status == -EINVAL;
    *ret_status = status == 0 || lacking
                      ? 0
                      : err_set(err, ERR_INTERNAL, "no seccomp filter: %s", strerror(-status));
    return status == 0;
}

int sandbox_enter(const struct sandbox *sandbox, char *said, size_t size, struct err *err)
{
    int abi = 0, status;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(err, ERR_INTERNAL, "can't give up privileges");
    status = restrict_files(sandbox, &abi, err);
    if (status != 0)
        return status;
    bool filtered = restrict_calls(err, &status);
    if (abi > 0)
        snprintf(said, size, "sandbox: files by Landlock %d, %s", abi,
                 filtered ? "network and system calls by seccomp"
                          : "but this kernel has no seccomp filters: the network isn't closed");
    else
        snprintf(said, size, "sandbox: %s no Landlock: files aren't restricted; %s",
                 abi == FORBIDDEN ? "a filter of system calls allows" : "this kernel has",
                 filtered ? "network and system calls by seccomp"
                          : "nor has it seccomp filters: nothing is");
    return status;
}
