/* data: which windows a step trains on, and which ones evaluation looks at
 * (schema/numerics.md §4). */
#ifndef ABLATE_WORKER_DATA_H
#define ABLATE_WORKER_DATA_H

#include "common/base/digest.h"
#include "common/corpus/corpus.h"
#include "common/philox.h"
#include "common/spec/spec.h"

#include <stddef.h>
#include <stdint.h>

/* Synthetic tasks have as many windows as are asked for; an evaluation takes so many by default. */
enum { DATA_EVAL_WINDOWS = 512 };

struct data {
    struct run_spec spec;
    struct philox streams[CORPUS_PARTS]; /* of a synthetic task's windows, by part */
    struct corpus_split split;
    uint32_t *order;         /* of the training windows in this epoch; owned */
    uint64_t epoch;          /* that `order` belongs to */
    struct digest consumed;  /* token ids of every training window drawn so far */
    char corpus[DIGEST_HEX]; /* its content's; "" where the specification has it, or no corpus */
};

/* dir: the corpus folder; a synthetic task needs none. Errors: as corpus_open, corpus_split_new. */
int data_new(const struct run_spec *spec, const char *dir, struct data **ret, struct err *err);
void data_free(struct data *data);

/* In windows, a token that isn't scored as a target is a complement (tasks.h).
 *
 * The windows [B × (T+1)] of training step 1, 2, …: each epoch is a keyed permutation, walked in
 * order, crossing epochs without a short batch. Any step may be asked for; going on from the last
 * one is the fast way. Adds to the digest of what was consumed. Errors: NO_MEMORY, after which
 * ret's content is unspecified. */
int data_batch(struct data *data, int64_t step, int32_t *ret, struct err *err);
/* The same windows, to look at: they don't count as consumed. */
int data_windows(struct data *data, int64_t step, int32_t *ret, struct err *err);
/* Digest of the token ids drawn so far; drawing may go on. */
void data_consumed(const struct data *data, char ret[DIGEST_HEX]);

/* Windows that an evaluation of this part looks at, and number i of them [T+1]: all of them, or
 * eval_windows at even distances. */
size_t data_eval_windows(const struct data *data, enum corpus_part part);
void data_eval_window(const struct data *data, enum corpus_part part, size_t i, int32_t *ret);

#endif
