/* put: a corpus goes as it is read, with its length said before; what has none (a pipe) is put into
 * a temporary file first, so that the daemon can refuse it by its size before it has come. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/terminal/say.h"
#include "server/client/terminal/units.h"

#include "common/base/clock.h"
#include "common/json/jsonx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TELL_MS = 100 };

struct upload {
    int64_t bytes, told_ms;
    bool tell, told;
};

static int on_tick(void *arg, int64_t sent, int64_t received)
{
    struct upload *u = arg;
    char line[120], done[UNITS_TEXT], all[UNITS_TEXT];
    (void)received;
    if (!u->tell || clock_mono_ms() - u->told_ms < TELL_MS)
        return 0;
    u->told_ms = clock_mono_ms();
    u->told = true;
    if (sent < u->bytes)
        snprintf(line, sizeof line, "\r%3d %% of %s (%s)\033[K", (int)(100 * sent / u->bytes),
                 units_bytes((double)u->bytes, all), units_bytes((double)sent, done));
    else
        snprintf(line, sizeof line, "\rsent %s; the daemon reads it\033[K",
                 units_bytes((double)u->bytes, all));
    say_raw(stderr, line);
    return 0;
}

static int spool(FILE *from, FILE **ret, struct err *err)
{
    static char part[1 << 16];
    FILE *to = tmpfile();
    size_t n;
    if (to == NULL)
        return err_errno(err, ERR_STORAGE, "can't make a temporary file");
    while ((n = fread(part, 1, sizeof part, from)) > 0)
        if (fwrite(part, 1, n, to) != n)
            break;
    if (ferror(from) || ferror(to) || fflush(to) != 0) {
        int status = err_errno(err, ERR_STORAGE, "can't keep what comes in a temporary file");
        fclose(to);
        return status;
    }
    rewind(to);
    *ret = to;
    return 0;
}

/* *ret is to be closed; *ret_bytes are left to read of it. */
static int open_corpus(const char *path, FILE **ret, int64_t *ret_bytes, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    struct stat info;
    FILE *file = standard ? stdin : fopen(path, "re");
    int status = 0;
    if (file == NULL)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE, "can't read %s", path);
    if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode))
        status = err_set(err, ERR_USAGE, "%s is a folder; a corpus is one file", path);
    else if (!S_ISREG(info.st_mode) || standard) {
        FILE *kept = NULL;
        status = spool(file, &kept, err);
        if (!standard)
            fclose(file);
        file = kept;
        if (status == 0)
            fstat(fileno(file), &info);
    }
    if (status == 0) {
        *ret = file;
        *ret_bytes = info.st_size;
    } else if (file != NULL && !standard) {
        fclose(file);
    }
    return status;
}

static void say_corpus(const json_t *corpus)
{
    char bytes[UNITS_TEXT];
    size_t i;
    json_t *note;
    char *name = say_name(json_string_value(json_object_get(corpus, "name")));
    say("%s: %lld documents, %s\n", name,
        (long long)json_integer_value(json_object_get(corpus, "documents")),
        units_bytes(json_number_value(json_object_get(corpus, "bytes")), bytes));
    free(name);
    json_array_foreach(json_object_get(corpus, "notes"), i, note)
    {
        char *text = say_name(json_string_value(note));
        say("  %s\n", text);
        free(text);
    }
}

static int put(struct call *call, FILE *file, int64_t bytes, json_t **ret, struct err *err)
{
    struct upload upload = { .bytes = bytes, .tell = say_columns(stderr) > 0 && bytes > 0 };
    struct http_reply reply = { 0 };
    struct buf path = path_of("/datasets/", 0);
    http_escape(&path, call->operands[0]);
    if (call->option[OPTION_FORMAT] != NULL)
        http_query(&path, "format", call->option[OPTION_FORMAT]);
    const struct http_call one = { .method = "PUT",
                                   .path = path.data,
                                   .type = "text/plain; charset=utf-8",
                                   .upload = file,
                                   .upload_bytes = bytes,
                                   .tick = on_tick,
                                   .arg = &upload,
                                   .patient = true };
    int status = http_call(call->http, &one, &reply, err);
    if (upload.told)
        say_raw(stderr, "\r\033[K");
    if (status == 0 && (jsonx_load(reply.body.data != NULL ? reply.body.data : "", reply.body.len,
                                   ret, NULL) != 0 ||
                        !json_is_object(*ret)))
        status = err_set(err, ERR_PROTOCOL, "the daemon's answer is no corpus");
    http_reply_done(&reply);
    buf_done(&path);
    return status;
}

int command_put(struct call *call, struct err *err)
{
    FILE *file = NULL;
    int64_t bytes = 0;
    json_t *corpus = NULL;
    int status = open_corpus(call->operands[1], &file, &bytes, err);
    if (status == 0)
        status = put(call, file, bytes, &corpus, err);
    if (status == 0 && call->option[OPTION_JSON] != NULL)
        say_json(corpus);
    else if (status == 0)
        say_corpus(corpus);
    json_decref(corpus);
    if (file != NULL)
        fclose(file);
    return status;
}
