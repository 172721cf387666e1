/* line: jobs that take long, so many at a time.
 *
 * The pool has four threads (libuv's default), and what is answered within milliseconds goes
 * through it. So what may take seconds, or waits for a disk, stands in line: at most `width` of a
 * line's jobs have a thread, and the others wait without one, in the order in which they came. When
 * the daemon ends, those that wait are given up, and those that run are asked to stop.
 *
 * Loop thread, but for line_closing.
 */
#ifndef ABLATE_SERVER_LINE_H
#define ABLATE_SERVER_LINE_H

#include "server/jobs/work.h"

#include <stdatomic.h>

struct line {
    struct work *work;
    size_t width, running;
    struct job *first, **end; /* those that wait */
    atomic_bool closing;
};

void line_init(struct line *line, struct work *work, size_t width);
/* As work_pool, when it is the job's turn. A line that is closing ends it with UNAVAILABLE. */
void line_join(struct line *line, struct job *job);
/* Those that wait end now, with UNAVAILABLE. */
void line_close(struct line *line);
/* Whether a job that runs had better stop. Any thread. */
bool line_closing(const struct line *line);

#endif
