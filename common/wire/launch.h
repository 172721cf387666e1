/* launch: what the daemon tells a keeper: the file launch.json in the attempt's folder. */
#ifndef ABLATE_COMMON_LAUNCH_H
#define ABLATE_COMMON_LAUNCH_H

#include "common/base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct launch {
    int64_t run, attempt, threads, memory_bytes, steps;
    bool audits;            /* this run audits its arm at its grid point, for the other seeds too */
    bool replays;           /* and those of its arm: whether training repeats, and updates well */
    char token[65];         /* proves to the daemon that a worker belongs to this attempt */
    char socket[PATH_MAX];  /* the daemon's */
    char spec[PATH_MAX];    /* the frozen run spec */
    char dataset[PATH_MAX]; /* folder of the corpus; "" for synthetic tasks */
    char out[PATH_MAX];     /* the run's folder: checkpoints/ and artifacts/ go below */
};

/* Writes launch.json's text. *ret is the caller's (free). */
int launch_encode(const struct launch *launch, char **ret, struct err *err);
/* Reads attempt_dir/launch.json. Errors: STORAGE, BAD_DATA. */
int launch_read(const char *attempt_dir, struct launch *ret, struct err *err);

/* How an attempt's processes ended: the file exit.json, written by the keeper. */
struct launch_exit {
    int exited; /* 1 = by exit status */
    int status; /* exit status or signal */
    int oom; /* the kernel's out-of-memory killer is known to have struck, or memory was refused */
    double seconds;
    int64_t max_rss_bytes;
    char ended[256]; /* why the keeper itself has ended the trainer, as text; "" = it hasn't */
};
int launch_exit_encode(const struct launch_exit *info, char **ret, struct err *err);
/* Errors: NOT_FOUND when there is no exit.json, BAD_DATA. */
int launch_exit_read(const char *attempt_dir, struct launch_exit *ret, struct err *err);

enum { EXIT_OUT_OF_MEMORY = 71 }; /* a trainer's exit status when an allocation was refused */

#endif
