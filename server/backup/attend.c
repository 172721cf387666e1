/* Parent and child. The parent blocks the signals that would end it and waits for one of them or
 * for the child: whichever comes, it leaves as that would have left the one process it stands for.
 */
#include "server/backup/attend.h"

#include "server/backup/target.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const int ends[] = { SIGTERM, SIGINT, SIGHUP };

/* Those that would end this process; nohup has one of them ignored. */
static void signals_that_end(sigset_t *ret)
{
    struct sigaction now;
    sigemptyset(ret);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (sigaction(ends[i], NULL, &now) != 0 || now.sa_handler != SIG_IGN)
            sigaddset(ret, ends[i]);
}

/* Ends as the signal would have ended it. */
_Noreturn static void end_by(int number)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    _Exit(128 + number);
}

_Noreturn static void attend(pid_t child, const char *target, const sigset_t *awaited)
{
    int status = 0, number;
    do
        number = sigwaitinfo(awaited, NULL);
    while (number < 0 || (number == SIGCHLD && waitpid(child, &status, WNOHANG) != child));
    if (number == SIGCHLD && WIFEXITED(status))
        _Exit(WEXITSTATUS(status)); /* it has tidied up, and said why */
    if (number != SIGCHLD) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    target_sweep(target);
    end_by(number != SIGCHLD ? number : WTERMSIG(status));
}

int backup_attend(const char *target, struct err *err)
{
    sigset_t awaited, before;
    signals_that_end(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        return err_errno(err, ERR_INTERNAL, "can't begin");
    if (child > 0)
        attend(child, target, &awaited);
    sigprocmask(SIG_SETMASK, &before, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _Exit(128 + SIGKILL); /* it died before we could ask to die with it */
    return 0;
}
