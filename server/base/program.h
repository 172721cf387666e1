/* program: another program as a child process: a run's worker, a query's process, gnuplot.
 *
 * The caller's thread waits until the program has replaced the child (exec), which takes some
 * milliseconds: not for the loop. The rest of the daemon goes on meanwhile, and its memory isn't
 * copied, however much it has (posix_spawn, for which glibc uses CLONE_VFORK).
 */
#ifndef ABLATE_SERVER_PROGRAM_H
#define ABLATE_SERVER_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct program {
    const char *path;        /* without a slash: looked for in PATH */
    const char *const *args; /* with its name, NULL at the end */
    const char *const *env;  /* NULL at the end; NULL = the daemon's */
    const char *folder;      /* that it starts in; NULL = the daemon's */
    int in, out, err;        /* descriptors that it gets as 0, 1, 2; -1 = /dev/null */
    bool session;            /* it leads a session of its own; otherwise a process group */
};

/* Its signals are as for any new program: none blocked, none ignored. What is open in the daemon
 * stays there (O_CLOEXEC). 0 and its pid, which the caller must wait for; else the errno. Any
 * thread. */
int program_start(const struct program *program, pid_t *ret_pid);

#endif
