/* After the SQL is let in SQLite reads pages (pread), maps more of the wal-index, and takes memory.
 * The reply goes out by the one descriptor that may be written. That the write-ahead log was opened
 * for reading alone is Landlock's doing; without Landlock, writing to it is still no call that is
 * left, nor is mapping it to be written. */
#include "server/query/walls.h"

#include "common/base/confine.h"
#include "server/store/store_query.h"

#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

enum {
    NICENESS = 5, /* after the daemon and people, before trainers */
    CPU_S = STORE_QUERY_MS / 1000 + 1,
    DESCRIPTORS = 16,
    BESIDE_HEAP = 256 << 20, /* programs, libraries, stack, the reply */
};

/* A sanitizer's own memory has no bound that one could name. */
#ifdef SANITIZED
static const rlim_t memory = RLIM_INFINITY;
#else
static const rlim_t memory = (rlim_t)STORE_QUERY_HEAP_BYTES + BESIDE_HEAP;
#endif

/* A process that can't say so is taken by its size, which is mostly the same. */
static void offer_itself(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        dprintf(fd, "1000");
    if (fd >= 0)
        close(fd);
}

int walls_limits(struct err *err)
{
    const struct {
        __rlimit_resource_t which;
        rlim_t soft, hard;
    } rows[] = {
        { RLIMIT_AS, memory, memory },
        { RLIMIT_CPU, CPU_S, CPU_S + 1 }, /* SIGXCPU tells what it was */
        { RLIMIT_FSIZE, 0, 0 },
        { RLIMIT_CORE, 0, 0 },
        { RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS },
    };
    offer_itself();
    setpriority(PRIO_PROCESS, 0, NICENESS);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct rlimit limit = { rows[i].soft, rows[i].hard };
        if (setrlimit(rows[i].which, &limit) != 0)
            return err_errno(err, ERR_INTERNAL, "the query's process can't be limited");
    }
    return 0;
}

int walls_files(const char *path, struct err *err)
{
    char log[PATH_MAX + 8], index[PATH_MAX + 8];
    snprintf(log, sizeof log, "%s-wal", path);
    snprintf(index, sizeof index, "%s-shm", path);
    const char *const readable[] = { path, log, index, NULL };
    int abi;
    return confine_files(&(struct confine_paths){ readable, false }, 1, &abi, err);
}

/* What stays as it is; other architectures lack some. A sanitizer calls more. */
static const char *const calls[] = {
#ifdef SANITIZED
    "gettid", "sigaltstack",
#endif
    "brk",    "clock_gettime", "exit",         "exit_group", "fstat",   "futex",
    "getpid", "getrandom",     "gettimeofday", "lseek",      "madvise", "mremap",
    "munmap", "pread64",       "rt_sigreturn", "time",       NULL,
};

static int add_shapes(void *filter)
{
    int status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                                  SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO, 0));
    if (status == 0) /* of what is open: a path may be looked at, but tells its size at most */
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                                  SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH, 0));
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                  SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    return status == 0 ? seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                          SCMP_A2(SCMP_CMP_EQ, PROT_READ, 0))
                       : status;
}

int walls_calls(struct err *err)
{
    bool filtered;
    return confine_calls(calls, add_shapes, &filtered, err);
}

bool walls_lack(char *ret, size_t size)
{
    int abi;
    bool filters;
    confine_look(&abi, &filters);
    const char *who =
        abi == CONFINE_FORBIDDEN ? "a filter of system calls allows" : "this kernel has";
    if (abi <= 0)
        snprintf(ret, size, "queries: %s no Landlock: %s", who,
                 filters ? "seccomp alone closes files to them"
                         : "nor has it seccomp filters: files, network and other processes are "
                           "closed to them by SQLite's authorizer alone");
    else if (!filters)
        snprintf(ret, size,
                 "queries: this kernel has no seccomp filters: network and other "
                 "processes are closed to them by SQLite's authorizer alone");
    return abi <= 0 || !filters;
}
