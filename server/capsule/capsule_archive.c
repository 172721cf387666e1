/* The tar file of a capsule. Every file that goes in leaves a line in SHA256SUMS and a row in the
 * manifest, which are the last two files of the archive. */
#include "server/capsule/capsule_archive.h"

#include "common/json/jsonx_dump.h"

#include <string.h>

void capsule_archive_init(struct capsule_archive *a, FILE *file, const char *folder)
{
    *a = (struct capsule_archive){ .tar.file = file, .files = json_array() };
    snprintf(a->folder, sizeof a->folder, "%s", folder);
    buf_init(&a->sums, 0);
}

void capsule_archive_done(struct capsule_archive *a)
{
    json_decref(a->files);
    buf_done(&a->sums);
    a->files = NULL;
}

int capsule_open(struct capsule_archive *a, const char *path, struct err *err)
{
    char whole[CAPSULE_FOLDER_BYTES + TAR_PATH_BYTES];
    snprintf(a->path, sizeof a->path, "%s", path);
    snprintf(whole, sizeof whole, "%s/%s", a->folder, path);
    return tar_begin(&a->tar, whole, err);
}

int capsule_add(struct capsule_archive *a, const void *bytes, size_t len, struct err *err)
{
    return tar_add(&a->tar, bytes, len, err);
}

int capsule_close(struct capsule_archive *a, struct err *err)
{
    char digest[DIGEST_HEX];
    int status = tar_end(&a->tar, digest, err);
    if (status != 0)
        return status;
    buf_addf(&a->sums, CAPSULE_LINE, digest, a->path);
    json_t *row = json_pack("{s:s, s:I, s:s}", "path", a->path, "bytes", (json_int_t)a->tar.bytes,
                            "sha256", digest);
    return json_array_append_new(a->files, row) == 0 ? 0
                                                     : err_no_memory(err, "the capsule's manifest");
}

int capsule_put(struct capsule_archive *a, const char *path, const struct buf *text,
                struct err *err)
{
    if (text->failed)
        return err_no_memory(err, "%s", path);
    int status = capsule_open(a, path, err);
    if (status == 0)
        status = capsule_add(a, text->data != NULL ? text->data : "", text->len, err);
    return status == 0 ? capsule_close(a, err) : status;
}

int capsule_put_json(struct capsule_archive *a, const char *path, const json_t *value,
                     struct err *err)
{
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(value, JSONX_KEEP_ORDER | JSONX_INDENT, &text);
    buf_addc(&text, '\n');
    int status = capsule_put(a, path, &text, err);
    buf_done(&text);
    return status;
}

int capsule_finish(struct capsule_archive *a, json_t *take_about, struct err *err)
{
    json_t *manifest = json_pack("{s:i, s:s}", "format", CAPSULE_FORMAT, "digest", "");
    digest_of_hex(a->sums.data != NULL ? a->sums.data : "", a->sums.len, a->digest);
    json_object_set_new(manifest, "digest", json_string(a->digest));
    json_object_update(manifest, take_about);
    json_object_set_new(manifest, "files", a->files);
    json_decref(take_about);
    /* From here on `files` is as the manifest has it: neither of the last two is in it. */
    a->files = json_array();
    int status = capsule_put(a, CAPSULE_SUMS, &a->sums, err);
    if (status == 0)
        status = capsule_put_json(a, CAPSULE_MANIFEST, manifest, err);
    json_decref(manifest);
    return status == 0 ? tar_finish(&a->tar, err) : status;
}
