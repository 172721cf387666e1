/* work_beside: the jobs beside the writer (work.h): of readers and of the pool, and those that a
 * timer holds. None of these functions blocks.
 */
#ifndef ABLATE_SERVER_WORK_BESIDE_H
#define ABLATE_SERVER_WORK_BESIDE_H

#include "server/jobs/work.h"

/* Queues a job for a reader. */
void work_read(struct work *work, struct job *job);
/* Queues a job without a store (NULL is given to run) on the pool: for files. */
void work_pool(struct work *work, struct job *job);
/* Calls job->done (no run) on the loop thread after ms milliseconds, or earlier when the work
 * closes. */
void work_later(struct work *work, struct job *job, int64_t ms);
/* The same, soon, for a job whose time hasn't come. */
void work_hurry(struct job *job);
/* Ends all delays now, as if their time had come: the work closes. */
void work_end_delays(struct work *work);

#endif
