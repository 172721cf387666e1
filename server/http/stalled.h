/* stalled: answers for a loop that stands still.
 *
 * Clients that connect meanwhile would wait in the kernel's queue until the loop turns again. The
 * thread that watches the loop accepts their connections and answers each with 503, whatever it
 * asks for: the daemon stands still, and for how long. Any thread.
 */
#ifndef ABLATE_SERVER_STALLED_H
#define ABLATE_SERVER_STALLED_H

/* The socket that connections come from, which stays the caller's; −1: there is none any more. */
void stalled_listen(int fd);
/* The loop has been standing still for so long: accepts what has connected, and answers what was
 * accepted by the call before. */
void stalled_answer(double seconds);
/* The loop turns again: answers what was accepted and not answered yet. */
void stalled_over(void);

#endif
