/* The lists: what of the machine a trainer may read, and which system calls it may make. How a list
 * is enforced stands in common/base/confine.c. */
#include "worker/process/sandbox.h"

#include "common/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the kernel and the C library tell of the machine. */
static const char *const machine[] = {
    "/proc/self/exe",          "/proc/stat", "/proc/cpuinfo", "/proc/meminfo",
    "/sys/devices/system/cpu", NULL,
};

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
    NULL,
};

/* Calls whose arguments decide: each row allows one shape. There are more ways to send a signal
 * than kill: tgkill, and naming the owner of a descriptor (F_SETOWN, FIOSETOWN), which the kernel
 * then signals. */
static int add_shapes(void *filter)
{
    const struct {
        int call;
        struct scmp_arg_cmp when;
    } shapes[] = {
        { SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD) },
        /* shared memory, and what grows as a stack does, aren't in its limit (RLIMIT_DATA) */
        { SCMP_SYS(mmap),
          SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED_VALIDATE | MAP_GROWSDOWN, MAP_PRIVATE) },
        { SCMP_SYS(seccomp), SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0) }, /* to seal it */
        { SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0) },                     /* to read */
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

static bool sealable; /* a filter stands, so the kernel has another */

int sandbox_seal(struct err *err)
{
    static const int closed[] = { SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(seccomp) };
    if (!sealable)
        return 0;
    /* allows all else, which the first filter still decides */
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int status = filter == NULL ? -ENOMEM : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < sizeof closed / sizeof *closed && status == 0; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), closed[i], 0);
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    return status == 0 ? 0
                       : err_set(err, ERR_INTERNAL, "no seccomp filter against further threads: %s",
                                 strerror(-status));
}

int sandbox_enter(const struct sandbox *sandbox, char *said, size_t size, struct err *err)
{
    const struct confine_paths lists[] = {
        { sandbox->writable, true },
        { sandbox->readable, false },
        { machine, false },
    };
    int abi = 0;
    bool filtered = false;
    int status = confine_files(lists, sizeof lists / sizeof *lists, &abi, err);
    if (status == 0)
        status = confine_calls(calls, add_shapes, &filtered, err);
    if (status != 0)
        return status;
    sealable = filtered;
    if (abi > 0)
        snprintf(said, size, "sandbox: files by Landlock %d, %s", abi,
                 filtered ? "network and system calls by seccomp"
                          : "but this kernel has no seccomp filters: the network isn't closed");
    else
        snprintf(said, size, "sandbox: %s no Landlock: files aren't restricted; %s",
                 abi == CONFINE_FORBIDDEN ? "a filter of system calls allows" : "this kernel has",
                 filtered ? "network and system calls by seccomp"
                          : "nor has it seccomp filters: nothing is");
    return 0;
}
