/* A kind is its fields, the functions that its row names, and the row. What several kinds share
 * (K keys a query, an indexer) stands once, above them. */
#include "common/spec/attention.h"

#include "common/json/jsonx.h"
#include "common/spec/sizes.h"
#include "common/spec/spec_row_macros.h"

#include <math.h>

/* Measured on a CPU with AVX-512 (make bench): the probabilities of more than so many positions
 * cost more to keep than to make again; lists pay from so many positions on, when a query sees at
 * most that share of them. */
enum { KEPT_MOST = 512, GATHER_FROM = 1024, GATHER_SHARE = 4 };

static const char *const trainings[] = { "kl", "frozen", NULL };
static const char *const selections[] = { "causal", "published", NULL };

#define NAME(id, name) #name,
const char *const attention_kind_names[] = { ATTENTION_KIND_LIST(NAME) NULL };
#undef NAME

#define KIND(def) ENUM(spec_attention, kind, attention_kind_names, def)

/* Σ min(i, n) for i = 1 … t: the pairs when each query sees at most n keys. */
static double capped_pairs(int64_t t, int64_t n)
{
    t = t > 0 ? t : 0;
    n = n < t ? n : t;
    return (double)n * (double)(n + 1) / 2 + (double)(t - n) * (double)n;
}

static int at_most_t(const char *field, int64_t value, int64_t t, const char *pointer,
                     struct err *err)
{
    char at[sizeof err->pointer];
    if (value <= t)
        return 0;
    jsonx_pointer(at, sizeof at, pointer, field);
    return err_set_at(err, ERR_INCONSISTENT, at, "%s must be at most seq_len (%lld), not %lld",
                      field, (long long)t, (long long)value);
}

/* dense */

static const struct jsonx_field dense_fields[] = {
    { KIND("\"dense\"") },
};

static double dense_pairs(const struct spec_attention *a, int64_t t)
{
    (void)a;
    return capped_pairs(t, t);
}

static const struct attention_info dense = {
    .name = "dense",
    .fields = dense_fields,
    .fields_n = COUNT(dense_fields),
    .pairs = dense_pairs,
};

/* K keys a query: dsa, random_topk, oracle_topk. top_k 0 leaves K to top_k_ratio; a resolved spec
 * has top_k > 0 and no top_k_ratio. */

#define TOP_K       INT(spec_attention, top_k, 0, 16384, "0")
#define TOP_K_RATIO REAL(spec_attention, top_k_ratio, 0, 1, "0.5"), ABOVE

/* K = clamp(⌊ratio·T + 1e-9⌋, 1, T): the small term forgives a ratio like 0.29 its binary form. */
static int top_k_resolve(struct spec_attention *a, int64_t t, const char *pointer, struct err *err)
{
    if (a->top_k == 0) {
        int64_t k = (int64_t)floor(a->top_k_ratio * (double)t + 1e-9);
        a->top_k = k < 1 ? 1 : k > t ? t : k;
    }
    a->top_k_ratio = 0;
    return at_most_t("top_k", a->top_k, t, pointer, err);
}

static int64_t top_k_keys(const struct spec_attention *a, int64_t t)
{
    (void)t;
    return a->top_k;
}

static double top_k_pairs(const struct spec_attention *a, int64_t t)
{
    return capped_pairs(t, a->top_k);
}

static void top_k_to_dense(struct spec_attention *a, int64_t t)
{
    a->top_k = t;
}

/* dsa */

static const struct jsonx_field dsa_fields[] = {
    { KIND("\"dsa\"") },
    { TOP_K },
    { TOP_K_RATIO },
    { INT(spec_attention, indexer_heads, 1, 64, "4") },
    { INT(spec_attention, indexer_dim, 1, 1024, "64") },
    { ENUM(spec_attention, indexer_training, trainings, "\"kl\"") },
    { REAL(spec_attention, kl_weight, 0, 1e6, "1") },
    { INT(spec_attention, dense_warmup_steps, 0, 1e7, "0") },
    { INT(spec_attention, indexer_only_steps, 0, 1e7, "0"), LATER },
    { FLAG(spec_attention, indexer_rope, "false") },
    { FLAG(spec_attention, indexer_norm, "false") },
    { ENUM(spec_attention, selection, selections, "\"causal\"") },
};

static int dsa_resolve(struct spec_attention *a, int64_t t, const char *pointer, struct err *err)
{
    char at[sizeof err->pointer];
    int status = top_k_resolve(a, t, pointer, err);
    if (status != 0 || !a->indexer_rope || a->indexer_dim % 4 == 0)
        return status;
    jsonx_pointer(at, sizeof at, pointer, "indexer_dim");
    return err_set_at(err, ERR_INCONSISTENT, at,
                      "indexer_rope turns pairs in half of the dims, so that indexer_dim must be a "
                      "multiple of 4, not %lld",
                      (long long)a->indexer_dim);
}

