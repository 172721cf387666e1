/* What a run will need.
 *
 * Parameters are exact. FLOPs count the multiply-adds that the definition of the model asks for,
 * not what a kernel may waste: causal attention is charged for the pairs (t, s ≤ t) it uses, a
 * mixture of experts for the experts a token visits, the output layer for the positions that are
 * scored. The backward pass costs twice the forward pass: one product for the gradient of the
 * inputs, one for that of the weights.
 *
 * Memory is an estimate of the peak: parameters, their gradients and moments; what the forward
 * pass of a micro-batch leaves for the backward pass; one chunk of logits, which turns into its
 * gradient; what the audits have beside all this; and the process itself. It decides how many runs
 * are started side by side, so it rounds up where it isn't sure: any run may be the one that audits
 * its arm.
 */
#include "common/spec/cost.h"

#include "common/spec/attention.h"
#include "common/spec/maps.h"
#include "common/spec/optimizer.h"
#include "common/spec/probes.h"
#include "common/spec/sizes.h"

enum { FLOAT = 4, DOUBLE = 8, SCRATCH_THREADS = 4 }; /* threads of a machine of moderate size */
static const int64_t process_bytes = 48 << 20;       /* code, OpenBLAS's buffers, the corpus */

struct sizes {
    int64_t batch, pass; /* windows of a step, and of a pass: a micro-batch */
    int64_t t, c, h, f, e, k_experts, v;
    int64_t hidden; /* F × the matrices that make an expert's hidden layer: w1, and w3 of swiglu */
    /* of one layer */
    const struct spec_attention *attention;
    const struct attention_info *kind;
    struct attention_shape shape;
};

static struct sizes sizes_of(const struct run_spec *spec, int64_t layer)
{
    const struct spec_model *model = &spec->model;
    const struct spec_attention *attention = run_spec_attention(spec, layer);
    struct sizes s = {
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
        .kind = attention_info_of(attention),
    };
    s.shape = (struct attention_shape){ .batch = s.batch,
                                        .pass = s.pass,
                                        .t = s.t,
                                        .c = s.c,
                                        .kernel = attention_kernel(attention, s.t) };
    return s;
}

static int64_t layer_parameters(const struct sizes *s)
{
    int64_t norms = 2 * s->c;
    int64_t attention = 3 * s->c * s->c + s->c * s->c;
    int64_t own = s->kind->parameters != NULL ? s->kind->parameters(s->attention, s->c) : 0;
    int64_t gate = s->e > 1 ? s->e * s->c : 0;
    int64_t experts = s->e * (s->hidden + s->f) * s->c;
    return norms + attention + own + gate + experts;
}

/* Pairs of a sequence that enter a head's attention when every past key is seen. */
static double dense_pairs(int64_t t)
{
    return (double)t * (double)(t + 1) / 2;
}

double cost_pairs(const struct spec_attention *attention, int64_t t)
{
    return attention_info_of(attention)->pairs(attention, t);
}

/* Positions of a window that are scored (worker/data/tasks.h). */
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
    double own = s->kind->flops != NULL ? s->kind->flops(s->attention, &s->shape, pairs) : 0;
    return 3.0 * (projections + core + gate + experts) + own;
}

/* Reals of one layer's attention that grow faster than its tokens. */
static int64_t attention_reals(const struct sizes *s)
{
    const struct spec_attention *a = s->attention;
    enum attention_kernel kernel = s->shape.kernel, dense = attention_dense_kernel(s->t);
    int64_t tokens = s->pass * s->t, square = tokens * s->t;
    int64_t of_kernel[] = {
        [KERNEL_KEPT] = s->h * square,
        [KERNEL_FLASH] = s->h * tokens,
        [KERNEL_GATHER] = s->h * tokens + tokens + tokens * attention_keys(a, s->t),
    };
    int64_t reals = of_kernel[kernel];
    if (a->dense_warmup_steps > 0 && dense != kernel)
        reals += of_kernel[dense];
    if (kernel != KERNEL_GATHER && s->kind->chooses) /* a mask, a byte a pair */
        reals += square / 4;
    return reals + (s->kind->kept != NULL ? s->kind->kept(a, &s->shape) : 0);
}

/* What a layer keeps: both residual inputs and their norms, qkv, the heads' output, the gate, and
 * of each visited expert its input, hidden layer before and after the activation, and output. */
static int64_t layer_reals(const struct sizes *s)
{
    int64_t a_token = 4 * s->c + 3 * s->c + s->c + 2 * s->e +
                      s->k_experts * (s->hidden + s->f + 2 * s->c) +
                      (s->k_experts * s->f + 2 * s->c) / 4; /* masks, in bytes */
    return s->pass * s->t * a_token + attention_reals(s);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Weights of qkv and of the gate, packed in panels. */
static int64_t packed_reals(const struct sizes *s)
{
    return (3 * s->c + s->e + 2 * DOTS_PANEL) * s->c;
}

/* What isn't a layer's. */
static int64_t other_reals(const struct sizes *s)
{
    int64_t tokens = s->pass * s->t;
    int64_t reals = 2 * tokens * s->c + s->batch * (s->t + 1) +
                    SCRATCH_THREADS * 3 * ATTENTION_BLOCK * s->t + packed_reals(s) +
                    SCRATCH_THREADS * DOTS_PANEL * larger(s->f, s->c);
    return reals + loss_chunk_rows(tokens, s->v) * (s->v + (LOSS_GROUPS + 1) * s->c + 64);
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
                 (double)dense * layer_flops(&s, dense_pairs(s.t));
    }
    return flops;
}

