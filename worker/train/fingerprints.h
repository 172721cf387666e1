/* fingerprints: digests of what an attempt begins with, by which the daemon compares runs
 * (schema/wire.md).
 */
#ifndef ABLATE_WORKER_FINGERPRINTS_H
#define ABLATE_WORKER_FINGERPRINTS_H

#include "worker/base/params.h"

#include <jansson.h>

/* A line of the wire has 1 MiB: with more expert tensors than this each layer's are told as one. */
enum { FINGERPRINTS_EXPERT_TENSORS = 4000 };

/* {name: "257x32:0123456789abcdef"}: a tensor's shape (a vector's length), and the first 16 hex
 * digits of the SHA-256 of its values as little-endian float32. With more than
 * FINGERPRINTS_EXPERT_TENSORS tensors of experts, "blocks.N.moe.experts.*.w1.weight" stands for
 * those of a layer in order, their number first in its shape; w2 alike. New reference; NULL when
 * memory runs out. */
json_t *fingerprints_weights(const struct params *params);

#endif
