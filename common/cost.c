/* What a run will need.
 *
 * Parameters are exact. FLOPs count the multiply-adds that the definition of the model asks for,
 * not what a kernel may waste: causal attention is charged for the pairs (t, s ≤ t) it uses, a
 * mixture of experts for the experts a token visits, the output layer for the positions that are
 * scored. The backward pass costs twice the forward pass: one product for the gradient of the
 * inputs, one for that of the weights.
 *
 * Memory is an estimate of the peak: parameters, their gradients and both moments; what the forward
 * pass leaves for the backward pass; one chunk of logits, which turns into its gradient; and the
 * process itself. It decides how many runs are started side by side, so it rounds up where it isn't
 * sure.
 */
#include "common/cost.h"

#include "common/path.h"
#include "common/spec_fields.h"

/* The output layer's chunk: so many logits, within these numbers of rows, and the parts that its
 * gradient comes in (worker/ops/loss.c). */
enum {
    FLOAT = 4,
    LOGITS = 24 << 20,
    LOGIT_ROWS_LEAST = 64,
    LOGIT_ROWS_MOST = 512,
    LOGIT_PARTS = 12
};
/* A thread's blocks of queries (worker/attn), for a machine of moderate size; the indexer's parts.
 */
enum { SCRATCH_THREADS = 4, SCRATCH_ROWS = 64, INDEX_PARTS = 16 };
static const int64_t process_bytes = 48 << 20; /* code, OpenBLAS's buffers, the corpus */

struct sizes {
    int64_t batch, t, c, h, f, e, k_experts, v, layers, k;
    int64_t index_heads, index_dim; /* 0 without an indexer */
    bool masked;                    /* the visible keys are a mask, a byte a pair */
};

static struct sizes sizes_of(const struct run_spec *spec)
{
    const struct spec_model *model = &spec->model;
    const struct spec_attention *attention = &model->attention;
    bool indexed = attention->kind == ATTENTION_DSA;
    return (struct sizes){
        .batch = spec->train.batch_size,
        .t = spec->data.seq_len,
        .c = model->d_model,
        .h = model->heads,
        .f = model->d_ff,
        .e = model->experts,
        .k_experts = model->experts_per_token,
        .v = run_spec_vocab(spec),
        .layers = model->layers,
        .k = attention->top_k,
        .masked = attention->kind != ATTENTION_DENSE,
        .index_heads = indexed ? attention->indexer_heads : 0,
        .index_dim = indexed ? attention->indexer_dim : 0,
    };
}

/* Rows of the indexer's q, k and w together; each is d_model wide. */
static int64_t indexer_rows(const struct sizes *s)
{
    return s->index_heads * s->index_dim + s->index_dim + s->index_heads;
}

static int64_t parameters(const struct run_spec *spec, const struct sizes *s)
{
    int64_t norms = 2 * s->c;
    int64_t attention = 3 * s->c * s->c + s->c * s->c;
    int64_t indexer = indexer_rows(s) * s->c;
    if (s->index_heads > 0 && spec->model.attention.indexer_norm)
        indexer += 2 * s->index_dim;
    int64_t gate = s->e > 1 ? s->e * s->c : 0;
    int64_t experts = s->e * 2 * s->f * s->c;
    int64_t embeddings = (spec->model.tied ? 1 : 2) * s->v * s->c;
    return embeddings + s->layers * (norms + attention + indexer + gate + experts) + s->c;
}

/* Σ_t min(t, n) for t = 1 … T: the pairs when each query sees at most n keys. */
static double capped_pairs(int64_t t, int64_t n)
{
    n = n < t ? n : t;
    return (double)n * (double)(n + 1) / 2 + (double)(t - n) * (double)n;
}

/* Pairs (query, key) of one sequence that enter one head's attention. */
static double attended_pairs(const struct run_spec *spec, const struct sizes *s)
{
    const struct spec_attention *attention = &spec->model.attention;
    double causal = capped_pairs(s->t, s->t);
    switch (attention->kind) {
    case ATTENTION_DSA:
        /* The published selection always fills K, with future keys if need be. */
        return attention->selection == SELECTION_PUBLISHED ? (double)s->t * (double)s->k
                                                           : capped_pairs(s->t, s->k);
    case ATTENTION_RANDOM_TOPK:
    case ATTENTION_ORACLE_TOPK:
        return capped_pairs(s->t, s->k);
    case ATTENTION_WINDOW: {
        double pairs =
            capped_pairs(s->t, attention->window) + (double)s->t * (double)attention->sink;
        return pairs < causal ? pairs : causal;
    }
    default:
        return causal;
    }
}

/* FLOPs of the indexer in one layer, KL and its backward pass included. Scores cover every causal
 * pair; their gradient exists only on the pairs that the KL looks at. */
static double indexer_flops(const struct run_spec *spec, const struct sizes *s, double kl_pairs)
{
    if (s->index_heads == 0)
        return 0;
    double tokens = (double)(s->batch * s->t);
    double a_pair = 2.0 * (double)(s->index_heads * s->index_dim) + 2.0 * (double)s->index_heads;
    double forward = 2.0 * tokens * (double)(indexer_rows(s) * s->c) +
                     (double)s->batch * capped_pairs(s->t, s->t) * a_pair;
    if (spec->model.attention.indexer_training == INDEXER_FROZEN)
        return forward;
    /* Its input is detached: the backward pass makes the gradient of the weights alone. */
    return forward + 2.0 * tokens * (double)(indexer_rows(s) * s->c) +
           2.0 * (double)s->batch * kl_pairs * a_pair;
}

