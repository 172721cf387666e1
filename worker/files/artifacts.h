/* artifacts: the files that a run leaves for people, in OUT/artifacts. */
#ifndef ABLATE_WORKER_ARTIFACTS_H
#define ABLATE_WORKER_ARTIFACTS_H

#include "common/spec/spec.h"
#include "worker/base/params.h"
#include "worker/files/safetensors.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum { ARTIFACT_GRADIENT_STEPS = 3, ARTIFACT_BATCH_STEPS = 100 };

struct artifacts {
    const struct run_spec *spec;
    char dir[4096];
    FILE *batches; /* batches.jsonl while it grows */
};

/* Makes the folder. Errors: STORAGE. */
int artifacts_begin(struct artifacts *a, const struct run_spec *spec, const char *out,
                    struct err *err);
/* Each writes what the spec asks for at that moment, or nothing. Errors: STORAGE, DISK_FULL. */
int artifacts_init(struct artifacts *a, struct params *params, struct err *err);
int artifacts_batch(struct artifacts *a, int64_t step, const int32_t *windows, struct err *err);
int artifacts_gradients(struct artifacts *a, int64_t step, struct params *params, struct err *err);
int artifacts_final(struct artifacts *a, struct params *params, struct err *err);
/* attention-STEP.safetensors: the pictures of an evaluation (schema/experiment.md). *ret: its entry
 * in artifacts_end's list, the caller's. */
int artifacts_attention(struct artifacts *a, int64_t step, const struct safetensors_array *arrays,
                        size_t n, json_t *take_metadata, json_t **ret, struct err *err);
/* Lists every file that is there: [{name, bytes, sha256}]. *ret is the caller's. */
int artifacts_end(struct artifacts *a, json_t **ret, struct err *err);

#endif
