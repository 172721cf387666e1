/* model: the transformer of schema/numerics.md §1–2: forward, loss and backward of one batch.
 *
 * A batch of B windows goes through in micro-batches (train.micro_batch_size) that divide it, for
 * which buffers are laid out; gradients add up. Cross-entropy is the mean over the scored targets
 * of the whole batch, KL over its B·T positions, the balance loss the mean over its micro-batches.
 *
 * model_new allocates everything that training will ever need; model_step and model_evaluate
 * allocate nothing. All randomness is keyed by (seed, purpose, name, step, element).
 */
#ifndef ABLATE_WORKER_MODEL_H
#define ABLATE_WORKER_MODEL_H

#include "common/base/err.h"
#include "common/spec/spec.h"
#include "worker/base/params.h"
#include "worker/base/pool.h"

#include <stdint.h>

struct model;

/* The figures of one step; means over the batch. */
struct model_stats {
    double loss;    /* cross-entropy in nats a target, before the update */
    double balance; /* Σ over layers of the balance loss, unweighted; mean over micro-batches */
    double kl;      /* Σ over layers of the indexer's KL, unweighted; 0 without one */
    /* largest share of an expert × E, mean over layers and micro-batches; 1 = even */
    double imbalance;
};

/* threads ≥ 1. Errors: NO_MEMORY. */
int model_new(const struct run_spec *spec, int threads, struct model **ret, struct err *err);
/* The same on the threads of a pool that exists, and is borrowed. */
int model_new_on(const struct run_spec *spec, struct pool *pool, struct model **ret,
                 struct err *err);
void model_free(struct model *model);
struct params *model_params(struct model *model);
/* Bytes that it holds, parameters and moments included; cost_estimate's figure covers them. */
size_t model_bytes(const struct model *model);
/* The model's threads, for optim_step. */
struct pool *model_pool(struct model *model);

/* Training pass over windows[B × (T+1)] (inputs: the first T tokens, targets: the last T, of which
 * a complement, a negative number, isn't scored) at step ≥ 1: sets every gradient; changes no
 * parameter. */
void model_step(struct model *model, const int32_t *windows, int64_t step, struct model_stats *ret);

/* The same for one micro-batch, that which begins with window `first` of the batch, as if it were the
 * whole: gradients are those of the mean over its own targets. For audits. */
void model_step_alone(struct model *model, const int32_t *windows, size_t first, int64_t step);
/* The same with every kl_weight 0. For audits. */
void model_step_without_kl(struct model *model, const int32_t *windows, int64_t step,
                           struct model_stats *ret);

/* Evaluation of n windows, at most a micro-batch, past any dense warm-up. recall [n]: of each window
 * as in model_recall (indexed), NaN without such layers. kl: Σ over layers with a kl_weight of their
 * KL by attn/kl.h. held: the keys that the pass before chose stay chosen. For audits. */
void model_indexed(struct model *model, const int32_t *windows, int64_t n, bool held,
                   double *recall, double *kl);

/* The loss of a training pass over one micro-batch, that from window `first` on of windows[B ×
 * (T+1)], without a gradient. `held`: the keys and experts that the pass before chose stay chosen,
 * and gates of the indexer's heads as they were in the last that wasn't held, so that the loss is a
 * smooth function of the parameters. kl: NULL, or room for model_kl_reals reals, the same from call
 * to call: with it the KL is measured, too. For audits. */
struct model_part {
    double nll; /* summed over the scored targets */
    /* Σ over scored targets of |W_target|²·|x|²/C, of a logit, were x by chance; and of the square of
     * what −ln p is beyond ln V, by which another token's logit is larger at least. */
    double spread;
    int64_t targets;
    double balance;        /* Σ over layers of the balance loss, unweighted */
    double balance_spread; /* Σ over layers of router_spread */
    double kl;             /* Σ over layers of kl_weight · KL, by attn/kl.h; 0 without room */
    double slope;          /* Σ over layers of kl_weight · (√KL + 0.01) · scores (attn/kl.h) */
};
void model_part_loss(struct model *model, const int32_t *windows, int64_t first, int64_t step,
                     bool held, real *kl, struct model_part *ret);
size_t model_kl_reals(const struct model *model);

/* Evaluation pass (no dropout, no noise) over n ≤ B windows. `step` = training steps done: during
 * dense_warmup_steps attention is dense. */
struct model_eval {
    double nll;      /* summed over the targets */
    int64_t correct; /* argmax (ties: lowest id) equals the target */
    int64_t targets;
};
void model_evaluate(struct model *model, const int32_t *windows, int64_t n, int64_t step,
                    struct model_eval *ret);
/* Of the n windows that model_evaluate saw last, or their last micro-batch: the share of the dense
 * attention mass that the chosen keys hold (attn_recall), averaged over the layers where not every
 * past key was seen (`indexed`: over those of them that have an indexer). False: there are none. */
bool model_recall(struct model *model, int64_t n, bool indexed, double *ret);
/* Pictures of a layer's attention in the same pass (attn_maps), of the first windows of the last
 * micro-batch; false: the layer saw every past key, so that `sees` and `dense` weren't set.
 * model_last_micro_batch: the number of that micro-batch's first window among the n. */
struct attn_maps;
bool model_maps(struct model *model, int64_t n, int64_t layer, const struct attn_maps *ret);
int64_t model_last_micro_batch(const struct model *model, int64_t n);
/* What the last pass chose in a layer, at place t of window b of its micro-batch: the keys that the
 * query saw, ascending, into ret [T], with their number; and the experts that the token visited, in
 * the order of their weights. For audits. */
size_t model_keys(const struct model *model, int64_t layer, size_t b, size_t t, int32_t *ret);
const int32_t *model_experts(const struct model *model, int64_t layer, size_t b, size_t t);
/* From now on model_evaluate sets the sum of each window's −ln p, and adds each target's to that of
 * its position. NULL ends it. */
struct model_watch {     /* arrays are borrowed, or NULL */
    double *by_window;   /* [B] */
    double *by_position; /* [T], with the next */
    int64_t *positions;  /* [T] targets in that sum */
};
void model_watch_evaluation(struct model *model, const struct model_watch *watch);
/* What the output layer sees [n × T × C] for n windows, at most a micro-batch, valid until the next
 * pass. As long as sequences keep their places in the batch, the bits of a row depend on nothing
 * but the tokens that it can see (dots_alone). Sparse kinds choose their keys, dense warm-up or not.
 * step as in model_logits. For audits. */
const real *model_states(struct model *model, const int32_t *windows, int64_t n, int64_t step);
/* The same of a pass of dense warm-up, in layers that have one. */
const real *model_warm_up_states(struct model *model, const int32_t *windows, int64_t n,
                                 int64_t step);
/* The same, after `step` ≥ 1 steps, by the pass of evaluation, dense warm-up included; or by the
 * training pass of that step with dropout and noise 0 and what is keyed by a step keyed by 0, which
 * ought to have the same bits. For audits. */
const real *model_bare_states(struct model *model, const int32_t *windows, int64_t n, int64_t step,
                              bool training);
/* Logits of model_states' pass into ret[n × T × V]; for tests and audits. step 0 = evaluation mode;
 * step ≥ 1 = training mode with that step's masks and noise. */
void model_logits(struct model *model, const int32_t *windows, int64_t n, int64_t step, real *ret);

#endif
