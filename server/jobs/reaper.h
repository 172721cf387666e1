/* reaper: tells the loop that a child process has ended (program.h starts them).
 *
 * Embed one in what stands for the process. Loop thread.
 */
#ifndef ABLATE_SERVER_REAPER_H
#define ABLATE_SERVER_REAPER_H

#include <sys/types.h>
#include <uv.h>

struct reaper {
    uv_signal_t signal; /* data is the owner's */
    pid_t pid;          /* 0 once it was waited for */
    void (*ended)(struct reaper *, int status);
};

/* A child of this process that nobody else waits for. ended(status as of waitpid) is called once,
 * from the loop, never in here; not after reaper_close. */
void reaper_watch(struct reaper *reaper, uv_loop_t *loop, pid_t pid,
                  void (*ended)(struct reaper *, int status));
/* Gives the handle back; closed is given &reaper->signal. A child that hasn't ended is left to
 * itself. */
void reaper_close(struct reaper *reaper, uv_close_cb closed);

#endif
