/* First the files of the archive, each hashed as it is met; then the manifest's list against them.
 */
#include "worker/capsule/capsule_reader.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_fields.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16 };

int capsule_blame(struct err *err, const char *path)
{
    struct err why = *err;
    return err_set(err, ERR_BAD_DATA, "%s: %s%s%.300s", path, why.pointer,
                   why.pointer[0] != '\0' ? ": " : "", why.message);
}

const struct capsule_file *capsule_find(const struct capsule *c, const char *path)
{
    const json_t *at = json_object_get(c->index, path);
    return at != NULL ? &c->files[json_integer_value(at)] : NULL;
}

int capsule_json(const struct capsule *c, const char *path, json_t **ret, struct err *err)
{
    const struct capsule_file *file = capsule_find(c, path);
    if (file == NULL)
        return err_set(err, ERR_BAD_DATA, "%s is missing", path);
    if (file->bytes > CAPSULE_TEXT_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path, CAPSULE_TEXT_MAX);
    char *text = malloc((size_t)file->bytes + 1);
    if (text == NULL)
        return err_no_memory(err, "%s", path);
    int status = tar_read(&c->tar, file->offset, text, (size_t)file->bytes, err);
    if (status == 0 && jsonx_load(text, (size_t)file->bytes, ret, err) != 0)
        status = capsule_blame(err, path);
    free(text);
    return status;
}

/* the archive */

static int hash(const struct tar_reader *tar, const struct tar_entry *entry, char ret[DIGEST_HEX],
                struct err *err)
{
    struct digest digest;
    char chunk[CHUNK_BYTES];
    digest_init(&digest);
    for (int64_t at = 0; at < entry->bytes;) {
        int64_t left = entry->bytes - at;
        size_t n = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
        int status = tar_read(tar, entry->offset + at, chunk, n, err);
        if (status != 0)
            return status;
        digest_add(&digest, chunk, n);
        at += (int64_t)n;
    }
    digest_end_hex(&digest, ret);
    return 0;
}

/* Parts the folder, which all files share, from the path below it. */
static int split_path(struct capsule *c, const char *path, char *ret, size_t size, struct err *err)
{
    size_t folder = strcspn(path, "/");
    if (path[folder] == '\0' || folder >= sizeof c->folder || strlen(path + folder) > size)
        return err_set(err, ERR_BAD_DATA, "%s isn't where a capsule has its files", path);
    if (c->n == 0)
        snprintf(c->folder, sizeof c->folder, "%.*s", (int)folder, path);
    if (strncmp(c->folder, path, folder) != 0 || c->folder[folder] != '\0')
        return err_set(err, ERR_BAD_DATA, "%s lies outside the folder %s", path, c->folder);
    snprintf(ret, size, "%s", path + folder + 1);
    return 0;
}

static int add_file(struct capsule *c, const struct tar_entry *entry, struct err *err)
{
    struct capsule_file file = { .offset = entry->offset, .bytes = entry->bytes };
    if (c->n == CAPSULE_FILES_MAX)
        return err_set(err, ERR_BAD_DATA, "the archive has more than %d files", CAPSULE_FILES_MAX);
    if (c->n == c->size) {
        size_t size = c->size == 0 ? 64 : 2 * c->size;
        struct capsule_file *more = realloc(c->files, size * sizeof *more);
        if (more == NULL)
            return err_no_memory(err, "%zu files", size);
        c->files = more;
        c->size = size;
    }
    int status = split_path(c, entry->path, file.path, sizeof file.path, err);
    if (status == 0 && capsule_find(c, file.path) != NULL)
        status = err_set(err, ERR_BAD_DATA, "%s is in the archive twice", file.path);
    if (status == 0)
        status = hash(&c->tar, entry, file.sha256, err);
    if (status != 0)
        return status;
    json_object_set_new(c->index, file.path, json_integer((json_int_t)c->n));
    c->files[c->n++] = file;
    return 0;
}

static int read_files(struct capsule *c, struct err *err)
{
    struct tar_entry entry;
    int status;
    while ((status = tar_next(&c->tar, &entry, err)) == 1)
        if ((status = add_file(c, &entry, err)) != 0)
            break;
    return status;
}

/* the manifest */

struct manifest {
    int64_t format;
    const char *digest, *ablated;
    json_t *experiment, *files;
    bool partial;
};
#define MEMBER(type_, key_, struct_, ...)                                                          \
    {                                                                                              \
        .key = #key_, .type = type_, .offset = offsetof(struct_, key_), .required = true,          \
        __VA_ARGS__                                                                                \
    }
static const struct jsonx_field manifest_fields[] = {
    MEMBER(JSONX_INT, format, struct manifest, .min = CAPSULE_FORMAT, .max = CAPSULE_FORMAT),
    MEMBER(JSONX_TEXT, digest, struct manifest, .min = 64, .max = 64),
    MEMBER(JSONX_TEXT, ablated, struct manifest, .min = 1, .max = 100),
    MEMBER(JSONX_OBJECT, experiment, struct manifest),
    MEMBER(JSONX_ARRAY, files, struct manifest),
    MEMBER(JSONX_BOOL, partial, struct manifest),
};

