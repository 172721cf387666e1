/* What a run will need.
 *
 * Parameters are exact. FLOPs count the multiply-adds that the definition of the model asks for,
 * not what a kernel may waste: causal attention is charged for the pairs (t, s ≤ t) it uses, a
 * mixture of experts for the experts a token visits, the output layer for the positions that are
 * scored. The backward pass costs twice the forward pass: one product for the gradient of the
 * inputs, one for that of the weights.
 *
 * Memory is an estimate of the peak: parameters, their gradients and both moments; what the forward
 * pass of a micro-batch leaves for the backward pass; one chunk of logits, which turns into its
 * gradient; and the process itself. It decides how many runs are started side by side, so it rounds
 * up where it isn't sure.
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
enum { PANEL = 32 }; /* rows that weights and keys are packed by (worker/ops/dots.h) */
/* A thread's blocks of queries (worker/attn), for a machine of moderate size; the indexer's parts.
 */
enum { SCRATCH_THREADS = 4, SCRATCH_ROWS = 64, INDEX_PARTS = 16 };
static const int64_t process_bytes = 48 << 20; /* code, OpenBLAS's buffers, the corpus */

struct sizes {
    int64_t batch, pass; /* windows of a step, and of a pass: a micro-batch */
    int64_t t, c, h, f, e, k_experts, v;
    int64_t hidden; /* F × the matrices that make an expert's hidden layer: w1, and w3 of swiglu */
    /* of one layer */
    const struct spec_attention *attention;
    int64_t index_heads, index_dim; /* 0 without an indexer */
};

static struct sizes sizes_of(const struct run_spec *spec, int64_t layer)
{
    const struct spec_model *model = &spec->model;
    const struct spec_attention *attention = run_spec_attention(spec, layer);
    bool indexed = attention->kind == ATTENTION_DSA;
    return (struct sizes){
        .batch = spec->train.batch_size,
        .pass = run_spec_micro_batch(spec),
        .t = spec->data.seq_len,
        .c = model->d_model,
        .h = model->heads,
        .f = model->d_ff,
        .hidden = model->d_ff * (model->activation == ACTIVATION_SWIGLU ? 2 : 1),
        .e = model->experts,
        .k_experts = model->experts_per_token,
        .v = run_spec_vocab(spec),
        .attention = attention,
        .index_heads = indexed ? attention->indexer_heads : 0,
        .index_dim = indexed ? attention->indexer_dim : 0,
    };
}

/* Rows of the indexer's q, k and w together; each is d_model wide. */
static int64_t indexer_rows(const struct sizes *s)
{
    return s->index_heads * s->index_dim + s->index_dim + s->index_heads;
}

static int64_t layer_parameters(const struct sizes *s)
{
    int64_t norms = 2 * s->c;
    int64_t attention = 3 * s->c * s->c + s->c * s->c;
    int64_t indexer = indexer_rows(s) * s->c;
    if (s->attention->indexer_norm)
        indexer += 2 * s->index_dim;
    int64_t gate = s->e > 1 ? s->e * s->c : 0;
    int64_t experts = s->e * (s->hidden + s->f) * s->c;
    return norms + attention + indexer + gate + experts;
}

/* Σ min(i, n) for i = 1 … t: the pairs when each query sees at most n keys. */
static double capped_pairs(int64_t t, int64_t n)
{
    t = t > 0 ? t : 0;
    n = n < t ? n : t;
    return (double)n * (double)(n + 1) / 2 + (double)(t - n) * (double)n;
}

double cost_pairs(const struct spec_attention *attention, int64_t t)
{
    switch (attention->kind) {
    case ATTENTION_DSA:
        /* The published selection always fills K, with future keys if need be. */
        return attention->selection == SELECTION_PUBLISHED ? (double)t * (double)attention->top_k
                                                           : capped_pairs(t, attention->top_k);
    case ATTENTION_RANDOM_TOPK:
    case ATTENTION_ORACLE_TOPK:
        return capped_pairs(t, attention->top_k);
    case ATTENTION_WINDOW: /* and of the sink, the keys that have left the window */
        return capped_pairs(t, attention->window) +
               capped_pairs(t - attention->window, attention->sink);
    default:
        return capped_pairs(t, t);
    }
}

/* FLOPs of the indexer in one layer, KL and its backward pass included. Scores cover every causal
 * pair; their gradient exists only on the pairs that the KL looks at. */
