/* A row a metric; what the table of metrics has and no row here doesn't build. */
#include "worker/train/train_metrics.h"

/* In the order in which events name them: those of a step, which the table says are measured or
 * not, and of an evaluation, with whether there is a value. */
#define STEP_METRICS(X)                                                                            \
    X(TRAIN_LOSS, f->model.loss)                                                                   \
    X(GRAD_NORM, f->optim.grad_norm)                                                               \
    X(LR, f->optim.lr)                                                                             \
    X(BALANCE, f->model.balance)                                                                   \
    X(IMBALANCE, f->model.imbalance)                                                               \
    X(DSA_KL, f->model.kl)                                                                         \
    X(STEP_S, f->seconds)                                                                          \
    X(TOKENS_PER_S, f->tokens / f->seconds)
#define EVAL_METRICS(X)                                                                            \
    X(VAL_LOSS, part == CORPUS_VAL, f->loss)                                                       \
    X(VAL_ACCURACY, part == CORPUS_VAL, f->accuracy)                                               \
    X(DSA_RECALL, part == CORPUS_VAL && f->leaves_out, f->recall)                                  \
    X(TEST_LOSS, part == CORPUS_TEST, f->loss)                                                     \
    X(TEST_ACCURACY, part == CORPUS_TEST, f->accuracy)

#define FOUND(id, ...) FOUND_##id,
enum { STEP_METRICS(FOUND) STEP_METRICS_N };
enum { EVAL_METRICS(FOUND) EVAL_METRICS_N };
#undef FOUND
_Static_assert((int)STEP_METRICS_N <= (int)EMIT_METRICS_NAMES,
               "more metrics a step than a row holds");
_Static_assert(STEP_METRICS_N + EVAL_METRICS_N == METRICS,
               "a metric of the table comes from nowhere");

size_t step_metrics_named(const struct run_spec *spec, const char *ret[EMIT_METRICS_NAMES])
{
    size_t n = 0;
#define NAME(id, value)                                                                            \
    if (metric_measured(METRIC_##id, spec))                                                        \
        ret[n++] = metric_names[METRIC_##id];
    STEP_METRICS(NAME)
#undef NAME
    return n;
}

void step_metrics(const struct run_spec *spec, const struct step_figures *f,
                  double ret[EMIT_METRICS_NAMES])
{
    size_t n = 0;
#define VALUE(id, value)                                                                           \
    if (metric_measured(METRIC_##id, spec))                                                        \
        ret[n++] = value;
    STEP_METRICS(VALUE)
#undef VALUE
}

size_t eval_metrics(enum corpus_part part, const struct eval_figures *f,
                    const char *ret_names[METRICS], double ret_values[METRICS])
{
    size_t n = 0;
#define VALUE(id, known, value)                                                                    \
    if (known) {                                                                                   \
        ret_names[n] = metric_names[METRIC_##id];                                                  \
        ret_values[n++] = value;                                                                   \
    }
    EVAL_METRICS(VALUE)
#undef VALUE
    return n;
}
