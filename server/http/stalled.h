/* stalled: answers for a loop that stands still.
 *
 * Whoever connects meanwhile would wait in the kernel's queue for as long as it takes. The watching
 * thread takes such connections and says 503 on each, /healthz or not: that the daemon stands
 * still, and for how long. Any thread.
 */
#ifndef ABLATE_SERVER_STALLED_H
#define ABLATE_SERVER_STALLED_H

/* The socket that connections come from, which stays the caller's; −1: there is none any more. */
void stalled_listen(int fd);
/* The loop has been standing still for so long: takes who has come, answers who came before. */
void stalled_answer(double seconds);
/* It turns again: answers the rest. */
void stalled_over(void);

#endif
