/* Both files of an attempt's folder are flat objects, decoded and encoded by a table each. A field
 * that came later has a default, since daemons and keepers of two versions may meet. */
#include "common/wire/launch.h"

#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT(member)                                                                                \
    {                                                                                              \
        .key = #member, .type = JSONX_INT, .offset = offsetof(struct launch, member), .min = 0,    \
        .max = 9e15, .required = true                                                              \
    }
#define TEXT(member, least)                                                                        \
    {                                                                                              \
        .key = #member, .type = JSONX_STRING, .offset = offsetof(struct launch, member),           \
        .size = sizeof((struct launch *)0)->member, .min = least,                                  \
        .max = sizeof((struct launch *)0)->member - 1, .required = true                            \
    }

static const struct jsonx_field launch_fields[] = {
    /* Absent in a file of an older daemon. */
    { .key = "audits",
      .type = JSONX_BOOL,
      .offset = offsetof(struct launch, audits),
      .preset = "false" },
    { .key = "replays",
      .type = JSONX_BOOL,
      .offset = offsetof(struct launch, replays),
      .preset = "false" },
    INT(run),
    INT(attempt),
    INT(threads),
    INT(memory_bytes),
    INT(steps),
    TEXT(token, 64),
    TEXT(socket, 1),
    TEXT(spec, 1),
    TEXT(dataset, 0),
    TEXT(out, 1),
};

/* What exit_fields describe. */
struct exit_row {
    int64_t exited, status, oom;
    double seconds;
    int64_t max_rss_bytes;
    char ended[sizeof((struct launch_exit *)0)->ended];
};

static const struct jsonx_field exit_fields[] = {
    { .key = "exited",
      .type = JSONX_INT,
      .offset = offsetof(struct exit_row, exited),
      .min = 0,
      .max = 1,
      .required = true },
    { .key = "status",
      .type = JSONX_INT,
      .offset = offsetof(struct exit_row, status),
      .min = 0,
      .max = 255,
      .required = true },
    { .key = "oom",
      .type = JSONX_INT,
      .offset = offsetof(struct exit_row, oom),
      .min = 0,
      .max = 1,
      .required = true },
    { .key = "seconds",
      .type = JSONX_DOUBLE,
      .offset = offsetof(struct exit_row, seconds),
      .min = 0,
      .max = 1e12,
      .required = true },
    { .key = "max_rss_bytes",
      .type = JSONX_INT,
      .offset = offsetof(struct exit_row, max_rss_bytes),
      .min = 0,
      .max = 9e15,
      .required = true },
    /* Must be the last: it is left out unless the keeper has ended the trainer, since older daemons
     * refuse it. */
    { .key = "ended",
      .type = JSONX_STRING,
      .offset = offsetof(struct exit_row, ended),
      .size = sizeof((struct exit_row *)0)->ended,
      .max = sizeof((struct exit_row *)0)->ended - 1,
      .preset = "\"\"" },
};

static int encode(const struct jsonx_field *fields, size_t n, const void *in, char **ret,
                  struct err *err)
{
    struct buf text;
    buf_init(&text, 0);
    json_t *object = jsonx_encode(fields, n, in);
    jsonx_dump(object, JSONX_KEEP_ORDER, &text);
    json_decref(object);
    buf_addc(&text, '\n');
    char *taken = buf_take(&text, NULL);
    buf_done(&text);
    if (taken == NULL)
        return err_no_memory(err, "a file's text");
    *ret = taken;
    return 0;
}

static int decode_file(const char *dir, const char *name, const struct jsonx_field *fields,
                       size_t n, void *out, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len = 0;
    json_t *object = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int status = files_read(path, 65536, &text, &len, err);
    if (status == 0)
        status = jsonx_load(text, len, &object, err);
    if (status == 0)
        status = jsonx_decode(object, fields, n, out, "", err);
    if (status != 0 && status != -ERR_NOT_FOUND) {
        struct err why = err != NULL ? *err : (struct err){ 0 };
        status = err_set(err, ERR_BAD_DATA, "%s is not sound: %s", path, why.message);
    }
    json_decref(object);
    free(text);
    return status;
}

int launch_encode(const struct launch *launch, char **ret, struct err *err)
{
    return encode(launch_fields, sizeof launch_fields / sizeof *launch_fields, launch, ret, err);
}

int launch_read(const char *attempt_dir, struct launch *ret, struct err *err)
{
    struct launch launch = { 0 };
    int status = decode_file(attempt_dir, "launch.json", launch_fields,
                             sizeof launch_fields / sizeof *launch_fields, &launch, err);
    if (status == 0)
        *ret = launch;
    return status;
}

int launch_exit_encode(const struct launch_exit *info, char **ret, struct err *err)
{
    struct exit_row row = { info->exited,  info->status,        info->oom,
                            info->seconds, info->max_rss_bytes, "" };
    memcpy(row.ended, info->ended, sizeof row.ended);
    size_t n = sizeof exit_fields / sizeof *exit_fields - (info->ended[0] == '\0');
    return encode(exit_fields, n, &row, ret, err);
}

int launch_exit_read(const char *attempt_dir, struct launch_exit *ret, struct err *err)
{
    struct exit_row row;
    int status = decode_file(attempt_dir, "exit.json", exit_fields,
                             sizeof exit_fields / sizeof *exit_fields, &row, err);
    if (status == 0) {
        *ret = (struct launch_exit){ (int)row.exited, (int)row.status,   (int)row.oom,
                                     row.seconds,     row.max_rss_bytes, "" };
        memcpy(ret->ended, row.ended, sizeof ret->ended);
    }
    return status;
}
