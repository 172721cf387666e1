/* equivalence: at the limit where it may see every past key, an attention must be dense causal
 * attention: the same output, dq, dk and dv, dropout masks included. At its own K it must be what
 * the same formulas give over the keys that it chose. */
#ifndef ABLATE_WORKER_AUDIT_EQUIVALENCE_H
#define ABLATE_WORKER_AUDIT_EQUIVALENCE_H

#include "common/base/err.h"
#include "common/spec/probes.h"

#include <stdint.h>

enum {
    EQUIVALENCE_PARTS = 4,
    EQUIVALENCE_T = PROBE_T
}; /* longer sequences are tried at this length, by the same kernel; from as many keys on at twice */
#define EQUIVALENCE_TOLERANCE 1e-5

struct equivalence {
    int64_t seq_len, keys;             /* T and K, of what was tried */
    const char *kernel;                /* the one that was tried */
    double differs[EQUIVALENCE_PARTS]; /* of the output, dq, dk, dv: greatest difference ÷ greatest
                                          dense value */
};
extern const char *const equivalence_parts[EQUIVALENCE_PARTS];

/* Runs `attention` at its dense limit (to_dense of common/spec/attention.h) by the kernel that it
 * takes in `spec`, on normal inputs, and compares with attn/ref. Errors: NO_MEMORY. */
int equivalence_measure(const struct run_spec *spec, const struct spec_attention *attention,
                        struct equivalence *ret, struct err *err);
/* The same at its own K, past any dense warm-up: attn/ref is given the chosen keys. keys = seq_len,
 * and nothing was tried, where that leaves out nothing. */
int equivalence_measure_own(const struct run_spec *spec, const struct spec_attention *attention,
                            struct equivalence *ret, struct err *err);

#endif
