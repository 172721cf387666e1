/* tasks: synthetic data with a known answer. Windows are drawn by number, so that any of them can
 * be made at any time: purpose `data`, the window's number as the step, its words in the order
 * below.
 *
 *   uniform  every token uniform over V; all are scored. Nothing can be learnt: ln V is the floor.
 *   copy     T/2 tokens from 1 … V−1, a 0, the same tokens again; the second half is scored.
 *   mqar     multi-query associative recall (Arora et al., "Zoology", 2023): P pairs of a key and
 *            its value, then values that nobody asks for, and at the very end every key once more,
 *            in another order: a question, whose answer is the key's value and alone is scored.
 * Keys are distinct, from 1 … V/2−1, values from V/2 … V−1.
 *
 * Between a pair and its question lie T + 1 − 4P tokens at least; windows of attention that don't
 * reach so far in all layers together can't answer. As an input an answer reads 0: else the last
 * questions could be told by elimination, which is learnt first and hides the task. And the tokens
 * in between are values, not a filler that repeats: two layers hardly learn to look past that.
 */
#ifndef ABLATE_WORKER_TASKS_H
#define ABLATE_WORKER_TASKS_H

#include "common/philox.h"
#include "common/spec/spec.h"

/* A token that isn't scored as a target is stored as its complement, which is negative. */
static inline int32_t task_unscored(int32_t token)
{
    return ~token;
}

/* What the model sees where a window holds `token`. */
int32_t task_input(const struct spec_data *data, int32_t token);

/* Window `number` [T+1] of a stream. spec->data.kind isn't DATASET_STORED. */
void task_window(const struct spec_data *data, const struct philox *stream, uint64_t number,
                 int32_t *ret);

#endif
