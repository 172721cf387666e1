/* export: a file comes under a temporary name, FILE.part, and gets its own when it is whole. One that
 * was cut off is gone on with: from its length on (Range), if what is served is still the same
 * (If-Range, with the tag that stands in FILE.tag); a daemon that can't serves all of it anew. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/follow.h"
#include "server/client/terminal/say.h"
#include "server/client/terminal/units.h"

#include "common/base/clock.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TELL_MS = 100 };

struct save {
    struct call *call;
    char part[PATH_MAX], tag[PATH_MAX];
    int fd;        /* of the part; or standard output */
    bool seekable; /* it is a part that can be gone on with */
    int64_t had, got, told_ms;
    bool begun, tell, told, failed;
};

/* The first bytes of a reply: all of it anew, or what follows what is there. */
static bool begin(struct save *s, const struct http_reply *reply)
{
    s->begun = true;
    s->got = 0;
    if (!s->seekable)
        return true;
    char wanted[40];
    snprintf(wanted, sizeof wanted, "bytes %lld-", (long long)s->had);
    if (reply->status == 206 && strncmp(reply->range, wanted, strlen(wanted)) != 0)
        return false;
    if (reply->status == 200)
        s->had = 0;
    if (reply->etag[0] != '\0' && strncmp(reply->etag, "W/", 2) != 0)
        files_write(s->tag, reply->etag, strlen(reply->etag), 0600, NULL);
    else
        unlink(s->tag);
    return ftruncate(s->fd, s->had) == 0 && lseek(s->fd, s->had, SEEK_SET) == s->had;
}

static int on_bytes(void *arg, const struct http_reply *reply, const char *bytes, size_t len)
{
    struct save *s = arg;
    s->failed = s->failed || (!s->begun && !begin(s, reply));
    while (len > 0 && !s->failed) {
        ssize_t n = write(s->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        s->failed = n < 0;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
            s->got += n;
        }
    }
    return s->failed;
}

static int on_tick(void *arg, int64_t sent, int64_t received)
{
    struct save *s = arg;
    char line[80], bytes[UNITS_TEXT];
    (void)sent;
    (void)received;
    if (s->tell && s->begun && clock_mono_ms() - s->told_ms >= TELL_MS) {
        snprintf(line, sizeof line, "\r%s\033[K", units_bytes((double)(s->had + s->got), bytes));
        say_raw(stderr, line);
        s->told_ms = clock_mono_ms();
        s->told = true;
    }
    return follow_interrupted();
}

static int fetch(struct save *s, const char *path, struct err *err)
{
    char range[60], condition[200], *tag = NULL;
    size_t len = 0;
    struct stat info;
    s->begun = false;
    s->had = s->seekable && fstat(s->fd, &info) == 0 ? info.st_size : 0;
    if (s->had == 0 || files_read(s->tag, 128, &tag, &len, NULL) != 0)
        s->had = 0;
    snprintf(range, sizeof range, "Range: bytes=%lld-", (long long)s->had);
    snprintf(condition, sizeof condition, "If-Range: %s", tag != NULL ? tag : "");
    free(tag);
    const struct http_call one = { .method = "GET",
                                   .path = path,
                                   .headers = { s->had > 0 ? range : NULL, condition },
                                   .take = on_bytes,
                                   .tick = on_tick,
                                   .arg = s,
                                   .stream = true };
    errno = 0;
    int status = http_call(s->call->http, &one, NULL, err);
    if (s->failed)
        return errno != 0
                   ? err_errno(err, ERR_STORAGE, "can't write %s", s->part)
                   : err_set(err, ERR_PROTOCOL, "the daemon serves another part than was asked");
    if (status == 0 && !s->begun && s->seekable && ftruncate(s->fd, 0) != 0)
        status = err_errno(err, ERR_STORAGE, "can't write %s", s->part);
    return status;
}

/* Cut connections are gone on with, as long as bytes come; what can't be taken back isn't. */
static int fetch_all(struct save *s, const char *path, struct err *err)
{
    int64_t trouble_ms = 0;
    for (;;) {
        int status = fetch(s, path, err);
        if (status == 0 || s->failed || follow_interrupted() || (s->begun && !s->seekable))
            return status;
        if (s->begun && s->got > 0)
            trouble_ms = 0;
        if (!follow_wait(s->call, status, err, &trouble_ms))
            return status;
    }
}

