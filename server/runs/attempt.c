/* Before the keeper starts: the folder, spec.json, launch.json, log.txt. After it has gone: the
 * lock, what log.txt and exit.json say, and the decision about the run. */
#include "server/runs/attempt.h"

#include "common/base/digest.h"
#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "server/runs/forgotten.h"
#include "server/runs/ingest.h"
#include "server/runs/ingest_file.h"
#include "server/runs/owner.h"
#include "server/store/curves/store_replay.h"
#include "server/store/runs/store_audits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void attempt_path(const struct datadir *datadir, int64_t run, int64_t attempt, char ret[PATH_MAX])
{
    datadir_path(datadir, ret, "runs/%lld/attempts/%lld", (long long)run, (long long)attempt);
}

/* before */

/* Where a verification leaves its checkpoints and artifacts, so that the run keeps its own. */
static void out_path(const struct datadir *datadir, int64_t run, int64_t attempt,
                     char ret[PATH_MAX])
{
    datadir_path(datadir, ret, "runs/%lld/attempts/%lld/out", (long long)run, (long long)attempt);
}

static int64_t threads_of(const char *spec, int64_t otherwise)
{
    json_t *root = NULL;
    if (jsonx_load(spec, strlen(spec), &root, NULL) != 0)
        return otherwise;
    int64_t n = json_integer_value(json_object_get(json_object_get(root, "train"), "threads"));
    json_decref(root);
    return n > 0 ? n : otherwise;
}

static int write_launch(const struct datadir *datadir, const struct claim *claim, const char *dir,
                        int64_t threads, struct err *err)
{
    char path[PATH_MAX + 16], *text = NULL;
    struct launch *launch = calloc(1, sizeof *launch);
    if (launch == NULL)
        return err_no_memory(err, "a launch file");
    launch->run = claim->run;
    launch->attempt = claim->attempt;
    launch->threads = threads_of(claim->spec, threads);
    launch->memory_bytes = claim->memory_bytes;
    launch->steps = claim->steps;
    launch->audits = claim->audits;
    launch->replays = claim->replays;
    memcpy(launch->token, claim->token, sizeof launch->token);
    datadir_path(datadir, launch->socket, "worker.sock");
    if (claim->verify)
        out_path(datadir, claim->run, claim->attempt, launch->out);
    else
        datadir_path(datadir, launch->out, "runs/%lld", (long long)claim->run);
    datadir_path(datadir, launch->spec, "runs/%lld/spec.json", (long long)claim->run);
    if (claim->dataset_digest[0] != '\0')
        datadir_path(datadir, launch->dataset, "datasets/%s", claim->dataset_digest);
    int status = launch_encode(launch, &text, err);
    snprintf(path, sizeof path, "%s/launch.json", dir);
    if (status == 0)
        status = files_write(path, text, strlen(text), 0600, err);
    free(text);
    free(launch);
    return status;
}

int attempt_prepare(const struct datadir *datadir, const struct claim *claim, int64_t threads,
                    int *ret_log, struct err *err)
{
    char dir[PATH_MAX], path[PATH_MAX + 16];
    attempt_path(datadir, claim->run, claim->attempt, dir);
    int status = files_make_folder(dir, err);
    datadir_path(datadir, path, "runs/%lld/spec.json", (long long)claim->run);
    if (status == 0)
        status = files_write(path, claim->spec, strlen(claim->spec), 0600, err);
    if (status == 0 && claim->verify) {
        out_path(datadir, claim->run, claim->attempt, path);
        status = files_make_folder(path, err);
    }
    if (status == 0)
        status = write_launch(datadir, claim, dir, threads, err);
    if (status != 0)
        return status;
    snprintf(path, sizeof path, "%s/log.txt", dir);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    *ret_log = log;
    return 0;
}

