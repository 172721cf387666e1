/* tasks: synthetic data with a known answer. Windows are drawn by number, so that any of them can
 * be made at any time: purpose `data`, the window's number as the step, its words in the order
 * below.
 *
 *   uniform  every token uniform over V; all are scored. Nothing can be learnt: ln V is the floor.
 *   copy     T/2 tokens from 1 … V−1, a 0, the same tokens again; the second half is scored.
 *   mqar     multi-query associative recall (Arora et al., "Zoology", 2023): P pairs of a key and
 * its value, zeros, and at the very end every key once more, in another order, each followed by its
 * value; those values alone are scored. Keys are distinct, from 1 … V/2−1, values from V/2 … V−1.
 *            Between a pair and its question lie T + 1 − 4P tokens at least.
 */
#ifndef ABLATE_WORKER_TASKS_H
#define ABLATE_WORKER_TASKS_H

#include "common/philox.h"
#include "common/spec.h"

/* A token that isn't scored as a target is stored as its complement, which is negative. */
static inline int32_t task_unscored(int32_t token)
{
    return ~token;
}

/* Window `number` [T+1] of a stream. spec->data.kind isn't DATASET_STORED. */
void task_window(const struct spec_data *data, const struct philox *stream, uint64_t number,
                 int32_t *ret);

#endif
