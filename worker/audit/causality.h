/* causality: does anything that is predicted depend on what comes later, or on another sequence?
 *
 * For each cut c the tokens after c are replaced by others: the states up to c must keep every bit.
 * A pass tries as many cuts as there are sequences in a batch. Then whole sequences are replaced:
 * the others must keep theirs. Each sequence has a word of bits, and pass i replaces those whose
 * word has bit i. No word has all the bits of another: so of any two sequences some pass replaces
 * the first and keeps the second, in as few passes as can be. The states are what the output layer
 * sees; a logit is a function of one of their rows.
 */
#ifndef ABLATE_WORKER_AUDIT_CAUSALITY_H
#define ABLATE_WORKER_AUDIT_CAUSALITY_H

#include "common/base/err.h"
#include "worker/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAUSALITY_ALL_T = 256, CAUSALITY_CUTS = 96 };

/* The subject of a check: a model, or in a test something that leaks. */
struct causality_subject {
    void *arg;
    size_t batch, t, c; /* B, T, C */
    int32_t vocab;
    /* States [B × T × C] of windows[B × (T+1)], valid until the next call. step 0 = evaluation. */
    const real *(*states)(void *arg, const int32_t *windows, int64_t step);
    bool (*stopped)(void *arg);
};

/* How it is checked. */
struct causality_plan {
    const size_t *cuts; /* [n], ascending */
    size_t n;
    int64_t step;    /* of training; 0 = the kernels of evaluation */
    bool batch;      /* whole sequences are replaced, too */
    bool first_leak; /* no more cuts once one has shown a leak: leak_next isn't known then */
};

struct causality {
    size_t cuts;           /* tried */
    size_t leaks;          /* cuts after which something before them changed */
    int64_t cut, position; /* the first such: `position` changed although only > cut did */
    bool across;           /* a sequence changed although only others did */
    double leak_next;      /* share of the positions that change when only later tokens do; NAN */
    bool stopped;          /* before it was done */
    bool finite;           /* all states are numbers; where one isn't, nothing can be concluded */
};

/* Every cut 0 … T−2; for T > CAUSALITY_ALL_T at most CAUSALITY_CUTS of them, in this order as far as
 * they go: 0, K−2, K−1, K, T−2; both sides of every edge of a tile of keys, then of a block of
 * queries (attn.h), evenly chosen where they are too many; others evenly. ret[T + CAUSALITY_CUTS],
 * ascending. Returns how many. */
size_t causality_cuts(size_t t, size_t k, size_t *ret);
/* The smallest share of positions that see the next token, were they drawn by lot, of which `cuts`
 * cuts find one with 95 %. */
double causality_smallest_leak(size_t t, size_t cuts);
/* windows[B × (T+1)] are the true ones. leak_next takes positions between cuts to be like the cut
 * before them. Errors: NO_MEMORY. */
int causality_check(const struct causality_subject *subject, const struct causality_plan *plan,
                    const int32_t *windows, struct causality *ret, struct err *err);

#endif
