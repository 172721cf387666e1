/* ingest: the daemon's end of the workers' socket, and an attempt's lines on their way into the store.
 *
 *   ingest.c         connections, and lines out of bytes     ingest_greet.c   the first line of each
 *   ingest_lines.c   the others, to the writer and back      ingest_file.c    a line, and a file of them
 *
 * Frames lines on the loop thread, hands them to the writer (ingest_line), acks after COMMIT.
 * After a gap, a reconnection or a worker's end the missing lines are read from the attempt's
 * events.ndjson, by the writer thread, from acked_seq + 1. A connection whose writer backlog is too
 * long isn't read until it shrinks.
 */
#ifndef ABLATE_SERVER_INGEST_H
#define ABLATE_SERVER_INGEST_H

#include "server/jobs/work.h"

#include <uv.h>

struct ingest;
struct datadir;

/* Listens at worker.sock in the folder. datadir and work are borrowed. Loop thread, as all of
 * them. Errors: NO_MEMORY, STORAGE. */
int ingest_new(uv_loop_t *loop, const struct datadir *datadir, struct work *work,
               struct ingest **ret, struct err *err);
/* told(arg, run) whenever a trainer of that run has been let in. */
void ingest_on_welcome(struct ingest *ingest, void (*told)(void *arg, int64_t run), void *arg);
/* When something last came from the run's trainer, heartbeats included, on the monotonic clock;
 * now, while it is the daemon that doesn't read; 0 when it isn't connected. */
int64_t ingest_heard(const struct ingest *ingest, int64_t run);
/* Sends `stop` to the run's trainer if it is connected. Returns whether it was. */
bool ingest_stop(struct ingest *ingest, int64_t run, const char *reason);
void ingest_close(struct ingest *ingest, void (*closed)(void *), void *arg);

#endif
