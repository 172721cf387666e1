/* An attempt may evaluate only a part of it all: one that resumed behind the last step validates
 * nothing, one that ends before it tests nothing. */
#include "worker/train/handed.h"

struct handed handed_of(const struct data *data)
{
    struct handed handed = { .data = data, .batch = (size_t)data->spec.train.batch_size };
    digest_init(&handed.digest);
    return handed;
}

size_t handed_next(struct handed *handed, enum corpus_part part, size_t i, int32_t *ret)
{
    size_t n = data_eval_windows(handed->data, part), left = n - i;
    size_t rows = left < handed->batch ? left : handed->batch;
    size_t width = (size_t)handed->data->spec.data.seq_len + 1;
    if (part == CORPUS_VAL && i == 0)
        *handed = handed_of(handed->data);
    for (size_t b = 0; b < rows; b++)
        data_eval_window(handed->data, part, i + b, ret + b * width);
    digest_add(&handed->digest, ret, rows * width * sizeof *ret);
    handed->whole[part] = i + rows == n;
    return rows;
}

void handed_fill(struct handed *handed, enum corpus_part part, int32_t *windows)
{
    size_t n = handed->whole[part] ? 0 : data_eval_windows(handed->data, part);
    for (size_t i = 0; i < n;)
        i += handed_next(handed, part, i, windows);
}

void handed_end(struct handed *handed, char ret[DIGEST_HEX])
{
    digest_end_hex(&handed->digest, ret);
}
