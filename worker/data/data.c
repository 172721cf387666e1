/* Where windows come from: a stored corpus, shuffled anew each epoch, or a synthetic task, whose
 * windows are drawn by number. */
#include "worker/data/data.h"

#include "common/philox.h"
#include "worker/base/planted.h"
#include "worker/data/tasks.h"

#include <stdlib.h>
#include <string.h>

static int load_epoch(struct data *data, uint64_t epoch, struct err *err)
{
    const struct philox stream = philox_stream(data->spec.seed, "shuffle", "");
    size_t n = data->split.parts[CORPUS_TRAIN].windows;
    if (philox_permutation(&stream, epoch, (uint32_t)n, data->order) != 0)
        return err_no_memory(err, "the shuffle of %zu windows", n);
    data->epoch = epoch;
    return 0;
}

static bool synthetic(const struct data *data)
{
    return data->spec.data.kind != DATASET_STORED;
}

/* Training windows differ by the run's seed; those of evaluations are the same for every seed. */
static void name_streams(struct data *data)
{
    for (int part = 0; part < CORPUS_PARTS; part++)
        data->streams[part] =
            philox_stream(part == CORPUS_TRAIN ? data->spec.seed : data->spec.data.split_seed,
                          "data", corpus_part_names[part]);
}

/* A specification that names its corpus by content gets that corpus and no other: lengths and
 * offsets don't tell of a byte that was changed. One that gives a name takes the corpus at hand,
 * whose digest is noted. */
static int check_content(struct data *data, const struct corpus *corpus, const char *dir,
                         struct err *err)
{
    static const char prefix[] = "sha256:";
    char digest[DIGEST_HEX];
    corpus_digest(corpus, digest);
    if (strncmp(data->spec.data.dataset, prefix, strlen(prefix)) != 0) {
        memcpy(data->corpus, digest, sizeof digest);
        return 0;
    }
    if (strcmp(data->spec.data.dataset + strlen(prefix), digest) == 0)
        return 0;
    return err_set(err, ERR_BAD_DATA,
                   "the corpus in %s is damaged, or another: its content has the digest %s, and "
                   "the run is specified for %s",
                   dir, digest, data->spec.data.dataset + strlen(prefix));
}

static int open_corpus(struct data *data, const char *dir, struct err *err)
{
    struct corpus corpus;
    int status = corpus_open(dir, &corpus, err);
    if (status == 0) {
        status = check_content(data, &corpus, dir, err);
        if (status == 0)
            status = corpus_split_new(&corpus, &data->spec, &data->split, err);
        corpus_done(&corpus);
    }
    size_t n = data->split.parts[CORPUS_TRAIN].windows;
    if (status == 0 && (data->order = calloc(n, sizeof *data->order)) == NULL)
        status = err_no_memory(err, "the shuffle of %zu windows", n);
    return status == 0 ? load_epoch(data, 0, err) : status;
}

int data_new(const struct run_spec *spec, const char *dir, struct data **ret, struct err *err)
{
    struct data *data = calloc(1, sizeof *data);
    if (data == NULL)
        return err_no_memory(err, "the data");
    data->spec = *spec;
    digest_init(&data->consumed);
    name_streams(data);
    int status = synthetic(data) ? 0 : open_corpus(data, dir, err);
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

/* Training window number `drawn`, counted from the first step's first. */
static int train_window(struct data *data, uint64_t drawn, int32_t *ret, struct err *err)
{
    size_t n = data->split.parts[CORPUS_TRAIN].windows;
    if (synthetic(data)) {
        task_window(&data->spec.data, &data->streams[CORPUS_TRAIN], drawn, ret);
        return 0;
    }
    int status = drawn / n != data->epoch ? load_epoch(data, drawn / n, err) : 0;
    if (status == 0)
        corpus_split_window(&data->split, CORPUS_TRAIN, data->order[drawn % n], ret);
    return status;
}

int data_windows(struct data *data, int64_t step, int32_t *ret, struct err *err)
{
    size_t batch = (size_t)data->spec.train.batch_size, width = (size_t)data->spec.data.seq_len + 1;
    int status = 0;
    for (size_t b = 0; b < batch && status == 0; b++)
        status = train_window(data, (uint64_t)(step - 1) * batch + b, ret + b * width, err);
    return status;
}

int data_batch(struct data *data, int64_t step, int32_t *ret, struct err *err)
{
    size_t batch = (size_t)data->spec.train.batch_size, width = (size_t)data->spec.data.seq_len + 1;
    int status = data_windows(data, step, ret, err);
    if (status == 0)
        digest_add(&data->consumed, ret, batch * width * sizeof *ret);
    return status;
}

void data_consumed(const struct data *data, char ret[DIGEST_HEX])
{
    struct digest copy = data->consumed;
    digest_end_hex(&copy, ret);
}

size_t data_eval_windows(const struct data *data, enum corpus_part part)
{
    int64_t m = data->spec.train.eval_windows;
    if (synthetic(data))
        return m == 0 ? DATA_EVAL_WINDOWS : (size_t)m;
    return corpus_eval_windows(&data->split, part, m);
}

void data_eval_window(const struct data *data, enum corpus_part part, size_t i, int32_t *ret)
{
    size_t n = data->split.parts[part].windows, m = data_eval_windows(data, part);
    if (synthetic(data)) {
        task_window(&data->spec.data, &data->streams[part], i, ret);
        return;
    }
    if (planted("eval_train") || (planted("test_train") && part == CORPUS_TEST))
        part = CORPUS_TRAIN;
    corpus_split_window(&data->split, part, i * n / m, ret);
    if (planted("eval_early"))
        memmove(ret + 1, ret, (size_t)data->spec.data.seq_len * sizeof *ret);
}
