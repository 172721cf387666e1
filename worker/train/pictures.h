/* pictures: the artifact "attention": of each evaluation what the layers looked at in a few fixed
 * windows (common/spec/maps.h, worker/attn/attn_maps.h), as a file of the run.
 */
#ifndef ABLATE_WORKER_PICTURES_H
#define ABLATE_WORKER_PICTURES_H

#include "worker/files/artifacts.h"
#include "worker/model/model.h"

struct pictures;

/* *ret is NULL where the run wants none. Errors: NO_MEMORY. */
int pictures_new(const struct run_spec *spec, struct pictures **ret, struct err *err);
void pictures_free(struct pictures *pictures);
/* After model_evaluate of the first n validation windows, at `step`; nothing if pictures is NULL, or
 * if this evaluation is none of those that are kept. */
void pictures_take(struct pictures *pictures, struct model *model, const int32_t *windows,
                   int64_t n, int64_t step);
/* Writes what was taken and not yet written, if anything; then *ret, else untouched, is what the
 * evaluation's event says of the file ("artifacts"), the caller's. Errors: STORAGE, DISK_FULL,
 * NO_MEMORY. */
int pictures_save(struct pictures *pictures, struct artifacts *artifacts, json_t **ret,
                  struct err *err);

#endif