/* The published selection always fills K, with future keys if need be. */
static double dsa_pairs(const struct spec_attention *a, int64_t t)
{
    return a->selection == SELECTION_PUBLISHED ? (double)t * (double)a->top_k : top_k_pairs(a, t);
}

/* Rows of the indexer's q, k and w together; each is d_model wide. */
static int64_t indexer_rows(const struct spec_attention *a)
{
    return a->indexer_heads * a->indexer_dim + a->indexer_dim + a->indexer_heads;
}

static int64_t dsa_parameters(const struct spec_attention *a, int64_t c)
{
    return indexer_rows(a) * c + (a->indexer_norm ? 2 * a->indexer_dim : 0);
}

/* The indexer's FLOPs, KL and backward pass included. Scores cover every causal pair; their
 * gradient exists only on the pairs that the KL looks at. */
static double dsa_flops(const struct spec_attention *a, const struct attention_shape *s,
                        double kl_pairs)
{
    double tokens = (double)(s->batch * s->t);
    double a_pair =
        2.0 * (double)(a->indexer_heads * a->indexer_dim) + 2.0 * (double)a->indexer_heads;
    double forward = 2.0 * tokens * (double)(indexer_rows(a) * s->c) +
                     (double)s->batch * capped_pairs(s->t, s->t) * a_pair;
    if (!attention_learns(a))
        return forward;
    /* The indexer's input is detached: the backward pass makes the gradient of the weights alone.
     */
    return forward + 2.0 * tokens * (double)(indexer_rows(a) * s->c) +
           2.0 * (double)s->batch * kl_pairs * a_pair;
}

/* q, k and w; RoPE's tables; scores and means of lists, or scores of all pairs and their gradients.
 */
static int64_t dsa_kept(const struct spec_attention *a, const struct attention_shape *s)
{
    int64_t tokens = s->pass * s->t, reals = tokens * indexer_rows(a);
    reals += a->indexer_rope ? s->t * a->indexer_dim / 2 : 0;
    if (s->kernel == KERNEL_GATHER)
        reals += 2 * tokens * attention_keys(a, s->t);
    if (s->kernel != KERNEL_GATHER || a->dense_warmup_steps > 0)
        reals += 2 * tokens * s->t;
    return reals;
}

static void raise(int64_t *most, int64_t to)
{
    *most = to > *most ? to : *most;
}

static void dsa_scratch(const struct spec_attention *a, const struct attention_shape *s,
                        int64_t most[ATTENTION_SCRATCH])
{
    int64_t parts = (INDEXER_PARTS + s->pass - 1) / s->pass * s->pass;
    raise(&most[SCRATCH_WEIGHT], (a->indexer_heads * a->indexer_dim + DOTS_PANEL) * s->c);
    raise(&most[SCRATCH_KEYS], s->pass * (s->t + DOTS_PANEL) * a->indexer_dim);
    raise(&most[SCRATCH_GRADIENTS], s->pass * s->t * indexer_rows(a));
    raise(&most[SCRATCH_PARTS], parts * s->t * a->indexer_dim);
}

/* A mask that shows the future is no dense limit; the audit causality says which positions it
 * leaks. */
static void dsa_to_dense(struct spec_attention *a, int64_t t)
{
    a->top_k = t;
    a->dense_warmup_steps = a->indexer_only_steps = 0;
    a->selection = SELECTION_CAUSAL;
}

static const struct attention_info dsa = {
    .name = "dsa",
    .fields = dsa_fields,
    .fields_n = COUNT(dsa_fields),
    .chooses = true,
    .indexed = true,
    .resolve = dsa_resolve,
    .keys = top_k_keys,
    .pairs = dsa_pairs,
    .flops = dsa_flops,
    .parameters = dsa_parameters,
    .kept = dsa_kept,
    .scratch = dsa_scratch,
    .to_dense = dsa_to_dense,
};

/* window: t − window < s ≤ t, or s < sink */

static const struct jsonx_field window_fields[] = {
    { KIND("\"window\"") },
    { INT(spec_attention, window, 1, 16384, "64") },
    { INT(spec_attention, sink, 0, 16384, "0") },
};

static int window_resolve(struct spec_attention *a, int64_t t, const char *pointer, struct err *err)
{
    int status = at_most_t("window", a->window, t, pointer, err);
    return status == 0 ? at_most_t("sink", a->sink, t, pointer, err) : status;
}

static int64_t window_keys(const struct spec_attention *a, int64_t t)
{
    (void)t;
    return a->window + a->sink;
}

