/* A function a task, which fills one window from a stream of words. */
#include "worker/data/tasks.h"

#include <assert.h>

/* Words of one window, in order. */
struct draw {
    const struct philox *stream;
    uint64_t number, word;
};

static int32_t below(struct draw *draw, int64_t n)
{
    return (int32_t)(philox_word(draw->stream, draw->number, draw->word++) % (uint64_t)n);
}

static void uniform(const struct spec_data *data, struct draw *draw, int32_t *ret)
{
    for (int64_t i = 0; i <= data->seq_len; i++)
        ret[i] = below(draw, data->vocab);
}

static void copy(const struct spec_data *data, struct draw *draw, int32_t *ret)
{
    int64_t half = data->seq_len / 2;
    for (int64_t i = 0; i <= data->seq_len; i++)
        ret[i] = task_unscored(0);
    for (int64_t i = 0; i < half; i++) {
        int32_t token = 1 + below(draw, data->vocab - 1);
        ret[i] = task_unscored(token);
        ret[half + 1 + i] = token;
    }
}

/* Every second place of items[2n]. */
static void shuffle(struct draw *draw, int32_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int32_t *other = items + 2 * below(draw, i + 1), item = items[2 * i];
        items[2 * i] = *other;
        *other = item;
    }
}

/* n different numbers of 1 … most, in any order (Floyd's algorithm, then a shuffle), likewise. */
static void choose(struct draw *draw, int64_t most, int64_t n, int32_t *items)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t top = most - n + i;
        int32_t item = 1 + below(draw, top + 1);
        for (int64_t k = 0; k < i; k++)
            if (items[2 * k] == item)
                item = (int32_t)top + 1;
        items[2 * i] = item;
    }
    shuffle(draw, items, n);
}

static void mqar(const struct spec_data *data, struct draw *draw, int32_t *ret)
{
    int64_t pairs = data->pairs, from = data->seq_len + 1 - 2 * pairs, half = data->vocab / 2;
    int32_t *questions = ret + from;
    assert(2 * pairs <= from);
    choose(draw, half - 1, pairs, ret);
    for (int64_t i = 0; i < pairs; i++) {
        ret[2 * i + 1] = (int32_t)half + below(draw, data->vocab - half);
        questions[2 * i] = (int32_t)i;
    }
    shuffle(draw, questions, pairs);
    for (int64_t i = 0; i < pairs; i++) {
        const int32_t *pair = ret + 2 * questions[2 * i];
        questions[2 * i] = task_unscored(pair[0]);
        questions[2 * i + 1] = pair[1];
    }
    for (int64_t i = 2 * pairs; i < from; i++)
        ret[i] = (int32_t)half + below(draw, data->vocab - half);
    for (int64_t i = 0; i < from; i++)
        ret[i] = task_unscored(ret[i]);
}

int32_t task_input(const struct spec_data *data, int32_t token)
{
    if (token < 0)
        return task_unscored(token);
    return data->kind == DATASET_MQAR ? 0 : token;
}

void task_window(const struct spec_data *data, const struct philox *stream, uint64_t number,
                 int32_t *ret)
{
    static void (*const tasks[])(const struct spec_data *, struct draw *, int32_t *) = {
        [DATASET_UNIFORM] = uniform,
        [DATASET_MQAR] = mqar,
        [DATASET_COPY] = copy,
    };
    struct draw draw = { .stream = stream, .number = number };
    tasks[data->kind](data, &draw, ret);
}