struct listed {
    const char *path, *sha256;
    int64_t bytes;
};
static const struct jsonx_field listed_fields[] = {
    MEMBER(JSONX_TEXT, path, struct listed, .min = 1, .max = TAR_PATH_BYTES),
    MEMBER(JSONX_TEXT, sha256, struct listed, .min = 64, .max = 64),
    MEMBER(JSONX_INT, bytes, struct listed, .min = 0, .max = (double)TAR_FILE_MAX),
};
#define FIELDS(table) table, sizeof(table) / sizeof *(table)

/* Whether the manifest names the path in a row at or after `from`. */
static bool listed_later(const json_t *files, size_t from, const char *path)
{
    for (size_t i = from; i < json_array_size(files); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(files, i), "path"));
        if (one != NULL && strcmp(one, path) == 0)
            return true;
    }
    return false;
}

/* Row i of the manifest against file i of the archive. */
static int check_listed(const struct capsule *c, const json_t *files, size_t i, struct digest *sums,
                        struct err *err)
{
    struct listed row;
    char pointer[40], line[TAR_PATH_BYTES + DIGEST_HEX + 4];
    snprintf(pointer, sizeof pointer, "/files/%zu", i);
    const struct capsule_file *file = &c->files[i];
    int status = jsonx_decode(json_array_get(files, i), FIELDS(listed_fields), &row, pointer, err);
    if (status != 0)
        return capsule_blame(err, CAPSULE_MANIFEST);
    if (i + 2 >= c->n || strcmp(row.path, file->path) != 0) {
        if (i + 2 < c->n && !listed_later(files, i, file->path))
            return err_set(err, ERR_BAD_DATA, "%s is in the archive, and not in the manifest",
                           file->path);
        return err_set(err, ERR_BAD_DATA, "%.200s is in the manifest, and not %s", row.path,
                       capsule_find(c, row.path) != NULL ? "at its place in the archive"
                                                         : "in the archive");
    }
    if (row.bytes != file->bytes || strcmp(row.sha256, file->sha256) != 0)
        return err_set(err, ERR_BAD_DATA,
                       "%s was changed: its digest is %.16s…, that of the manifest %.16s…",
                       file->path, file->sha256, row.sha256);
    int len = snprintf(line, sizeof line, CAPSULE_LINE, row.sha256, row.path);
    digest_add(sums, line, (size_t)len);
    return 0;
}

static int check_files(struct capsule *c, const struct manifest *m, struct err *err)
{
    struct digest sums;
    digest_init(&sums);
    for (size_t i = 0; i < json_array_size(m->files); i++) {
        int status = check_listed(c, m->files, i, &sums, err);
        if (status != 0)
            return status;
    }
    if (json_array_size(m->files) + 2 < c->n)
        return err_set(err, ERR_BAD_DATA, "%s is in the archive, and not in the manifest",
                       c->files[json_array_size(m->files)].path);
    digest_end_hex(&sums, c->digest);
    const struct capsule_file *last = capsule_find(c, CAPSULE_SUMS);
    if (last == NULL || strcmp(last->sha256, c->digest) != 0)
        return err_set(err, ERR_BAD_DATA, "%s was changed: it isn't the manifest's list",
                       CAPSULE_SUMS);
    if (strcmp(m->digest, c->digest) != 0)
        return err_set(err, ERR_BAD_DATA, "%s: its digest isn't that of its list of files",
                       CAPSULE_MANIFEST);
    return 0;
}

static int check_manifest(struct capsule *c, struct err *err)
{
    struct manifest m;
    if (c->n < 2 || strcmp(c->files[c->n - 1].path, CAPSULE_MANIFEST) != 0)
        return err_set(err, ERR_BAD_DATA, "the archive doesn't end with a manifest");
    int status = capsule_json(c, CAPSULE_MANIFEST, &c->manifest, err);
    if (status == 0 && jsonx_decode(c->manifest, FIELDS(manifest_fields), &m, "", err) != 0)
        status = capsule_blame(err, CAPSULE_MANIFEST);
    if (status == 0)
        status = check_files(c, &m, err);
    if (status == 0)
        c->partial = m.partial;
    return status;
}

int capsule_open(const char *path, struct capsule *ret, struct err *err)
{
    struct capsule c = { .index = json_object() };
    int status = tar_open(path, &c.tar, err);
    if (status != 0) {
        json_decref(c.index);
        return status;
    }
    status = read_files(&c, err);
    if (status == 0)
        status = check_manifest(&c, err);
    if (status != 0) {
        capsule_done(&c);
        return status;
    }
    *ret = c;
    return 0;
}

void capsule_done(struct capsule *c)
{
    tar_done(&c->tar);
    free(c->files);
    json_decref(c->index);
    json_decref(c->manifest);
    json_decref(c->experiment);
    json_decref(c->datasets);
    *c = (struct capsule){ .tar.fd = -1 };
}
