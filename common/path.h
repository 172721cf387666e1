/* path: how a layer's attention is computed, which follows from its shape alone. The trainer walks
 * it (worker/attn), the estimate of memory knows what it keeps (cost.c).
 */
#ifndef ABLATE_COMMON_PATH_H
#define ABLATE_COMMON_PATH_H

#include "common/spec.h"

enum attention_path {
    PATH_KEPT,  /* probabilities are kept for the backward pass */
    PATH_FLASH, /* tiles of keys; probabilities are made again */
    PATH_GATHER /* lists of keys */
};

/* The most keys that a query sees among t. */
int64_t attention_keys(const struct spec_attention *attention, int64_t t);
/* The path of a pass in which every past key is seen, and of one in which the kind chooses. */
enum attention_path attention_dense_path(int64_t t);
enum attention_path attention_path(const struct spec_attention *attention, int64_t t);

#endif