static double indexer_flops(const struct sizes *s, double kl_pairs)
{
    if (s->index_heads == 0)
        return 0;
    double tokens = (double)(s->batch * s->t);
    double a_pair = 2.0 * (double)(s->index_heads * s->index_dim) + 2.0 * (double)s->index_heads;
    double forward = 2.0 * tokens * (double)(indexer_rows(s) * s->c) +
                     (double)s->batch * capped_pairs(s->t, s->t) * a_pair;
    if (s->attention->indexer_training == INDEXER_FROZEN)
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

/* One layer in one step, its heads attending to `pairs` pairs a sequence. */
static double layer_flops(const struct sizes *s, double pairs)
{
    double tokens = (double)(s->batch * s->t);
    double projections = 2.0 * tokens * 4.0 * (double)(s->c * s->c);
    double core = (double)s->batch * pairs * 4.0 * (double)s->c;
    double gate = s->e > 1 ? 2.0 * tokens * (double)(s->e * s->c) : 0;
    double experts = 2.0 * tokens * (double)s->k_experts * (double)((s->hidden + s->f) * s->c);
    double oracle =
        0; /* the head-mean probabilities that it selects by: scores of all causal pairs */
    if (s->attention->kind == ATTENTION_ORACLE_TOPK)
        oracle = (double)s->batch * capped_pairs(s->t, s->t) * 2.0 * (double)s->c;
    return 3.0 * (projections + core + gate + experts) + oracle + indexer_flops(s, pairs);
}

/* Reals of one layer's attention that grow faster than its tokens. */
static int64_t attention_reals(const struct sizes *s)
{
    const struct spec_attention *a = s->attention;
    enum attention_path path = attention_path(a, s->t), dense = attention_dense_path(s->t);
    int64_t tokens = s->pass * s->t, square = tokens * s->t,
            listed = tokens * attention_keys(a, s->t);
    int64_t of_path[] = {
        [PATH_KEPT] = s->h * square,
        [PATH_FLASH] = s->h * tokens,
        [PATH_GATHER] = s->h * tokens + tokens + listed * (s->index_heads > 0 ? 3 : 1),
    };
    int64_t reals = of_path[path];
    if (a->dense_warmup_steps > 0 && dense != path)
        reals += of_path[dense];
    if (path != PATH_GATHER && a->kind != ATTENTION_DENSE) /* a mask, a byte a pair */
        reals += square / 4;
    if (s->index_heads > 0 && (path != PATH_GATHER || a->dense_warmup_steps > 0))
        reals += 2 * square;
    return reals;
}

/* What a layer keeps: both residual inputs and their norms, qkv, the heads' output, the gate, and
 * of each visited expert its input, hidden layer before and after the activation, and output. */
static int64_t layer_reals(const struct sizes *s)
{
    int64_t a_token = 4 * s->c + 3 * s->c + s->c + 2 * s->e +
                      s->k_experts * (s->hidden + s->f + 2 * s->c) + indexer_rows(s) +
                      (s->k_experts * s->f + 2 * s->c) / 4; /* masks, in bytes */
    int64_t tables = s->attention->indexer_rope ? s->t * s->index_dim / 2 : 0;
    return s->pass * s->t * a_token + attention_reals(s) + tables;
}

/* Weights of qkv and of the gate, packed in panels. */
static int64_t packed_reals(const struct sizes *s)
{
    return (3 * s->c + s->e + 2 * PANEL) * s->c;
}

/* What isn't a layer's. */
static int64_t other_reals(const struct sizes *s)
{
    int64_t tokens = s->pass * s->t;
    int64_t reals = 2 * tokens * s->c + s->batch * (s->t + 1) +
                    SCRATCH_THREADS * 3 * SCRATCH_ROWS * s->t + packed_reals(s);
    int64_t chunk = LOGITS / s->v > LOGIT_ROWS_LEAST ? LOGITS / s->v : LOGIT_ROWS_LEAST;
    chunk = chunk < LOGIT_ROWS_MOST ? chunk : LOGIT_ROWS_MOST;
    return reals + (chunk < tokens ? chunk : tokens) * (s->v + (LOGIT_PARTS + 1) * s->c + 64);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The output layer in one step. */
static double logit_flops(const struct run_spec *spec)
{
    const struct sizes s = sizes_of(spec, 0);
    return 3.0 * 2.0 * (double)(s.batch * scored(&spec->data)) * (double)(s.v * s.c);
}

double cost_flops(const struct run_spec *spec, int64_t steps)
{
    double flops = (double)steps * logit_flops(spec);
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct sizes s = sizes_of(spec, layer);
        int64_t warmup = s.attention->dense_warmup_steps;
        int64_t dense = warmup < steps ? warmup : steps;
        flops += (double)(steps - dense) * layer_flops(&s, cost_pairs(s.attention, s.t)) +
                 (double)dense * layer_flops(&s, capped_pairs(s.t, s.t));
    }
    return flops;
}

int64_t cost_steps(const struct run_spec *spec, double flops, int64_t most)
{
    int64_t least = 1;
    while (least < most) {
        int64_t middle = least + (most - least + 1) / 2;
        if (cost_flops(spec, middle) <= flops)
            least = middle;
        else
            most = middle - 1;
    }
    return least;
}

void cost_estimate(const struct run_spec *spec, struct cost *ret)
{
    const struct sizes first = sizes_of(spec, 0);
    int64_t kept = 0, largest = 0, gathered = 0, weight = 0, keys = 0;
    struct cost cost = {
        .parameters = (spec->model.tied ? 1 : 2) * first.v * first.c + first.c,
        .flops_per_step = logit_flops(spec),
        .flops_total = cost_flops(spec, spec->train.steps),
    };
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct sizes s = sizes_of(spec, layer);
        cost.parameters += layer_parameters(&s);
        cost.flops_per_step += layer_flops(&s, cost_pairs(s.attention, s.t));
        kept += layer_reals(&s);
        largest = larger(largest, layer_reals(&s));
        if (s.index_heads > 0) { /* packed, too */
            weight = larger(weight, (s.index_heads * s.index_dim + PANEL) * s.c);
            keys = larger(keys, s.pass * (s.t + PANEL) * s.index_dim);
        }
        if (attention_path(s.attention, s.t) == PATH_GATHER)
            gathered = larger(gathered, 4 * s.pass * s.t * s.c + INDEX_PARTS * s.t * s.index_dim);
    }
    /* Gradients of one layer's activations live at a time. */
    int64_t reals = kept + largest + gathered + weight + keys + other_reals(&first);
    cost.memory_bytes = process_bytes + (4 * cost.parameters + reals) * FLOAT;
    *ret = cost;
}
