/* The header follows from the table of tensors: the writer writes it, and the reader refuses a file
 * whose header is another one. */
#include "worker/files/safetensors.h"

#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef ABLATE_DOUBLE
static const enum safetensors_type real_type = SAFETENSORS_F64;
#else
static const enum safetensors_type real_type = SAFETENSORS_F32;
#endif

enum { HEADER_MAX = 16 << 20, CHUNK = 64 << 10 };

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [SAFETENSORS_U8] = { "U8", 1 },
    [SAFETENSORS_I32] = { "I32", 4 },
    [SAFETENSORS_F32] = { "F32", 4 },
    [SAFETENSORS_F64] = { "F64", 8 },
};

static size_t bytes_of(const struct safetensors_array *array)
{
    size_t bytes = types[array->type].bytes;
    for (size_t i = 0; i < SAFETENSORS_DIMS && array->shape[i] > 0; i++)
        bytes *= (size_t)array->shape[i];
    return bytes;
}

/* The arrays of a table's parts, to be freed; NULL: no memory. */
static struct safetensors_array *arrays_of(const struct params *table,
                                           const struct safetensors_part *parts, size_t n)
{
    struct safetensors_array *arrays = calloc(n * table->n + 1, sizeof *arrays), *to = arrays;
    for (size_t p = 0; arrays != NULL && p < n; p++)
        for (size_t i = 0; i < table->n; i++, to++) {
            const struct tensor *t = &table->tensors[i];
            snprintf(to->name, sizeof to->name, "%s%s", parts[p].prefix, t->name);
            to->type = real_type;
            to->shape[0] = t->shape[0];
            to->shape[1] = t->shape[1];
            to->data = parts[p].data + t->offset;
        }
    return arrays;
}

static json_t *shape_of(const struct safetensors_array *array)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < SAFETENSORS_DIMS && array->shape[i] > 0; i++)
        json_array_append_new(shape, json_integer(array->shape[i]));
    return shape;
}

/* The header's object, which says where each array lies. */
static json_t *header_of(const struct safetensors_array *arrays, size_t n, size_t *ret_bytes)
{
    json_t *header = json_object();
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = bytes_of(&arrays[i]);
        json_object_set_new(header, arrays[i].name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", types[arrays[i].type].name,
                                      "shape", shape_of(&arrays[i]), "data_offsets", (json_int_t)at,
                                      (json_int_t)(at + bytes)));
        at += bytes;
    }
    *ret_bytes = at;
    return header;
}

struct writer {
    FILE *file;
    struct digest digest;
    int64_t bytes;
};

static bool put(struct writer *w, const void *bytes, size_t len)
{
    digest_add(&w->digest, bytes, len);
    w->bytes += (int64_t)len;
    return fwrite(bytes, 1, len, w->file) == len;
}

static bool put_all(struct writer *w, const struct safetensors_array *arrays, size_t n,
                    const struct buf *header)
{
    uint64_t len = header->len;
    uint8_t prefix[8];
    for (int i = 0; i < 8; i++)
        prefix[i] = (uint8_t)(len >> (8 * i));
    bool ok = put(w, prefix, sizeof prefix) && put(w, header->data, header->len);
    for (size_t i = 0; i < n && ok; i++)
        ok = put(w, arrays[i].data, bytes_of(&arrays[i]));
    return ok && fflush(w->file) == 0 && fsync(fileno(w->file)) == 0;
}

int safetensors_write_arrays(const char *path, const struct safetensors_array *arrays, size_t n,
                             json_t *take_metadata, struct safetensors_info *ret, struct err *err)
{
    char temporary[PATH_MAX];
    struct buf text;
    struct writer w = { 0 };
    size_t bytes = 0;
    json_t *header = header_of(arrays, n, &bytes);
    json_object_set_new(header, "__metadata__", take_metadata);
    buf_init(&text, HEADER_MAX);
    jsonx_dump(header, JSONX_KEEP_ORDER, &text);
    json_decref(header);
    while (text.len % 8 != 0)
        buf_addc(&text, ' ');
    digest_init(&w.digest);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int status = text.failed ? err_no_memory(err, "a file's header") : 0;
    if (status == 0)
        status = files_need_room(path, (int64_t)(bytes + text.len), err);
    if (status == 0 && (w.file = fopen(temporary, "we")) == NULL)
        status = err_errno(err, ERR_STORAGE, "can't create %s", temporary);
    if (status == 0) {
        bool ok = put_all(&w, arrays, n, &text);
        int code = errno;
        ok &= fclose(w.file) == 0;
        errno = ok ? 0 : code;
        if (!ok || rename(temporary, path) != 0) {
            status = err_errno(err, ERR_STORAGE, "can't write %s", path);
            unlink(temporary);
        }
    }
    if (status == 0)
        status = files_sync_folder(path, err);
    buf_done(&text);
    if (status == 0) {
        ret->bytes = w.bytes;
        digest_end_hex(&w.digest, ret->sha256);
    }
    return status;
}