int attempt_check_artifacts(const struct datadir *datadir, const struct claim *claim,
                            struct attempt_damage *ret, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < claim->artifacts_n && status == 0; i++) {
        const struct artifact_row *row = &claim->artifacts[i];
        struct attempt_damage found = { 0 };
        struct stat info;
        char path[PATH_MAX];
        datadir_path(datadir, path, "runs/%lld/artifacts/%s", (long long)claim->run, row->name);
        bool there = lstat(path, &info) == 0;
        if (there && S_ISREG(info.st_mode))
            status = digest_file(path, found.got, err);
        else if (!there && errno != ENOENT)
            status = err_errno(err, ERR_UNAVAILABLE, "can't look at %s", path);
        if (status != 0 || strcmp(found.got, row->sha256) == 0)
            continue;
        memcpy(found.name, row->name, sizeof found.name);
        memcpy(found.stored, row->sha256, sizeof found.stored);
        *ret = found;
        break;
    }
    return status;
}

/* after */

/* Whether there is no such file to be had, now or later: no folder, or something else lies there.
 */
static bool is_none(int code)
{
    return code == ENOENT || code == ENOTDIR || code == EISDIR;
}

/* Takes the attempt's lock for settling it, so that a keeper that starts late finds it taken. *ret
 * is −1 when no lock can exist there, since the folder doesn't. A folder that can't be read may
 * belong to a worker that lives. Errors: RUNNING when a worker holds the lock, UNAVAILABLE. */
static int take_lock(const char *dir, int *ret, struct err *err)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), status = 0;
    if (fd < 0 && !is_none(errno))
        return err_errno(err, errno == ENOSPC || errno == EDQUOT ? ERR_DISK_FULL : ERR_UNAVAILABLE,
                         "can't open %s", path);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK ? err_set(err, ERR_RUNNING, "the worker in %s lives", dir)
                                      : err_errno(err, ERR_UNAVAILABLE, "can't lock %s", path);
        close(fd);
    }
    if (status == 0)
        *ret = fd;
    return status;
}

/* The pid that a keeper writes into the lock it has taken; 0 = it hasn't yet. */
static int64_t read_pid(const char *dir)
{
    char path[PATH_MAX + 16], text[24] = "";
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return len > 0 ? strtoll(text, NULL, 10) : 0;
}

/* Lets go. A settled attempt's lock gets a line, by which a keeper that starts late sees that its
 * attempt is over. */
static void close_lock(int lock, bool settled)
{
    struct stat info;
    if (lock < 0)
        return;
    if (settled && fstat(lock, &info) == 0 && info.st_size == 0)
        dprintf(lock, "0\n");
    close(lock);
}

/* A log line is logfmt: its message alone says enough; one for information alone says nothing. */
static void take_message(char *line)
{
    char *message = strstr(line, " msg=\""), *to = line;
    const char *info = strstr(line, " level=info ");
    if (message == NULL)
        return;
    if (info != NULL && info < message)
        message = line + strlen(line);
    else
        message += 6;
    for (; *message != '\0' && *message != '"'; message++) {
        if (*message == '\\' && message[1] != '\0')
            message++;
        *to++ = *message;
    }
    *to = '\0';
}

/* The last line that isn't blank, as text that may stand in JSON. */
static void read_last_line(const char *dir, char *ret, size_t size)
{
    char path[PATH_MAX + 16], tail[2048];
    snprintf(path, sizeof path, "%s/log.txt", dir);
    ret[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END), room = sizeof tail - 1;
    ssize_t len = pread(fd, tail, sizeof tail - 1, end > room ? end - room : 0);
    close(fd);
    while (len > 0 && (unsigned char)tail[len - 1] <= ' ')
        len--;
    tail[len > 0 ? len : 0] = '\0';
    char *line = strrchr(tail, '\n');
    line = line != NULL ? line + 1 : tail;
    take_message(line);
    json_t *valid = json_string(line);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (valid == NULL && (unsigned char)*c >= 0x7f))
            *c = '?';
    json_decref(valid);
    snprintf(ret, size, "%.*s", (int)jsonx_prefix(line, size - 1), line);
}

