#include "common/spec/metrics.h"

#include "common/spec/attention.h"

#include <string.h>

static bool is_routed(const struct run_spec *spec)
{
    return spec->model.experts > 1;
}

static bool trains_indexer(const struct run_spec *spec)
{
    return run_spec_any(spec, attention_learns);
}

static bool chooses(const struct spec_attention *attention)
{
    return attention_info_of(attention)->chooses;
}

static bool chooses_keys(const struct run_spec *spec)
{
    return run_spec_any(spec, chooses);
}

#define METRICS(X)                                                                                 \
    X("train/loss", NULL, NULL, false)                                                             \
    X("train/grad_norm", NULL, NULL, false)                                                        \
    X("train/lr", NULL, NULL, false)                                                               \
    X("train/balance", is_routed, "more than one expert", false)                                   \
    X("val/loss", NULL, NULL, false)                                                               \
    X("val/accuracy", NULL, NULL, true)                                                            \
    X("test/loss", NULL, NULL, false)                                                              \
    X("test/accuracy", NULL, NULL, true)                                                           \
    X("time/step_s", NULL, NULL, false)                                                            \
    X("throughput/tokens_per_s", NULL, NULL, false)                                                \
    X("moe/imbalance", is_routed, "more than one expert", false)                                   \
    X("dsa/kl", trains_indexer, "an indexer that is trained", false)                               \
    X("dsa/recall", chooses_keys, "attention that chooses its keys", true)

#define ROW(name, measured, needs, share)  { name, measured, needs, share },
#define NAME(name, measured, needs, share) name,
const struct metric_info metric_table[] = { METRICS(ROW) };
const char *const metric_names[] = { METRICS(NAME) NULL };
#undef ROW
#undef NAME
const size_t metric_table_n = sizeof metric_table / sizeof *metric_table;

const struct metric_info *metric_find(const char *name)
{
    for (size_t i = 0; i < metric_table_n; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}

bool metric_measured(const char *name, const struct run_spec *spec)
{
    const struct metric_info *info = metric_find(name);
    return info != NULL && (info->measured == NULL || info->measured(spec));
}

bool metric_is_share(const char *name)
{
    const struct metric_info *info = metric_find(name);
    return info != NULL && info->share;
}