int safetensors_write(const char *path, const struct params *table,
                      const struct safetensors_part *parts, size_t n, json_t *take_metadata,
                      struct safetensors_info *ret, struct err *err)
{
    struct safetensors_array *arrays = arrays_of(table, parts, n);
    if (arrays == NULL) {
        json_decref(take_metadata);
        return err_no_memory(err, "a file's header");
    }
    int status = safetensors_write_arrays(path, arrays, n * table->n, take_metadata, ret, err);
    free(arrays);
    return status;
}

static int damaged(struct err *err, const char *path, const char *why)
{
    return err_set(err, ERR_BAD_DATA, "%s is no sound file of this model: %s", path, why);
}

static int read_header(FILE *file, const char *path, json_t **ret, struct err *err)
{
    uint8_t prefix[8];
    uint64_t len = 0;
    if (fread(prefix, 1, sizeof prefix, file) != sizeof prefix)
        return damaged(err, path, "it is too short");
    for (int i = 0; i < 8; i++)
        len |= (uint64_t)prefix[i] << (8 * i);
    if (len > HEADER_MAX)
        return damaged(err, path, "its header is too long");
    char *text = malloc(len + 1);
    if (text == NULL)
        return err_no_memory(err, "a file's header");
    struct err ignored;
    int status = 0;
    if (fread(text, 1, len, file) != len || jsonx_load(text, len, ret, &ignored) != 0)
        status = damaged(err, path, "its header isn't JSON");
    free(text);
    return status;
}

/* Opens the file behind its header, which must be that of these tensors, and of so many bytes. */
static int open_checked(const char *path, const struct params *table,
                        const struct safetensors_part *parts, size_t n, FILE **ret,
                        json_t **ret_metadata, size_t *ret_bytes, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no file %s", path)
                               : err_errno(err, ERR_STORAGE, "can't open %s", path);
    size_t bytes = 0;
    json_t *header = NULL, *expected = NULL, *metadata = NULL;
    struct safetensors_array *arrays = arrays_of(table, parts, n);
    int status = arrays == NULL ? err_no_memory(err, "a file's header")
                                : read_header(file, path, &header, err);
    if (arrays != NULL)
        expected = header_of(arrays, n * table->n, &bytes);
    free(arrays);
    if (status == 0) {
        metadata = json_incref(json_object_get(header, "__metadata__"));
        json_object_del(header, "__metadata__");
        if (!json_equal(header, expected))
            status = damaged(err, path, "it holds other tensors");
    }
    json_decref(header);
    json_decref(expected);
    if (status == 0) {
        *ret = file;
        *ret_metadata = metadata;
        *ret_bytes = bytes;
    } else {
        json_decref(metadata);
        fclose(file);
    }
    return status;
}

/* Ends the reading: status, or that the file doesn't end here. *metadata is freed on failure. */
static int close_checked(FILE *file, const char *path, int status, json_t **metadata,
                         struct err *err)
{
    if (status == 0 && fgetc(file) != EOF)
        status = damaged(err, path, "something stands behind its end");
    fclose(file);
    if (status != 0)
        json_decref(*metadata);
    return status;
}

int safetensors_read(const char *path, const struct params *table,
                     const struct safetensors_part *parts, size_t n, json_t **ret_metadata,
                     struct err *err)
{
    FILE *file = NULL;
    json_t *metadata = NULL;
    size_t bytes = 0;
    int status = open_checked(path, table, parts, n, &file, &metadata, &bytes, err);
    if (status != 0)
        return status;
    for (size_t p = 0; p < n && status == 0; p++)
        for (size_t i = 0; i < table->n && status == 0; i++) {
            const struct tensor *t = &table->tensors[i];
            if (fread(parts[p].data + t->offset, sizeof(real), t->count, file) != t->count)
                status = damaged(err, path, "it ends too early");
        }
    status = close_checked(file, path, status, &metadata, err);
    if (status == 0)
        *ret_metadata = metadata;
    return status;
}

int safetensors_check(const char *path, const struct params *table,
                      const struct safetensors_part *parts, size_t n, json_t **ret_metadata,
                      char ret_sha256[DIGEST_HEX], struct err *err)
{
    FILE *file = NULL;
    json_t *metadata = NULL;
    struct digest digest;
    char chunk[CHUNK];
    size_t left = 0;
    int status = open_checked(path, table, parts, n, &file, &metadata, &left, err);
    if (status != 0)
        return status;
    digest_init(&digest);
    while (left > 0 && status == 0) {
        size_t now = left < sizeof chunk ? left : sizeof chunk;
        if (fread(chunk, 1, now, file) != now)
            status = damaged(err, path, "it ends too early");
        digest_add(&digest, chunk, now);
        left -= now;
    }
    status = close_checked(file, path, status, &metadata, err);
    if (status == 0) {
        digest_end_hex(&digest, ret_sha256);
        *ret_metadata = metadata;
    }
    return status;
}
