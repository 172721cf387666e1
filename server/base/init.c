/* Process 1 gets every orphan, and libuv waits for its own children alone. So where the daemon
 * would be process 1, that stays a plain parent, which reaps and passes signals on, and the daemon
 * is its child. */
#include "server/base/init.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for all that have ended; when the daemon is one of them, so does this process. */
static void reap(pid_t daemon)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == daemon)
            _Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int init_stand_aside(struct err *err)
{
    sigset_t all, before;
    if (getpid() != 1)
        return 0;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t daemon = fork();
    if (daemon < 0)
        return err_errno(err, ERR_INTERNAL, "can't leave process 1 to others");
    if (daemon == 0) {
        setpgid(0, 0); /* a terminal's signal comes once: by process 1 */
        sigprocmask(SIG_SETMASK, &before, NULL);
        return 0;
    }
    for (;;) {
        int number = sigwaitinfo(&all, NULL);
        if (number == SIGCHLD)
            reap(daemon);
        else if (number > 0)
            kill(daemon, number);
    }
}
