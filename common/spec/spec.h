/* spec: what a run is, decoded, checked, frozen.
 *
 * Two layers. The *experiment* spec is what a person submits (sweep.h expands it into runs). A *run
 * spec* is one arm at one grid point with one seed, fully resolved: every field present, ratios
 * turned into counts, the dataset named by its content ("sha256:<hex>"), so that its canonical JSON
 * is the run's identity. The structs below mirror the JSON one to one. From the bottom up:
 *
 *   spec            the structs, and what follows from them alone
 *   attention, optimizer, sizes      the rows of the kinds, the sizes that kernels work by
 *   cost, metrics   what a run will need, what it measures
 *   spec_fields     the tables of fields: key, type, range, default
 *   spec_check      the rules that involve several fields
 *   spec_json       decoding, encoding, the digest
 *   sweep…, tuning  experiments
 */
#ifndef ABLATE_COMMON_SPEC_H
#define ABLATE_COMMON_SPEC_H

#include "common/base/digest.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum tokenizer { TOKENIZER_BYTE };
enum split { SPLIT_DOCUMENTS, SPLIT_WINDOWS, SPLIT_FAMILIES };
enum dataset_kind { DATASET_STORED, DATASET_UNIFORM, DATASET_MQAR, DATASET_COPY };
enum init_kind { INIT_GPT2, INIT_TORCH };
enum activation { ACTIVATION_SILU, ACTIVATION_SWIGLU };
enum schedule { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_LINEAR };
/* Every kind of attention once: its place in enum attention_kind and its name. The tables of what a
 * kind is (attention.c) and of how it is computed (worker/attn/attn.c) are made from this list. */
#define ATTENTION_KIND_LIST(X)                                                                     \
    X(DENSE, dense)                                                                                \
    X(DSA, dsa)                                                                                    \
    X(WINDOW, window)                                                                              \
    X(RANDOM_TOPK, random_topk)                                                                    \
    X(ORACLE_TOPK, oracle_topk)                                                                    \
    X(STRIDED, strided)
/* Every optimiser once, likewise (optimizer.c, worker/optim/optim.c). */
#define OPTIMIZER_LIST(X)                                                                          \
    X(ADAM, adam)                                                                                  \
    X(ADAMW, adamw)                                                                                \
    X(SGD, sgd)
#define ATTENTION_ENUMERATOR(id, name) ATTENTION_##id,
#define OPTIMIZER_ENUMERATOR(id, name) OPTIMIZER_##id,
enum attention_kind { ATTENTION_KIND_LIST(ATTENTION_ENUMERATOR) ATTENTION_KINDS };
enum optimizer { OPTIMIZER_LIST(OPTIMIZER_ENUMERATOR) OPTIMIZERS };
#undef ATTENTION_ENUMERATOR
#undef OPTIMIZER_ENUMERATOR
enum indexer_training { INDEXER_KL, INDEXER_FROZEN };
enum selection { SELECTION_CAUSAL, SELECTION_PUBLISHED };
enum artifact {
    ARTIFACT_INIT,
    ARTIFACT_BATCHES,
    ARTIFACT_FINAL,
    ARTIFACT_GRADIENTS,
    ARTIFACT_ATTENTION,
    ARTIFACTS
};

enum { SPEC_DATASET_BYTES = 80, SPEC_LAYERS = 64 };

struct spec_data {
    char dataset[SPEC_DATASET_BYTES]; /* a stored name, "sha256:<hex>", or "synthetic:<task>" */
    enum dataset_kind kind;           /* derived from dataset */
    int tokenizer;                    /* enum tokenizer */
    int64_t documents;                /* the first so many documents; 0 = all */
    int64_t tokens;                   /* then the first so many tokens; 0 = all */
    int64_t seq_len;                  /* T */
    int split;                        /* enum split */
    double val_fraction, test_fraction;
    int64_t split_seed;
    int64_t vocab, pairs; /* synthetic tasks */
};

/* Parameters of every kind side by side; only those of `kind` are decoded, encoded and meaningful.
 */
struct spec_attention {
    int kind;           /* enum attention_kind */
    int64_t top_k;      /* K; 0 in a submitted spec = from top_k_ratio */
    double top_k_ratio; /* of T; 0 once resolved */
    int64_t indexer_heads, indexer_dim;
    int indexer_training; /* enum indexer_training */
    double kl_weight;
    int64_t dense_warmup_steps;
    int64_t indexer_only_steps; /* the last of these, in which the indexer alone is updated */
    bool indexer_rope, indexer_norm;
    int selection;        /* enum selection */
    int64_t window, sink; /* tokens */
    int64_t stride;
};

/* Layers first … last (from 0) and what stands there in place of model.attention. */
struct spec_layer_range {
    int64_t first, last;
    struct spec_attention attention;
};

struct spec_model {
    int64_t layers, heads, d_model, d_ff, experts, experts_per_token;
    double router_noise, balance_weight, dropout;
    int activation; /* enum activation */
    int init;       /* enum init_kind */
    bool tied;
    struct spec_attention attention;
    struct spec_layer_range attention_layers[SPEC_LAYERS]; /* ascending, apart */
    size_t attention_layers_n;
};

struct spec_train {
    int64_t steps;
    double flops; /* of a submitted spec: as many steps as cost at most so much; 0 once resolved */
    int64_t batch_size, batch_tokens;
    int64_t micro_batch_size; /* windows that a pass takes at most; 0 = the whole batch */
    int optimizer;            /* enum optimizer */
    double lr, betas[2], eps, momentum, weight_decay, grad_clip;
    int schedule; /* enum schedule */
    int64_t warmup_steps;
    double min_lr_ratio;
    int64_t eval_every, eval_windows, eval_tokens, checkpoint_every, threads;
};

struct run_spec {
    struct spec_data data;
    struct spec_model model;
    struct spec_train train;
    int64_t seed;
    unsigned artifacts; /* bit set of 1u << enum artifact */
};

/* The attention of a layer. */
const struct spec_attention *run_spec_attention(const struct run_spec *spec, int64_t layer);
/* Whether `so` holds for the attention of some layer. */
bool run_spec_any(const struct run_spec *spec, bool (*so)(const struct spec_attention *attention));
/* The steps in which indexers alone are updated, first … last: those of every layer that has such,
 * since it is all other parameters that rest. {1, 0}: none. */
struct spec_rest {
    int64_t first, last;
};
struct spec_rest run_spec_rest(const struct run_spec *spec);
/* How many of them are among steps 1 … step. */
int64_t spec_rested(const struct spec_rest *rest, int64_t step);
/* Windows that a pass through the model takes: the batch, or a part that divides it. */
int64_t run_spec_micro_batch(const struct run_spec *spec);
/* V: 257 for bytes, data.vocab for synthetic tasks. */
int64_t run_spec_vocab(const struct run_spec *spec);

/* Whether the parameter of this name ends a residual branch; init gpt2 draws it smaller, the more
 * layers there are (worker/base/params.h). */
bool run_spec_ends_residual(const char *parameter);

#endif
