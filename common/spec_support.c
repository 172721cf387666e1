/* The one place that knows which choices of the spec the trainer can't run yet: a row a choice, and
 * a predicate that holds when the trainer runs it. Making something work means taking out its row.
 */
#include "common/spec.h"

#include <stdio.h>

static bool dataset_stored(const struct run_spec *spec)
{
    return spec->data.kind == DATASET_STORED;
}

static bool kind_dense_or_dsa(const struct run_spec *spec)
{
    return spec->model.attention.kind == ATTENTION_DENSE ||
           spec->model.attention.kind == ATTENTION_DSA;
}

static bool no_dense_warmup(const struct run_spec *spec)
{
    return spec->model.attention.dense_warmup_steps == 0;
}

static bool no_indexer_rope(const struct run_spec *spec)
{
    return !spec->model.attention.indexer_rope;
}

static bool no_indexer_norm(const struct run_spec *spec)
{
    return !spec->model.attention.indexer_norm;
}

static bool optimizer_adam(const struct run_spec *spec)
{
    return spec->train.optimizer == OPTIMIZER_ADAM;
}

static bool schedule_constant(const struct run_spec *spec)
{
    return spec->train.schedule == SCHEDULE_CONSTANT;
}

static bool no_grad_clip(const struct run_spec *spec)
{
    return spec->train.grad_clip == 0;
}

static const struct {
    const char *pointer;
    const char *available;
    bool (*supported)(const struct run_spec *spec);
} rows[] = {
    { "/data/dataset", "stored corpora", dataset_stored },
    { "/model/attention/kind", "\"dense\" and \"dsa\"", kind_dense_or_dsa },
    { "/model/attention/dense_warmup_steps", "0", no_dense_warmup },
    { "/model/attention/indexer_rope", "false", no_indexer_rope },
    { "/model/attention/indexer_norm", "false", no_indexer_norm },
    { "/train/optimizer", "\"adam\"", optimizer_adam },
    { "/train/schedule", "\"constant\"", schedule_constant },
    { "/train/grad_clip", "0", no_grad_clip },
};

int run_spec_supported(const struct run_spec *spec, const char *pointer, struct err *err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!rows[i].supported(spec)) {
            char at[sizeof err->pointer];
            snprintf(at, sizeof at, "%s%s", pointer, rows[i].pointer);
            return err_set_at(err, ERR_NOT_IMPLEMENTED, at,
                              "%s: the trainer of this version runs %s only", rows[i].pointer + 1,
                              rows[i].available);
        }
    return 0;
}
