/* probes: the small models in which audits try a run's attention (worker/audit/). Their sizes stand
 * here, since the estimate of a run's memory counts them, too (cost.c).
 */
#ifndef ABLATE_COMMON_PROBES_H
#define ABLATE_COMMON_PROBES_H

#include "common/spec/spec.h"

enum {
    PROBE_STEPS = 300,       /* of training on random tokens */
    PROBE_VOCAB = 32,        /* the tokens that there are */
    PROBE_T = 1024,          /* longer sequences are tried in one layer at this length */
    PROBE_SAMPLE = 1 << 18,  /* parameters of which a step is recomputed, about */
    PROBE_SAMPLE_BYTES = 40, /* of each of them, with two moments */
};

/* Two layers of 64 with this attention at the run's seq_len, trained on random tokens (entropy). */
struct run_spec probe_random(const struct run_spec *spec, const struct spec_attention *attention);
/* One sequence of t tokens at most through one layer of the run's width and around it next to
 * nothing (equivalence). */
struct run_spec probe_layer(const struct run_spec *spec, const struct spec_attention *attention,
                            int64_t t);
/* Such a layer's t where the kind sees every past key, and where it chooses. */
int64_t probe_layer_t(const struct run_spec *spec, const struct spec_attention *attention,
                      bool chooses);

#endif
