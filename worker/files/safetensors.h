/* safetensors: the file format of weights: a u64 length (little-endian), a JSON header of that
 * length, then the tensors' bytes. Header: {"__metadata__": {key: string}, name: {"dtype", "shape",
 * "data_offsets": [from, to]}}. Files appear under their name whole or not at all.
 */
#ifndef ABLATE_WORKER_SAFETENSORS_H
#define ABLATE_WORKER_SAFETENSORS_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "worker/base/params.h"

#include <jansson.h>
#include <stddef.h>

enum safetensors_type { SAFETENSORS_U8, SAFETENSORS_I32, SAFETENSORS_F32, SAFETENSORS_F64 };
enum { SAFETENSORS_DIMS = 4 };
/* One array, row-major; shape ends with the first 0. data is borrowed. */
struct safetensors_array {
    char name[128];
    enum safetensors_type type;
    int64_t shape[SAFETENSORS_DIMS];
    const void *data;
};

/* A family of arrays to store: each tensor of the table out of `data`, under prefix + its name. */
struct safetensors_part {
    const char *prefix;
    real *data;
};
struct safetensors_info {
    int64_t bytes;
    char sha256[DIGEST_HEX]; /* of the file */
};
/* Writes to a temporary name, fsyncs, renames. metadata: an object of strings, stolen.
 * Errors: STORAGE, DISK_FULL. */
int safetensors_write(const char *path, const struct params *table,
                      const struct safetensors_part *parts, size_t n, json_t *take_metadata,
                      struct safetensors_info *ret, struct err *err);
/* The same for any arrays. */
int safetensors_write_arrays(const char *path, const struct safetensors_array *arrays, size_t n,
                             json_t *take_metadata, struct safetensors_info *ret, struct err *err);
/* Reads a file that holds exactly these tensors into `data`. *ret_metadata is the caller's.
 * Errors: NOT_FOUND, STORAGE, BAD_DATA (damaged, or of another model), after which the arrays'
 * content is unspecified. */
int safetensors_read(const char *path, const struct params *table,
                     const struct safetensors_part *parts, size_t n, json_t **ret_metadata,
                     struct err *err);
/* Reads such a file without keeping it. ret_sha256: of the tensors' bytes, part by part. Of parts
 * the prefixes count alone. Errors: those of safetensors_read. */
int safetensors_check(const char *path, const struct params *table,
                      const struct safetensors_part *parts, size_t n, json_t **ret_metadata,
                      char ret_sha256[DIGEST_HEX], struct err *err);
#endif
