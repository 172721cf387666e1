/* attention: the kinds of attention, a row a kind: what both programs need to know of it. What the
 * trainer computes is a row of attn_kinds (worker/attn/attn.h); both tables are made from
 * ATTENTION_KIND_LIST (spec.h), so that a kind without one of its rows doesn't build.
 *
 * T: tokens of a sequence. K: the most keys that one query sees.
 */
#ifndef ABLATE_COMMON_ATTENTION_H
#define ABLATE_COMMON_ATTENTION_H

#include "common/json/jsonx_fields.h"
#include "common/spec/spec.h"

/* How a layer's attention is computed, which follows from its shape alone. The trainer has the
 * kernels (worker/attn/kernel.h); the estimate of memory knows what each keeps (cost.c). */
enum attention_kernel {
    KERNEL_KEPT,  /* probabilities are kept for the backward pass */
    KERNEL_FLASH, /* tiles of keys; probabilities are made again */
    KERNEL_GATHER /* lists of keys */
};

/* The layer that a kind's own cost is asked of. */
struct attention_shape {
    int64_t batch, pass; /* sequences of a step, and of a pass: a micro-batch */
    int64_t t, c;        /* T, d_model */
    enum attention_kernel kernel;
};

/* Buffers that layers share, each as large as the largest layer needs. */
enum attention_scratch {
    SCRATCH_WEIGHT,
    SCRATCH_KEYS,
    SCRATCH_GRADIENTS,
    SCRATCH_PARTS,
    ATTENTION_SCRATCH
};

struct attention_info {
    const char *name;
    /* Exactly the fields that the kind has, of struct spec_attention; the first is the kind. */
    const struct jsonx_field *fields;
    size_t fields_n;
    bool chooses; /* may keep a query from a past key */
    bool indexed; /* has an indexer (worker/attn/indexer.h), whose fields stand in the spec */
    /* Turns ratios into counts and checks what follows from T and several fields. Resolving what is
     * resolved changes nothing. pointer: the attention's own. Errors: INCONSISTENT. NULL: nothing
     * to do. */
    int (*resolve)(struct spec_attention *attention, int64_t t, const char *pointer,
                   struct err *err);
    /* K, or more. NULL: every past key. */
    int64_t (*keys)(const struct spec_attention *attention, int64_t t);
    /* Pairs (query, key) of one sequence that enter one head's attention. */
    double (*pairs)(const struct spec_attention *attention, int64_t t);
    /* FLOPs of a step beyond those of attending to `pairs` pairs a sequence: of choosing, and of
     * learning to. NULL: none. */
    double (*flops)(const struct spec_attention *attention, const struct attention_shape *shape,
                    double pairs);
    int64_t (*parameters)(const struct spec_attention *attention, int64_t c); /* NULL: none */
    /* Reals that a pass of one layer keeps beyond those of its kernel. NULL: none. */
    int64_t (*kept)(const struct spec_attention *attention, const struct attention_shape *shape);
    /* Raises `most`, in reals, to what this layer needs. NULL: nothing. */
    void (*scratch)(const struct spec_attention *attention, const struct attention_shape *shape,
                    int64_t most[ATTENTION_SCRATCH]);
    /* Sets the fields at which the kind sees what dense attention sees. NULL: it always does. */
    void (*to_dense)(struct spec_attention *attention, int64_t t);
};

extern const struct attention_info *const attention_table[ATTENTION_KINDS];
extern const char *const attention_kind_names[ATTENTION_KINDS + 1]; /* NULL at the end */

const struct attention_info *attention_info_of(const struct spec_attention *attention);
/* Whether there is an indexer, and whether it is trained. */
bool attention_is_indexed(const struct spec_attention *attention);
bool attention_learns(const struct spec_attention *attention);
/* K: the most keys that a query sees among t. */
int64_t attention_keys(const struct spec_attention *attention, int64_t t);
/* The kernel of a pass in which every past key is seen, and of one in which the kind chooses. */
enum attention_kernel attention_dense_kernel(int64_t t);
enum attention_kernel attention_kernel(const struct spec_attention *attention, int64_t t);

#endif