int64_t cost_bend(const struct run_spec *spec, int64_t after)
{
    int64_t next = spec->train.steps;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        int64_t warmup = run_spec_attention(spec, layer)->dense_warmup_steps;
        next = warmup > after && warmup < next ? warmup : next;
    }
    return next;
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

static int64_t parameters_of(const struct run_spec *spec)
{
    const struct sizes first = sizes_of(spec, 0);
    int64_t parameters = (spec->model.tied ? 1 : 2) * first.v * first.c + first.c;
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct sizes s = sizes_of(spec, layer);
        parameters += layer_parameters(&s);
    }
    return parameters;
}

/* Parameters and all that a step takes. forced: the kernel of every layer; NULL: its own. */
static int64_t model_bytes(const struct run_spec *spec, const enum attention_kernel *forced)
{
    const struct sizes first = sizes_of(spec, 0);
    int64_t kept = 0, largest = 0, gathered = 0, own[ATTENTION_SCRATCH] = { 0 };
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        struct sizes s = sizes_of(spec, layer);
        if (forced != NULL)
            s.shape.kernel = *forced;
        kept += layer_reals(&s);
        largest = larger(largest, layer_reals(&s));
        if (s.shape.kernel == KERNEL_GATHER)
            gathered = 4 * s.pass * s.t * s.c; /* keys, values and their gradients, packed */
        if (s.kind->scratch != NULL)
            s.kind->scratch(s.attention, &s.shape, own);
    }
    /* Gradients of one layer's activations live at a time. */
    int64_t reals = kept + largest + gathered + other_reals(&first);
    for (int i = 0; i < ATTENTION_SCRATCH; i++)
        reals += own[i];
    int64_t arrays = 2 + optimizer_info_of(&spec->train)->moments; /* values, gradients */
    return (arrays * parameters_of(spec) + reals) * FLOAT;
}

/* One layer tried by itself, and the same again in double with the list of keys. */
static int64_t layer_probe_bytes(const struct run_spec *spec,
                                 const struct spec_attention *attention, bool chooses)
{
    const enum attention_kernel kernel = attention_kernel(attention, spec->data.seq_len);
    const struct attention_info *kind = attention_info_of(attention);
    struct run_spec lab = probe_layer(spec, attention, probe_layer_t(spec, attention, chooses));
    const int64_t t = lab.data.seq_len, c = lab.model.d_model;
    if (!chooses && kind->to_dense != NULL)
        kind->to_dense(&lab.model.attention, t);
    if (lab.model.attention.top_k > t)
        lab.model.attention.top_k = t;
    return model_bytes(&lab, &kernel) + 4 * t * c * (FLOAT + DOUBLE) + (chooses ? t * t : 0);
}

/* What the audits ask for beside the model: of those that are made one after the other the most,
 * and a sample of the parameters all along. */
static int64_t audits_bytes(const struct run_spec *spec)
{
    const int64_t parameters = parameters_of(spec),
                  tokens = run_spec_micro_batch(spec) * spec->data.seq_len;
    const struct spec_attention *last = NULL;
    int64_t point = parameters, probes = 0; /* reals; bytes */
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct spec_attention *a = run_spec_attention(spec, layer);
        if (attention_learns(a)) /* queries and keys of the indexer, as they were */
            point += tokens * a->indexer_dim * (a->indexer_heads + 1);
        if (a == last)
            continue;
        last = a;
        const struct run_spec random = probe_random(spec, a);
        probes = larger(probes, model_bytes(&random, NULL));
        probes = larger(probes, layer_probe_bytes(spec, a, false));
        probes = larger(probes, layer_probe_bytes(spec, a, true));
    }
    int64_t sample = parameters < PROBE_SAMPLE ? parameters : PROBE_SAMPLE;
    return larger(larger(point, tokens * spec->model.d_model) * FLOAT, probes) +
           sample * PROBE_SAMPLE_BYTES;
}

/* Pictures of attention, and the windows that they are of. */
static int64_t pictures_bytes(const struct run_spec *spec)
{
    struct maps_plan plan;
    if ((spec->artifacts & 1u << ARTIFACT_ATTENTION) == 0)
        return 0;
    maps_plan(spec, &plan);
    return spec->model.layers * plan.layer_bytes + plan.windows * spec->data.seq_len * FLOAT;
}

void cost_estimate(const struct run_spec *spec, struct cost *ret)
{
    struct cost cost = {
        .parameters = parameters_of(spec),
        .memory_bytes =
            process_bytes + model_bytes(spec, NULL) + audits_bytes(spec) + pictures_bytes(spec),
        .flops_per_step = logit_flops(spec),
        .flops_total = cost_flops(spec, spec->train.steps),
    };
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        const struct sizes s = sizes_of(spec, layer);
        cost.flops_per_step += layer_flops(&s, cost_pairs(s.attention, s.t));
    }
    *ret = cost;
}
