/* work_priv: what work.c shows work_beside.c. */
#ifndef ABLATE_SERVER_WORK_PRIV_H
#define ABLATE_SERVER_WORK_PRIV_H

#include "server/jobs/work.h"

#include <pthread.h>

enum { READERS_MAX = 8 };

/* Jobs of one commit on their way back to the loop. */
struct outcome {
    struct job *first, *last;
    void *batch;
    struct outcome *next;
};

struct work {
    uv_loop_t *loop;
    struct work_hooks hooks;
    char *path;
    struct store *writer;
    pthread_t thread;
    uv_async_t wake; /* writer → loop */

    pthread_mutex_t lock; /* guards what stands between here and `readers` */
    pthread_cond_t arrived;
    struct job *first, *last; /* waiting for the writer */
    size_t waiting;           /* those, and the ones inside it */
    bool stopping, stopped;
    int64_t busy_since_ms; /* 0 = the writer sleeps */
    int64_t locked_at_ms;  /* when another process' lock was last in the way; 0 = never */
    int64_t commits;
    struct outcome *outcomes, **outcomes_end;
    struct err fatal;
    bool fatal_told;
    struct wal wal; /* as the writer last saw it */
    bool wal_news;

    struct store *readers[READERS_MAX]; /* idle read connections */
    size_t readers_n;
    size_t reading;      /* jobs on the pool */
    struct job *delayed; /* jobs that a timer holds */
    size_t timers;
    void (*closed)(void *);
    void *closed_arg;
};

/* Once it is to end: frees it when nothing is under way any more. */
void work_maybe_closed(struct work *work);

#endif