static void say_exit(const struct attempt_facts *facts, struct attempt_verdict *ret)
{
    const struct launch_exit *exit = facts->exit;
    if (exit->ended[0] != '\0') {
        snprintf(ret->outcome, sizeof ret->outcome, "ended by its keeper");
        snprintf(ret->reason, sizeof ret->reason, "ended by its keeper: %s", exit->ended);
    } else if (exit->oom) {
        bool said = exit->exited && facts->last_line[0] != '\0';
        snprintf(ret->outcome, sizeof ret->outcome, "out of memory");
        snprintf(ret->reason, sizeof ret->reason,
                 "out of memory: the trainer held %.0f MiB at its peak%s%s",
                 (double)exit->max_rss_bytes / 1048576.0, said ? ": " : "",
                 said ? facts->last_line : "");
    } else if (exit->exited) {
        snprintf(ret->outcome, sizeof ret->outcome, "exit %d", exit->status);
        snprintf(ret->reason, sizeof ret->reason, "exit status %d%s%s", exit->status,
                 facts->last_line[0] != '\0' ? ": " : "", facts->last_line);
    } else {
        const char *name = sigabbrev_np(exit->status), *what = sigdescr_np(exit->status);
        snprintf(ret->outcome, sizeof ret->outcome, "signal SIG%s", name != NULL ? name : "?");
        snprintf(ret->reason, sizeof ret->reason, "killed by SIG%s (%s)", name != NULL ? name : "?",
                 what != NULL ? what : "an unknown signal");
    }
}

static void say_lost(const struct attempt_facts *facts, struct attempt_verdict *ret)
{
    int number = facts->end->keeper_signal;
    const char *name = sigabbrev_np(number);
    snprintf(ret->outcome, sizeof ret->outcome, "lost");
    if (facts->end->silent_ms > 0)
        snprintf(ret->reason, sizeof ret->reason,
                 "nothing was heard of the worker for %lld s, and it was killed",
                 (long long)facts->end->silent_ms / 1000);
    else if (number != 0)
        snprintf(ret->reason, sizeof ret->reason, "the worker was killed by SIG%s",
                 name != NULL ? name : "?");
    else
        snprintf(ret->reason, sizeof ret->reason, "the worker vanished%s%s",
                 facts->last_line[0] != '\0' ? ": " : " without a word", facts->last_line);
}

static void say_more(struct attempt_verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say_more(struct attempt_verdict *verdict, const char *format, ...)
{
    size_t len = strlen(verdict->reason);
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason + len, sizeof verdict->reason - len, format, args);
    va_end(args);
}

/* The trainer died of SIGTERM before it handled that signal, as on a machine that is being switched
 * off. A moment later it would have stopped by itself, which counts as no attempt; nor does
 * this. */
static bool was_told_to_end(const struct launch_exit *exit)
{
    return exit != NULL && !exit->exited && exit->status == SIGTERM;
}

void attempt_judge(const struct attempt_facts *facts, struct attempt_verdict *ret)
{
    const struct attempt_end *end = facts->end;
    *ret = (struct attempt_verdict){ .counts = true };
    if (end->failure[0] != '\0') {
        snprintf(ret->outcome, sizeof ret->outcome, "not started");
        snprintf(ret->reason, sizeof ret->reason, "could not be started: %s", end->failure);
        ret->counts = !end->transient;
    } else if (facts->exit != NULL) {
        say_exit(facts, ret);
    } else {
        say_lost(facts, ret);
    }
    if (end->forgotten) {
        say_more(ret, "; the store had forgotten it");
        ret->counts = false;
    }
    if (facts->damage[0] != '\0')
        say_more(ret, "; its events can't be read to their end: %s", facts->damage);
    if (facts->cancel) {
        ret->next = RUN_CANCELLED;
        snprintf(ret->reason, sizeof ret->reason, "cancelled");
    } else if (end->stop == STOP_SHUTDOWN || !ret->counts || was_told_to_end(facts->exit)) {
        ret->next = RUN_QUEUED;
        ret->counts = false;
    } else if (facts->attempt < facts->max_attempts) {
        ret->next = RUN_QUEUED;
        say_more(ret, "; attempt %lld of %lld follows", (long long)facts->attempt + 1,
                 (long long)facts->max_attempts);
    } else {
        ret->next = RUN_FAILED;
        if (facts->max_attempts > 1)
            say_more(ret, ", in the last of %lld attempts", (long long)facts->max_attempts);
    }
}

/* Nothing was trained: the run's own file decides. */
static int conclude_damaged(struct store *store, const struct attempt_row *row, int64_t step,
                            const struct attempt_damage *damage, struct err *err)
{
    int status = replay_file(store, row->run, row->attempt, step, damage->name, damage->stored,
                             damage->got, err);
    return status == 0
               ? store_attempt_end(store, row->run, row->attempt, RUN_SUCCEEDED, "", "", err)
               : status;
}

