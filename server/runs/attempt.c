#include "server/runs/attempt.h"

#include "common/files.h"
#include "common/launch.h"
#include "server/runs/ingest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void attempt_dir(const struct datadir *datadir, int64_t run, int64_t attempt, char ret[PATH_MAX])
{
    datadir_path(datadir, ret, "runs/%lld/attempts/%lld", (long long)run, (long long)attempt);
}

int attempt_prepare(const struct datadir *datadir, const struct claim *claim, int64_t threads,
                    struct err *err)
{
    char dir[PATH_MAX], path[PATH_MAX + 32], *text = NULL;
    struct launch launch = {
        .run = claim->run,
        .attempt = claim->attempt,
        .threads = claim->threads > 0 ? claim->threads : threads,
        .memory_bytes = claim->memory_bytes,
        .steps = claim->steps,
    };
    memcpy(launch.token, claim->token, sizeof launch.token);
    datadir_path(datadir, launch.socket, "worker.sock");
    datadir_path(datadir, launch.spec, "runs/%lld/spec.json", (long long)claim->run);
    datadir_path(datadir, launch.out, "runs/%lld", (long long)claim->run);
    if (claim->dataset_digest[0] != '\0')
        datadir_path(datadir, launch.dataset, "datasets/%s", claim->dataset_digest);
    attempt_dir(datadir, claim->run, claim->attempt, dir);
    int status = files_make_folder(dir, err);
    if (status == 0)
        status = files_write(launch.spec, claim->spec, strlen(claim->spec), 0600, err);
    if (status == 0)
        status = launch_encode(&launch, &text, err);
    snprintf(path, sizeof path, "%s/launch.json", dir);
    if (status == 0)
        status = files_write(path, text, strlen(text), 0600, err);
    free(text);
    return status;
}

bool attempt_alive(const char *dir)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool alive = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    return alive;
}

/* The last line of log.txt: what the process said when it ended. */
static void last_words(const char *dir, char *ret, size_t size)
{
    char path[PATH_MAX + 8], tail[1024];
    snprintf(path, sizeof path, "%s/log.txt", dir);
    ret[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, tail, sizeof tail - 1,
                      end > (off_t)sizeof tail - 1 ? end - (off_t)sizeof tail + 1 : 0);
    close(fd);
    while (n > 0 && tail[n - 1] == '\n')
        n--;
    if (n <= 0)
        return;
    tail[n] = '\0';
    const char *line = strrchr(tail, '\n');
    snprintf(ret, size, ": %.300s", line != NULL ? line + 1 : tail);
}

/* outcome: a word or two for the attempts table; reason: a sentence for people. */
static void describe(const char *dir, const char *fallback, char outcome[64], char reason[512])
{
    struct launch_exit end;
    char words[320];
    last_words(dir, words, sizeof words);
    if (launch_exit_read(dir, &end, NULL) != 0) {
        snprintf(outcome, 64, "lost");
        snprintf(reason, 512, "%s%s", fallback, words);
    } else if (end.oom) {
        snprintf(outcome, 64, "out of memory");
        snprintf(reason, 512, "out of memory (peak %lld MiB)%s",
                 (long long)(end.max_rss_bytes >> 20), words);
    } else if (end.exited) {
        snprintf(outcome, 64, "exit %d", end.status);
        snprintf(reason, 512, "the trainer ended with exit status %d%s", end.status, words);
    } else {
        const char *name = sigabbrev_np(end.status);
        snprintf(outcome, 64, "signal SIG%s", name != NULL ? name : "?");
        snprintf(reason, 512, "the trainer was killed by SIG%s%s", name != NULL ? name : "?",
                 words);
    }
}

int attempt_settle(struct store *store, const char *dir, int64_t run, int64_t attempt,
                   const char *fallback, struct err *err)
{
    struct attempt_row row = { 0 };
    struct run_row about = { 0 };
    char outcome[64], reason[512], full[560];
    int status = ingest_file(store, dir, run, attempt, err);
    if (status == -ERR_STORAGE || status == -ERR_DISK_FULL)
        return status;
    status = store_attempt_get(store, run, attempt, &row, err);
    free(row.environment);
    if (status != 0 || row.ended_at != 0)
        return status;
    status = store_run_get(store, run, &about, err);
    if (status != 0)
        return status;
    describe(dir, fallback, outcome, reason);
    enum run_state next = about.cancel                         ? RUN_CANCELLED
                          : about.attempt < about.max_attempts ? RUN_QUEUED
                                                               : RUN_FAILED;
    snprintf(full, sizeof full, "attempt %lld of %lld: %s", (long long)attempt,
             (long long)about.max_attempts, reason);
    status = store_attempt_end(store, run, attempt, next, outcome,
                               next == RUN_CANCELLED ? "cancelled" : full, err);
    run_row_done(&about);
    return status;
}
