/* metrics: what is measured of a run. One table for all that know metrics by name: the trainer
 * measures each (worker/train/train_metrics.c), an experiment compares by one of them, the report and its
 * figure choose some, the API tells the table (GET /api/v1/metrics) and the page writes values as
 * it says.
 */
#ifndef ABLATE_COMMON_METRICS_H
#define ABLATE_COMMON_METRICS_H

#include "common/spec/spec.h"

#include <jansson.h>

/* A row a metric, in the order in which people are shown them: losses, then what explains them,
 * then clocks. Its place in enum metric, name, title, unit, how its values are written, what is
 * better and what it takes; then, by name, members of struct metric_info that few rows have. */
#define METRIC_LIST(X)                                                                             \
    X(VAL_LOSS, "val/loss", "Validation loss", "nats a token", DECIMAL, MIN, NOTHING,              \
      .heading = "val loss")                                                                       \
    X(TRAIN_LOSS, "train/loss", "Training loss", "nats a token, before the update", DECIMAL, MIN,  \
      NOTHING)                                                                                     \
    X(VAL_ACCURACY, "val/accuracy", "Validation accuracy", "share of targets", SHARE, MAX,         \
      NOTHING, .heading = "val accuracy")                                                          \
    X(TEST_LOSS, "test/loss", "Test loss", "nats a token", DECIMAL, MIN, NOTHING,                  \
      .heading = "test loss")                                                                      \
    X(TEST_ACCURACY, "test/accuracy", "Test accuracy", "share of targets", SHARE, MAX, NOTHING)    \
    X(DSA_KL, "dsa/kl", "Indexer KL", "nats", SIGNIFICANT, MIN, TRAINED_INDEXER)                   \
    X(DSA_RECALL, "dsa/recall", "Indexer recall", "share of dense attention mass", SHARE, MAX,     \
      CHOICE)                                                                                      \
    X(GRAD_NORM, "train/grad_norm", "Gradient norm", "before clipping", SIGNIFICANT, NEITHER,      \
      NOTHING)                                                                                     \
    X(BALANCE, "train/balance", "Balance loss", "summed over layers", SIGNIFICANT, MIN, EXPERTS)   \
    X(IMBALANCE, "moe/imbalance", "Expert imbalance", "", SIGNIFICANT, MIN, EXPERTS)               \
    X(LR, "train/lr", "Learning rate", "", SHORT, NEITHER, NOTHING)                                \
    X(STEP_S, "time/step_s", "Time a step", "wall clock", SECONDS, MIN, NOTHING,                   \
      .heading = "s/step", .clock = true)                                                          \
    X(TOKENS_PER_S, "throughput/tokens_per_s", "Throughput", "tokens a second", SIGNIFICANT, MAX,  \
      NOTHING, .clock = true)

#define METRIC_ENUMERATOR(id, ...) METRIC_##id,
enum metric { METRIC_LIST(METRIC_ENUMERATOR) METRICS };
#undef METRIC_ENUMERATOR

/* How values are written; the page does it (web/base/format.js). */
enum metric_format {
    FORMAT_DECIMAL,     /* four decimals */
    FORMAT_SIGNIFICANT, /* four significant digits */
    FORMAT_SHORT,       /* as few digits as four allow: 0.003 */
    FORMAT_SHARE,       /* a share of 1, in percent; 0.03 more are 3 points */
    FORMAT_SECONDS      /* in the unit that fits */
};

/* What is better: less, more, or nothing by itself. */
enum metric_goal { AIM_NEITHER, AIM_MIN, AIM_MAX };

/* What a run that measures it has. */
enum metric_needs { NEEDS_NOTHING, NEEDS_EXPERTS, NEEDS_TRAINED_INDEXER, NEEDS_CHOICE };

struct metric_info {
    const char *name, *title, *unit;
    enum metric_format format;
    enum metric_goal goal;
    enum metric_needs needs;
    const char *heading; /* of its column in the report's Markdown; NULL: it has one only when it is
                            compared */
    bool clock; /* measured by a clock: a run is told by its mean over steps, and no bits of it are
                   promised */
};

extern const struct metric_info metric_table[METRICS];
extern const char *const metric_names[METRICS + 1]; /* NULL at the end */

/* NULL when there is none of that name: another version's. */
const struct metric_info *metric_find(const char *name);
/* Whether a run measures it. */
bool metric_measured(enum metric metric, const struct run_spec *spec);
/* In words, what a run that measures it has; NULL: nothing. */
const char *metric_needs(enum metric metric);
/* By name; false for one that isn't known. */
bool metric_is_share(const char *name);
bool metric_is_clock(const char *name);
/* The table as JSON, an object a row. New reference. */
json_t *metrics_json(void);

#endif
