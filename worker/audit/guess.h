/* guess: what a prediction scores that knows nothing but how often tokens, and pairs of tokens,
 * stand in training: the bar below which a model has learnt (schema/numerics.md §7, `learned`). */
#ifndef ABLATE_WORKER_AUDIT_GUESS_H
#define ABLATE_WORKER_AUDIT_GUESS_H

#include "worker/data/data.h"

/* Nats a token, over the targets that val/loss is the mean of. */
struct guess {
    double unigram; /* of a synthetic task: of who knows which tokens can be an answer; NaN: there
                       is nothing to learn */
    double bigram;  /* NaN: of a synthetic task, in which pairs tell nothing */
};

/* vocab: run_spec_vocab; no token of the corpus reaches it. Errors: NO_MEMORY. */
int guess_measure(const struct data *data, size_t vocab, struct guess *ret, struct err *err);

#endif
