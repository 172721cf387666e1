#include "worker/data.h"

#include "common/philox.h"

#include <stdlib.h>

static int load_epoch(struct data *data, uint64_t epoch, struct err *err)
{
    const struct philox stream = philox_stream(data->spec.seed, "shuffle", "");
    size_t n = data->split.parts[CORPUS_TRAIN].windows;
    if (philox_permutation(&stream, epoch, (uint32_t)n, data->order) != 0)
        return err_set(err, ERR_NO_MEMORY, "no memory to shuffle %zu windows", n);
    data->epoch = epoch;
    return 0;
}

int data_new(const struct run_spec *spec, const char *dir, struct data **ret, struct err *err)
{
    struct corpus corpus;
    struct data *data = calloc(1, sizeof *data);
    if (data == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for the data");
    data->spec = *spec;
    digest_init(&data->consumed);
    int status = corpus_open(dir, &corpus, err);
    if (status == 0) {
        status = corpus_split_new(&corpus, spec, &data->split, err);
        corpus_done(&corpus);
    }
    size_t n = data->split.parts[CORPUS_TRAIN].windows;
    if (status == 0 && (data->order = calloc(n, sizeof *data->order)) == NULL)
        status = err_set(err, ERR_NO_MEMORY, "no memory to shuffle %zu windows", n);
    if (status == 0)
        status = load_epoch(data, 0, err);
    if (status != 0) {
        data_free(data);
        return status;
    }
    *ret = data;
    return 0;
}

void data_free(struct data *data)
{
    if (data == NULL)
        return;
    corpus_split_done(&data->split);
    free(data->order);
    free(data);
}

int data_batch(struct data *data, int64_t step, int32_t *ret, struct err *err)
{
    size_t n = data->split.parts[CORPUS_TRAIN].windows, width = data->split.seq_len + 1;
    size_t batch = (size_t)data->spec.train.batch_size;
    for (size_t b = 0; b < batch; b++) {
        uint64_t drawn = (uint64_t)(step - 1) * batch + b;
        if (drawn / n != data->epoch) {
            int status = load_epoch(data, drawn / n, err);
            if (status != 0)
                return status;
        }
        corpus_split_window(&data->split, CORPUS_TRAIN, data->order[drawn % n], ret + b * width);
    }
    digest_add(&data->consumed, ret, batch * width * sizeof *ret);
    return 0;
}

void data_consumed(const struct data *data, char ret[DIGEST_HEX])
{
    struct digest copy = data->consumed;
    digest_end_hex(&copy, ret);
}

size_t data_eval_windows(const struct data *data, enum corpus_part part)
{
    size_t n = data->split.parts[part].windows, m = (size_t)data->spec.train.eval_windows;
    return m == 0 || m > n ? n : m;
}

void data_eval_window(const struct data *data, enum corpus_part part, size_t i, int32_t *ret)
{
    size_t n = data->split.parts[part].windows, m = data_eval_windows(data, part);
    corpus_split_window(&data->split, part, i * n / m, ret);
}