/* Positions of a window that are scored (worker/tasks.h). */
static int64_t scored(const struct spec_data *data)
{
    const int64_t of_kind[] = {
        [DATASET_STORED] = data->seq_len,
        [DATASET_UNIFORM] = data->seq_len,
        [DATASET_MQAR] = data->pairs,
        [DATASET_COPY] = data->seq_len / 2,
    };
    return of_kind[data->kind];
}

/* One step whose heads attend to `pairs` pairs a sequence. */
static double step_flops(const struct run_spec *spec, const struct sizes *s, double pairs)
{
    double tokens = (double)(s->batch * s->t);
    double projections = 2.0 * tokens * 4.0 * (double)(s->c * s->c);
    double core = (double)s->batch * pairs * 4.0 * (double)s->c;
    double gate = s->e > 1 ? 2.0 * tokens * (double)(s->e * s->c) : 0;
    double experts = 2.0 * tokens * (double)s->k_experts * 2.0 * (double)(s->f * s->c);
    double logits = 2.0 * (double)(s->batch * scored(&spec->data)) * (double)s->v * (double)s->c;
    double oracle =
        0; /* the head-mean probabilities that it selects by: scores of all causal pairs */
    if (spec->model.attention.kind == ATTENTION_ORACLE_TOPK)
        oracle = (double)s->batch * capped_pairs(s->t, s->t) * 2.0 * (double)s->c;
    double layer =
        3.0 * (projections + core + gate + experts) + oracle + indexer_flops(spec, s, pairs);
    return 3.0 * logits + (double)s->layers * layer;
}

/* Reals of one layer's attention that grow faster than its tokens. */
static int64_t attention_reals(const struct run_spec *spec, const struct sizes *s)
{
    const struct spec_attention *a = &spec->model.attention;
    enum attention_path path = attention_path(a, s->t), dense = attention_dense_path(s->t);
    int64_t tokens = s->batch * s->t, square = tokens * s->t,
            listed = tokens * attention_keys(a, s->t);
    int64_t of_path[] = {
        [PATH_KEPT] = s->h * square,
        [PATH_FLASH] = s->h * tokens,
        [PATH_GATHER] = s->h * tokens + tokens + listed * (s->index_heads > 0 ? 3 : 1),
    };
    int64_t reals = of_path[path];
    if (a->dense_warmup_steps > 0 && dense != path)
        reals += of_path[dense];
    if (path != PATH_GATHER && s->masked)
        reals += square / 4;
    if (s->index_heads > 0 && (path != PATH_GATHER || a->dense_warmup_steps > 0))
        reals += 2 * square;
    return reals;
}

static int64_t memory(const struct run_spec *spec, const struct sizes *s, int64_t n_parameters)
{
    int64_t tokens = s->batch * s->t;
    /* What a layer keeps: both residual inputs and their norms, qkv, the heads' output, the gate,
     * and of each visited expert its input, hidden layer before and after silu, and output. */
    int64_t a_token = 4 * s->c + 3 * s->c + s->c + 2 * s->e + s->k_experts * (2 * s->f + 2 * s->c) +
                      indexer_rows(s) + (s->k_experts * s->f + 2 * s->c) / 4; /* masks, in bytes */
    int64_t layer = tokens * a_token + attention_reals(spec, s);
    /* Gradients of one layer's activations live at a time. */
    int64_t floats = (s->layers + 1) * layer + 2 * tokens * s->c;
    if (attention_path(&spec->model.attention, s->t) == PATH_GATHER)
        floats += 4 * tokens * s->c + INDEX_PARTS * s->t * s->index_dim;
    floats += SCRATCH_THREADS * 3 * SCRATCH_ROWS * s->t;
    int64_t chunk = LOGITS / s->v > LOGIT_ROWS_LEAST ? LOGITS / s->v : LOGIT_ROWS_LEAST;
    chunk = chunk < LOGIT_ROWS_MOST ? chunk : LOGIT_ROWS_MOST;
    floats += (chunk < tokens ? chunk : tokens) * (s->v + (LOGIT_PARTS + 1) * s->c + 64);
    return process_bytes + 4 * n_parameters * FLOAT + floats * FLOAT;
}

void cost_estimate(const struct run_spec *spec, struct cost *ret)
{
    const struct sizes s = sizes_of(spec);
    double steps = (double)spec->train.steps;
    double warmup = (double)spec->model.attention.dense_warmup_steps;
    double sparse = step_flops(spec, &s, attended_pairs(spec, &s));
    double dense = step_flops(spec, &s, capped_pairs(s.t, s.t));
    ret->parameters = parameters(spec, &s);
    ret->memory_bytes = memory(spec, &s, ret->parameters);
    ret->flops_per_step = sparse;
    ret->flops_total = (steps - warmup) * sparse + warmup * dense;
}
