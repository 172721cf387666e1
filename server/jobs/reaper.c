/* Each reaper waits for its own child whenever one of the process' children has ended: there are
 * few. The signal alone says nothing (those of several children are one). */
#include "server/jobs/reaper.h"

#include "server/base/watch.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_signal(uv_signal_t *signal, int number)
{
    struct reaper *reaper = (struct reaper *)(void *)signal; /* its first member */
    int status = 0;
    (void)number;
    if (reaper->pid == 0 || waitpid(reaper->pid, &status, WNOHANG) != reaper->pid)
        return;
    reaper->pid = 0;
    uv_signal_stop(signal);
    struct watch_mark mark = watch_enter("end of a process", "");
    reaper->ended(reaper, status);
    watch_leave(mark);
}

void reaper_watch(struct reaper *reaper, uv_loop_t *loop, pid_t pid,
                  void (*ended)(struct reaper *, int status))
{
    reaper->pid = pid;
    reaper->ended = ended;
    uv_signal_init(loop, &reaper->signal);
    uv_signal_start(&reaper->signal, on_signal, SIGCHLD);
    kill(getpid(), SIGCHLD); /* it may have ended before anybody listened */
}

void reaper_close(struct reaper *reaper, uv_close_cb closed)
{
    uv_close((uv_handle_t *)&reaper->signal, closed);
}