static int to_file(struct save *s, const char *file, const char *path, struct err *err)
{
    if ((size_t)snprintf(s->part, sizeof s->part, "%s.part", file) >= sizeof s->part - 8)
        return err_set(err, ERR_USAGE, "--output is too long");
    snprintf(s->tag, sizeof s->tag, "%s.tag", file);
    s->fd = open(s->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0)
        return err_errno(err, ERR_STORAGE, "can't write %s", s->part);
    s->seekable = true;
    int status = fetch_all(s, path, err);
    if (status == 0 && (fsync(s->fd) != 0 || rename(s->part, file) != 0))
        status = err_errno(err, ERR_STORAGE, "can't write %s", file);
    if (status == 0)
        unlink(s->tag);
    close(s->fd);
    return status;
}

/* What is asked for, and the name of the file that it is kept in unless another is given. */
static int take_what(const struct call *call, int64_t id, struct buf *path, char *name, size_t size,
                     struct err *err)
{
    const char *what = call->option[OPTION_WHAT], *format = call->option[OPTION_FORMAT];
    bool capsule = what == NULL || strcmp(what, "capsule") == 0;
    static const enum option rest[] = { OPTION_ARM, OPTION_NAMES };
    if (capsule &&
        (format != NULL || call->option[OPTION_ARM] != NULL || call->option[OPTION_NAMES] != NULL))
        return err_set(err, ERR_USAGE,
                       "a capsule is all of the experiment, in one format: --format, "
                       "--arm and --names go with --what curves or runs");
    snprintf(name, size, "experiment-%lld%s%.20s.%.20s", (long long)id, capsule ? "" : "-",
             capsule ? "" : what,
             capsule                              ? "tar"
             : format == NULL                     ? "csv"
             : strcmp(format, "tensorboard") == 0 ? "tar"
                                                  : format);
    *path = path_of(capsule ? "/experiments/%lld/capsule" : "/experiments/%lld/export", id);
    if (!capsule)
        http_query(path, "what", what);
    if (format != NULL)
        http_query(path, "format", format);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (call->option[rest[i]] != NULL)
            http_query(path, option_table[rest[i]].name, call->option[rest[i]]);
    return strchr(name, '/') == NULL ? 0 : err_set(err, ERR_USAGE, "--what and --format are words");
}

int command_export(struct call *call, struct err *err)
{
    struct save *s = calloc(1, sizeof *s);
    const char *file = call->option[OPTION_OUTPUT];
    char name[100] = "", bytes[UNITS_TEXT];
    int64_t id = 0;
    if (s == NULL)
        return err_no_memory(err, "the export");
    int status = take_number("an experiment", call->operands[0], 1, 9007199254740991, &id, err);
    s->call = call;
    s->tell = say_columns(stderr) > 0;
    struct buf path = { 0 };
    if (status == 0)
        status = take_what(call, id, &path, name, sizeof name, err);
    bool standard = file != NULL && strcmp(file, "-") == 0;
    follow_catch();
    if (status == 0 && standard && say_columns(stdout) > 0)
        status = err_set(err, ERR_USAGE, "an export isn't for a terminal; give --output FILE");
    s->fd = STDOUT_FILENO;
    if (status == 0)
        status = standard ? fetch_all(s, path.data, err)
                          : to_file(s, file != NULL ? file : name, path.data, err);
    if (s->told)
        say_raw(stderr, "\r\033[K");
    if (follow_interrupted()) {
        say_aside("what has come is kept; the same command goes on with it");
        call->exit = 130;
        status = 0;
    } else if (status == 0 && !standard && call->option[OPTION_JSON] != NULL) {
        json_t *value = json_pack("{s:s,s:I}", "file", file != NULL ? file : name, "bytes",
                                  (json_int_t)(s->had + s->got));
        say_json(value);
        json_decref(value);
    } else if (status == 0 && !standard) {
        say("%s: %s\n", file != NULL ? file : name, units_bytes((double)(s->had + s->got), bytes));
    }
    buf_done(&path);
    free(s);
    return status;
}