/* The window's pairs, and those of the sink's keys that have left the window. */
static double window_pairs(const struct spec_attention *a, int64_t t)
{
    return capped_pairs(t, a->window) + capped_pairs(t - a->window, a->sink);
}

static void window_to_dense(struct spec_attention *a, int64_t t)
{
    a->window = t;
    a->sink = 0;
}

static const struct attention_info window = {
    .name = "window",
    .fields = window_fields,
    .fields_n = COUNT(window_fields),
    .chooses = true,
    .resolve = window_resolve,
    .keys = window_keys,
    .pairs = window_pairs,
    .to_dense = window_to_dense,
};

/* random_topk */

static const struct jsonx_field random_topk_fields[] = {
    { KIND("\"random_topk\"") },
    { TOP_K },
    { TOP_K_RATIO },
};

static const struct attention_info random_topk = {
    .name = "random_topk",
    .fields = random_topk_fields,
    .fields_n = COUNT(random_topk_fields),
    .chooses = true,
    .resolve = top_k_resolve,
    .keys = top_k_keys,
    .pairs = top_k_pairs,
    .to_dense = top_k_to_dense,
};

/* oracle_topk */

static const struct jsonx_field oracle_topk_fields[] = {
    { KIND("\"oracle_topk\"") },
    { TOP_K },
    { TOP_K_RATIO },
};

/* The head-mean probabilities that it selects by: scores of all causal pairs. */
static double oracle_topk_flops(const struct spec_attention *a, const struct attention_shape *s,
                                double pairs)
{
    (void)a, (void)pairs;
    return (double)s->batch * capped_pairs(s->t, s->t) * 2.0 * (double)s->c;
}

static const struct attention_info oracle_topk = {
    .name = "oracle_topk",
    .fields = oracle_topk_fields,
    .fields_n = COUNT(oracle_topk_fields),
    .chooses = true,
    .resolve = top_k_resolve,
    .keys = top_k_keys,
    .pairs = top_k_pairs,
    .flops = oracle_topk_flops,
    .to_dense = top_k_to_dense,
};

/* strided: t − s < window, or t − s a multiple of stride */

static const struct jsonx_field strided_fields[] = {
    { KIND("\"strided\"") },
    { INT(spec_attention, stride, 1, 16384, "16") },
    { INT(spec_attention, window, 1, 16384, "16") },
};

static int strided_resolve(struct spec_attention *a, int64_t t, const char *pointer,
                           struct err *err)
{
    int status = at_most_t("stride", a->stride, t, pointer, err);
    return status == 0 ? at_most_t("window", a->window, t, pointer, err) : status;
}

/* Of t keys, the last query's: those of the window, and the multiples of stride beyond it. */
static int64_t strided_keys(const struct spec_attention *a, int64_t t)
{
    return t <= a->window ? t : a->window + (t - 1) / a->stride - (a->window - 1) / a->stride;
}

static double strided_pairs(const struct spec_attention *a, int64_t t)
{
    double pairs = 0;
    for (int64_t n = 1; n <= t; n++)
        pairs += (double)strided_keys(a, n);
    return pairs;
}

static void strided_to_dense(struct spec_attention *a, int64_t t)
{
    (void)t;
    a->stride = 1;
}

static const struct attention_info strided = {
    .name = "strided",
    .fields = strided_fields,
    .fields_n = COUNT(strided_fields),
    .chooses = true,
    .resolve = strided_resolve,
    .keys = strided_keys,
    .pairs = strided_pairs,
    .to_dense = strided_to_dense,
};

#define ROW(id, name) [ATTENTION_##id] = &name,
const struct attention_info *const attention_table[] = { ATTENTION_KIND_LIST(ROW) };
#undef ROW

const struct attention_info *attention_info_of(const struct spec_attention *attention)
{
    return attention_table[attention->kind];
}

bool attention_is_indexed(const struct spec_attention *attention)
{
    return attention_info_of(attention)->indexed;
}

bool attention_learns(const struct spec_attention *attention)
{
    return attention_is_indexed(attention) && attention->indexer_training == INDEXER_KL;
}

int64_t attention_keys(const struct spec_attention *attention, int64_t t)
{
    const struct attention_info *kind = attention_info_of(attention);
    int64_t k = kind->keys != NULL ? kind->keys(attention, t) : t;
    return k < t ? k : t;
}

enum attention_kernel attention_dense_kernel(int64_t t)
{
    return t <= KEPT_MOST ? KERNEL_KEPT : KERNEL_FLASH;
}

enum attention_kernel attention_kernel(const struct spec_attention *attention, int64_t t)
{
    bool few = t >= GATHER_FROM && attention_keys(attention, t) * GATHER_SHARE <= t;
    return attention_info_of(attention)->chooses && few ? KERNEL_GATHER : attention_dense_kernel(t);
}
