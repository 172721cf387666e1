/* An events file is read line by line and written anew with its log lines, under the `hold` lock.
 * A file of more lines than the store has acknowledged is left as it is. */
#include "server/retention/compact.h"

#include "common/base/buf.h"
#include "common/base/files.h"
#include "server/runs/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 64, LOG_BYTES = 64 << 20 /* more log than this is left where it is */ };

static const char log_line[] = "{\"type\":\"log\"";

void compact_done(struct compact *c)
{
    free(c->files);
    free(c->strange);
    free(c->stored);
    *c = (struct compact){ 0 };
}

int compact_list(struct compact *c, struct store *store, const struct datadir *datadir,
                 int64_t ended_before_ms, struct err *err)
{
    compact_done(c);
    int status = store_events_files(store, ended_before_ms, FILES, &c->files, &c->n, err);
    if (status == 0 && ((c->strange = calloc(c->n + 1, sizeof *c->strange)) == NULL ||
                        (c->stored = calloc(c->n + 1, sizeof *c->stored)) == NULL))
        status = err_no_memory(err, "a list of attempts");
    for (size_t i = 0; i < c->n && status == 0; i++)
        status = owner_is_strange(store, datadir, c->files[i].run, &c->strange[i], err);
    if (status != 0)
        compact_done(c);
    return status;
}

/* Appends the log lines of a file to `log`; returns how many lines there are of all kinds, and −1
 * when it can't be read to its end. */
static int64_t read_log(FILE *file, struct buf *log)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int64_t lines = 0;
    while ((len = getline(&line, &room, file)) > 0 && line[len - 1] == '\n') {
        if (strncmp(line, log_line, sizeof log_line - 1) == 0)
            buf_add(log, line, (size_t)len);
        lines++;
    }
    free(line);
    return ferror(file) ? -1 : lines;
}

static int compact_one(const struct events_file *events, const struct datadir *datadir,
                       bool *ret_stored, struct err *err)
{
    char path[PATH_MAX];
    struct buf log;
    int status = 0;
    datadir_path(datadir, path, "runs/%lld/attempts/%lld/events.ndjson", (long long)events->run,
                 (long long)events->attempt);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        *ret_stored = errno == ENOENT;
        return 0;
    }
    buf_init(&log, LOG_BYTES);
    int64_t lines = read_log(file, &log);
    if (lines < 0)
        status = err_errno(err, ERR_STORAGE, "can't read %s", path);
    else if (log.failed && !log.full)
        status = err_no_memory(err, "the log lines of %s", path);
    fclose(file);
    bool stored = lines <= events->acked_seq && !log.failed;
    if (status == 0 && stored)
        status = files_write(path, log.data != NULL ? log.data : "", log.len, 0600, err);
    if (status == 0)
        *ret_stored = stored;
    buf_done(&log);
    return status;
}

int compact_files_of(struct compact *c, const struct datadir *datadir, struct err *err)
{
    int hold = datadir_hold(datadir, err), status = 0;
    if (hold < 0)
        return hold;
    for (size_t i = 0; i < c->n && status == 0; i++)
        if (!c->strange[i])
            status = compact_one(&c->files[i], datadir, &c->stored[i], err);
    close(hold);
    return status;
}

int compact_mark(struct compact *c, struct store *store, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < c->n && status == 0; i++)
        status = store_events_file_put(store, &c->files[i], c->stored[i], err);
    return status;
}