/* dir NULL: nothing can be told from it. */
static int conclude(struct store *store, const char *dir, const struct attempt_row *row,
                    const struct attempt_end *end, const char *damage,
                    struct attempt_verdict *verdict, struct err *err)
{
    struct run_row run = { 0 };
    struct launch_exit exit;
    struct err ignored;
    char last_line[400] = "";
    int status = store_run_get(store, row->run, &run, err);
    if (status != 0)
        return status;
    bool verify = attempt_verifies(row);
    if (end->damaged.name[0] != '\0' && !run.verify.cancel) {
        status = conclude_damaged(store, row, run.step, &end->damaged, err);
        run_row_done(&run);
        return status;
    }
    if (dir != NULL)
        read_last_line(dir, last_line, sizeof last_line);
    bool left_word = dir != NULL && launch_exit_read(dir, &exit, &ignored) == 0;
    const struct attempt_facts facts = {
        .end = end,
        .cancel = verify ? run.verify.cancel : run.cancel,
        .attempt = row->attempt,
        .max_attempts = verify ? 0 : run.max_attempts,
        .exit = left_word ? &exit : NULL,
        .last_line = last_line,
        .damage = damage,
    };
    attempt_judge(&facts, verdict);
    run_row_done(&run);
    if (!verdict->counts && !verify)
        status = store_run_forgive(store, row->run, err);
    if (status == 0)
        status = store_attempt_end(store, row->run, row->attempt, verdict->next, verdict->outcome,
                                   verdict->reason, err);
    return status;
}

int attempt_settle(struct store *store, const struct datadir *datadir, int64_t run, int64_t attempt,
                   const struct attempt_end *end, struct attempt_found *ret, struct err *err)
{
    char dir[PATH_MAX];
    struct attempt_row row = { 0 };
    struct attempt_found found = { 0 };
    bool settled = false, strange = false;
    int lock = -1;
    struct err damage = { 0 };
    attempt_path(datadir, run, attempt, dir);
    int status = owner_is_strange(store, datadir, run, &strange, err);
    if (status == 0 && !strange)
        status = take_lock(dir, &lock, err);
    if (status == -ERR_RUNNING) {
        status = end->forgotten ? forgotten_admit(store, datadir, dir, run, attempt, err) : 0;
        if (status == 0)
            *ret = (struct attempt_found){ .alive = true, .pid = read_pid(dir) };
        return status;
    }
    if (status == 0)
        status = store_attempt_get(store, run, attempt, &row, err);
    if (strange) {
        err_set(&damage, ERR_PROTOCOL, "the run's folder is one of another run or database");
    } else if (status == 0 && row.ended_at == 0) {
        status = ingest_file(store, dir, run, attempt, &found.more, &damage);
        if (status == -ERR_PROTOCOL)
            status = 0; /* what stands before the damage counts */
        else if (status != 0 && err != NULL)
            *err = damage;
        else
            damage.message[0] = '\0';
    }
    if (status == 0 && !found.more) {
        attempt_row_done(&row);
        status =
            store_attempt_get(store, run, attempt, &row, err); /* its events may have ended it */
        if (status == 0 && row.ended_at == 0)
            status = conclude(store, strange ? NULL : dir, &row, end, damage.message,
                              &found.verdict, err);
        settled = status == 0;
    }
    if (settled && !strange && attempt_verifies(&row)) {
        char out[PATH_MAX];
        out_path(datadir, run, attempt, out);
        files_remove_folder(out);
    }
    attempt_row_done(&row);
    close_lock(lock, settled);
    if (status == 0)
        *ret = found;
    return status;
}

bool attempt_kill(const struct datadir *datadir, int64_t run, int64_t attempt, pid_t pid)
{
    char dir[PATH_MAX], path[64], line[2 * PATH_MAX];
    if (pid <= 1)
        return false;
    attempt_path(datadir, run, attempt, dir);
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, line, sizeof line);
    close(fd);
    /* The arguments end with NULs: the folder as one whole argument. */
    if (len <= 0 || memmem(line, (size_t)len, dir, strlen(dir) + 1) == NULL)
        return false;
    return kill(-pid, SIGKILL) == 0;
}
