/* Writing and reading SHA256SUMS and manifest.json. The manifest holds the digest of SHA256SUMS,
 * and that one the digest of every file, so that one digest stands for the whole backup. */
#include "server/backup/manifest.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/version.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/wire/tar.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUMS_MAX = 1 << 30, MANIFEST_MAX = 1 << 16, HEX = DIGEST_HEX - 1 };

void manifest_add(struct buf *sums, const char *path, const char *sha256)
{
    buf_addf(sums, "%s  %s\n", sha256, path);
}

static int put_file(const char *backup, const char *name, const struct buf *text, struct err *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", backup, name);
    return text->failed ? err_no_memory(err, "%s", path)
                        : files_write(path, text->data, text->len, 0600, err);
}

int manifest_write(const char *backup, const struct buf *sums, const struct manifest *manifest,
                   struct err *err)
{
    char digest[DIGEST_HEX], now[CLOCK_ISO_BYTES];
    struct buf text;
    json_t *rows = json_object();
    buf_init(&text, 0);
    clock_iso(clock_wall_ms(), now);
    digest_of_hex(sums->data != NULL ? sums->data : "", sums->len, digest);
    for (int i = 0; i < STORE_COUNTS; i++)
        json_object_set_new(rows, store_count_names[i], json_integer(manifest->store.rows[i]));
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "format", BACKUP_FORMAT, "digest",
                  digest, "ablated", ablate_version(), "created_at", now, "schema",
                  (json_int_t)manifest->store.schema, "files", (json_int_t)manifest->files, "bytes",
                  (json_int_t)manifest->bytes, "rows", rows);
    jsonx_dump(root, JSONX_KEEP_ORDER | JSONX_INDENT, &text);
    buf_addc(&text, '\n');
    json_decref(root);
    int status = put_file(backup, BACKUP_SUMS, sums, err);
    if (status == 0)
        status = put_file(backup, "manifest.json", &text, err);
    buf_done(&text);
    return status;
}

static int take_numbers(const char *path, const json_t *manifest, struct manifest *to,
                        struct err *err)
{
    const json_t *rows = json_object_get(manifest, "rows");
    const char *format = json_string_value(json_object_get(manifest, "format"));
    if (format == NULL || strcmp(format, BACKUP_FORMAT) != 0)
        return err_set(err, ERR_BAD_DATA, "%s is of a format that this version doesn't know", path);
    to->store.schema = json_integer_value(json_object_get(manifest, "schema"));
    to->files = json_integer_value(json_object_get(manifest, "files"));
    to->bytes = json_integer_value(json_object_get(manifest, "bytes"));
    for (int i = 0; i < STORE_COUNTS; i++)
        to->store.rows[i] = json_integer_value(json_object_get(rows, store_count_names[i]));
    return 0;
}

int manifest_read(const char *backup, struct manifest *ret, struct err *err)
{
    char path[PATH_MAX + 32], digest[DIGEST_HEX], *text = NULL;
    size_t len = 0, sums_len = 0;
    struct manifest made = { 0 };
    json_t *manifest = NULL;
    snprintf(path, sizeof path, "%s/manifest.json", backup);
    int status = files_read(path, MANIFEST_MAX, &text, &len, err);
    if (status == -ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "%s is no backup: it has no manifest.json", backup);
    int loaded = status == 0 ? jsonx_load(text, len, &manifest, NULL) : 0;
    if (loaded != 0)
        status = loaded == -ERR_NO_MEMORY
                     ? err_no_memory(err, "%s", path)
                     : err_set(err, ERR_BAD_DATA, "%s is damaged: it isn't JSON", path);
    if (status == 0)
        status = take_numbers(path, manifest, &made, err);
    snprintf(path, sizeof path, "%s/" BACKUP_SUMS, backup);
    if (status == 0)
        status = files_read(path, SUMS_MAX, &made.sums, &sums_len, err);
    if (status == 0) {
        const char *said = json_string_value(json_object_get(manifest, "digest"));
        digest_of_hex(made.sums, sums_len, digest);
        if (said == NULL || strcmp(said, digest) != 0 || strlen(made.sums) != sums_len)
            status =
                err_set(err, ERR_BAD_DATA, "%s is damaged: its digest isn't the manifest's", path);
    }
    json_decref(manifest);
    free(text);
    if (status == 0)
        *ret = made;
    else
        manifest_done(&made);
    return status;
}

void manifest_done(struct manifest *manifest)
{
    free(manifest->sums);
    manifest->sums = NULL;
}

int manifest_next(char **at, const char **ret_path, const char **ret_sha256, struct err *err)
{
    char *line = *at, *end = strchr(line, '\n');
    if (*line == '\0')
        return 0;
    if (end == NULL || end - line < HEX + 3 || line[HEX] != ' ' || line[HEX + 1] != ' ')
        return err_set(err, ERR_BAD_DATA, BACKUP_SUMS " has a line that is none of a backup's");
    *end = line[HEX] = '\0';
    const char *path = line + HEX + 2;
    if (!tar_path_ok(path)) /* relative, nothing above the folder */
        return err_set(err, ERR_BAD_DATA, BACKUP_SUMS " names \"%.100s\"", path);
    *at = end + 1;
    *ret_sha256 = line;
    *ret_path = path;
    return 1;
}
