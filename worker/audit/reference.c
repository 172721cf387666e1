/* Everything but the keys and values of other places is a matter of one place, which is a task: per
 * layer one up to qkv, one from the attention on; and last the output layer. */
#include "worker/audit/reference.h"

#include "common/base/simd.h"
#include "worker/data/tasks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double norm_eps = 1.1920929e-7, rope_base = 10000;

struct expert {
    const real *w1, *w2, *w3; /* w3: NULL unless gated */
};

struct walk {
    const struct reference *ref;
    const int32_t *window;
    double *nll; /* [T] */
    bool shaken;
    size_t t, c, h, d, f, e, k, v;
    double *x, *qkv;         /* [T × C], [T × 3C] */
    double *cosines, *sines; /* [T × D/2], rounded to float32 */
    double *scratch;         /* [threads × span] */
    size_t span;
    int32_t *keys; /* [threads × T] */
    int64_t layer; /* that the walk is in, and its parameters */
    const real *norm1, *norm2, *w_qkv, *w_out, *gate;
    struct expert *experts; /* [E] */
    const real *norm, *head;
};

/* One place, and a thread's scratch. */
struct place {
    const struct walk *w;
    size_t t;
    uint64_t draws;            /* keys the next sign */
    double *normed, *y, *most; /* [C] each */
    double *hidden;            /* [F] */
    double *wide;              /* [the larger of T and V] */
    int32_t *keys;             /* [T] */
};

/* Three sums over SIMD_LANES partial sums. */
#define SUM_OF(name, type_a, type_b)                                                               \
    SIMD static double name(const type_a *a, const type_b *b, size_t n)                            \
    {                                                                                              \
        double lanes[SIMD_LANES] = { 0 }, sum = 0;                                                 \
        size_t i = 0;                                                                              \
        for (; i + SIMD_LANES <= n; i += SIMD_LANES)                                               \
            for (size_t j = 0; j < SIMD_LANES; j++)                                                \
                lanes[j] += (double)a[i + j] * (double)b[i + j];                                   \
        for (size_t j = 0; i < n; i++, j++)                                                        \
            lanes[j] += (double)a[i] * (double)b[i];                                               \
        for (int j = 0; j < SIMD_LANES; j++)                                                       \
            sum += lanes[j];                                                                       \
        return sum;                                                                                \
    }
SUM_OF(by_weights, double, real)
SUM_OF(weights_by_weights, real, real)
SUM_OF(by_numbers, double, double)
#undef SUM_OF

static double length(const double *a, size_t n)
{
    return sqrt(by_numbers(a, a, n));
}

/* value, moved up or down by u·scale when the walk is shaken. */
static double shake(struct place *p, double value, double scale)
{
    if (!p->w->shaken)
        return value;
    uint64_t z = (p->draws++ + 1) * UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value + ((z >> 40) % 2 == 0 ? 0x1p-24 : -0x1p-24) * scale;
}

/* a·w, of n numbers and a row of a matrix; |a| is the length of a. */
static double product(struct place *p, const double *a, double a_length, const real *w, size_t n)
{
    double value = by_weights(a, w, n);
    return p->w->shaken ? shake(p, value, a_length * sqrt(weights_by_weights(w, w, n))) : value;
}

static double *row_of(const struct place *p)
{
    return p->w->x + p->t * p->w->c;
}

/* RMSNorm of the place's state, into p->normed; returns its length. */
static double norm(struct place *p, const real *gain)
{
    size_t c = p->w->c;
    const double *x = row_of(p);
    double by = 1 / sqrt(by_numbers(x, x, c) / (double)c + norm_eps);
    for (size_t i = 0; i < c; i++) {
        double y = x[i] * by * (double)gain[i];
        p->normed[i] = shake(p, y, 3 * fabs(y));
    }
    return length(p->normed, c);
}

/* The pairs (2i, 2i + 1) of q, then of k. */
static void turn(struct place *p, double *qk)
{
    const struct walk *w = p->w;
    for (size_t i = 0; i < w->c; i++) {
        size_t at = p->t * (w->d / 2) + i % (w->d / 2);
        double even = qk[2 * i], odd = qk[2 * i + 1], c = w->cosines[at], s = w->sines[at];
        double size = 2 * hypot(even, odd);
        qk[2 * i] = shake(p, even * c - odd * s, size);
        qk[2 * i + 1] = shake(p, even * s + odd * c, size);
    }
}

static void softmax(struct place *p, double *x, size_t n)
{
    double most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = fmax(most, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] = shake(p, x[i] / sum, 4 * x[i] / sum);
}

/* y of one head: over the n keys that the place sees. */
static void attend(struct place *p, size_t head, size_t n)
{
    const struct walk *w = p->w;
    size_t d = w->d, ld = 3 * w->c;
    const double *q = w->qkv + p->t * ld + head * d, *k = w->qkv + w->c + head * d, *v = k + w->c;
    double *y = p->y + head * d, *most = p->most + head * d, scale = 1 / sqrt((double)d);
    double q_length = length(q, d);
    for (size_t i = 0; i < n; i++) {
        const double *key = k + (size_t)p->keys[i] * ld;
        p->wide[i] = shake(p, scale * by_numbers(q, key, d),
                           w->shaken ? 2 * scale * q_length * length(key, d) : 0);
    }
    softmax(p, p->wide, n);
    memset(y, 0, d * sizeof *y);
    memset(most, 0, d * sizeof *most);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            double part = p->wide[i] * v[(size_t)p->keys[i] * ld + j];
            y[j] += part;
            most[j] += fabs(part);
        }
    for (size_t j = 0; j < d; j++)
        y[j] = shake(p, y[j], most[j]);
}

static void add_to_state(struct place *p, const double *branch)
{
    double *x = row_of(p);
    for (size_t i = 0; i < p->w->c; i++)
        x[i] = shake(p, x[i] + branch[i], fabs(x[i] + branch[i]));
}

/* What an expert makes of p->normed, times weight, is added to sum. */
static void visit(struct place *p, const struct expert *expert, double normed, double weight,
                  double *sum)
{
    size_t c = p->w->c, f = p->w->f;
    for (size_t i = 0; i < f; i++) {
        double h = product(p, p->normed, normed, expert->w1 + i * c, c), a = h / (1 + exp(-h));
        if (expert->w3 != NULL)
            a *= product(p, p->normed, normed, expert->w3 + i * c, c);
        p->hidden[i] = shake(p, a, 5 * fabs(a));
    }
    double hidden = length(p->hidden, f);
    for (size_t i = 0; i < c; i++) {
        double part = weight * product(p, p->hidden, hidden, expert->w2 + i * f, f);
        sum[i] = shake(p, sum[i] + part, fabs(part) + fabs(sum[i] + part));
    }
}

static void feed_forward(struct place *p)
{
    const struct walk *w = p->w;
    const struct reference *ref = w->ref;
    double normed = norm(p, w->norm2);
    const int32_t *chosen = ref->experts(ref->arg, w->layer, p->t);
    double *weights = p->wide, *sum = p->y;
    weights[0] = 1;
    for (size_t i = 0; i < w->k && w->e > 1; i++)
        weights[i] = product(p, p->normed, normed, w->gate + (size_t)chosen[i] * w->c, w->c);
    if (w->e > 1)
        softmax(p, weights, w->k);
    memset(sum, 0, w->c * sizeof *sum);
    for (size_t i = 0; i < w->k; i++)
        visit(p, &w->experts[chosen[i]], normed, weights[i], sum);
    add_to_state(p, sum);
}

static struct place place_of(const struct walk *w, size_t t, int thread, uint64_t part)
{
    double *scratch = w->scratch + (size_t)thread * w->span;
    return (struct place){
        .w = w,
        .t = t,
        .draws = (((uint64_t)w->layer * 3 + part) * w->t + t) << 32,
        .normed = scratch,
        .y = scratch + w->c,
        .most = scratch + 2 * w->c,
        .hidden = scratch + 3 * w->c,
        .wide = scratch + 3 * w->c + w->f,
        .keys = w->keys + (size_t)thread * w->t,
    };
}

static void project_task(void *arg, size_t t, int thread)
{
    const struct walk *w = arg;
    struct place p = place_of(w, t, thread, 0);
    double *qkv = w->qkv + t * 3 * w->c, normed = norm(&p, w->norm1);
    for (size_t i = 0; i < 3 * w->c; i++)
        qkv[i] = product(&p, p.normed, normed, w->w_qkv + i * w->c, w->c);
    turn(&p, qkv);
}

static void attend_task(void *arg, size_t t, int thread)
{
    const struct walk *w = arg;
    struct place p = place_of(w, t, thread, 1);
    size_t n = w->ref->keys(w->ref->arg, w->layer, t, p.keys);
    for (size_t head = 0; head < w->h; head++)
        attend(&p, head, n);
    double y = length(p.y, w->c), *branch = p.most;
    for (size_t i = 0; i < w->c; i++)
        branch[i] = product(&p, p.y, y, w->w_out + i * w->c, w->c);
    add_to_state(&p, branch);
    feed_forward(&p);
}

static void answer_task(void *arg, size_t t, int thread)
{
    const struct walk *w = arg;
    struct place p = place_of(w, t, thread, 2);
    int32_t target = w->window[t + 1];
    w->nll[t] = 0;
    if (target < 0)
        return;
    double normed = norm(&p, w->norm), most = -INFINITY, sum = 0;
    for (size_t i = 0; i < w->v; i++) {
        p.wide[i] = product(&p, p.normed, normed, w->head + i * w->c, w->c);
        most = fmax(most, p.wide[i]);
    }
    for (size_t i = 0; i < w->v; i++)
        sum += exp(p.wide[i] - most);
    w->nll[t] = shake(&p, log(sum) - (p.wide[target] - most), 4);
}

/* The values of the tensor of that name. */
static const real *values(const struct walk *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const real *values(const struct walk *w, const char *format, ...)
{
    char name[80];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const struct tensor *tensor = params_find(w->ref->params, name);
    return tensor != NULL ? w->ref->params->value + tensor->offset : NULL;
}

static void enter(struct walk *w, int64_t at)
{
    int layer = (int)at;
    w->layer = at;
    w->norm1 = values(w, "blocks.%d.norm1.weight", layer);
    w->norm2 = values(w, "blocks.%d.norm2.weight", layer);
    w->w_qkv = values(w, "blocks.%d.attn.qkv.weight", layer);
    w->w_out = values(w, "blocks.%d.attn.out.weight", layer);
    w->gate = values(w, "blocks.%d.moe.gate.weight", layer);
    for (size_t e = 0; e < w->e; e++)
        w->experts[e] =
            (struct expert){ values(w, "blocks.%d.moe.experts.%zu.w1.weight", layer, e),
                             values(w, "blocks.%d.moe.experts.%zu.w2.weight", layer, e),
                             values(w, "blocks.%d.moe.experts.%zu.w3.weight", layer, e) };
}

static void run(struct walk *w)
{
    struct pool *pool = w->ref->pool;
    const struct run_spec *spec = w->ref->spec;
    const real *embedding = values(w, "embed.weight");
    for (size_t t = 0; t < w->t; t++)
        for (size_t i = 0; i < w->d / 2; i++) {
            double angle = (double)t * pow(rope_base, -2 * (double)i / (double)w->d);
            w->cosines[t * (w->d / 2) + i] = (double)(real)cos(angle);
            w->sines[t * (w->d / 2) + i] = (double)(real)sin(angle);
        }
    for (size_t t = 0; t < w->t; t++) {
        const real *from = embedding + (size_t)task_input(&spec->data, w->window[t]) * w->c;
        for (size_t i = 0; i < w->c; i++)
            w->x[t * w->c + i] = (double)from[i];
    }
    for (int64_t layer = 0; layer < spec->model.layers; layer++) {
        enter(w, layer);
        pool_run(pool, w->t, project_task, w);
        pool_run(pool, w->t, attend_task, w);
    }
    w->norm = values(w, "norm.weight");
    w->head = spec->model.tied ? embedding : values(w, "head.weight");
    pool_run(pool, w->t, answer_task, w);
}

int reference_nll(const struct reference *reference, const int32_t *window, bool shaken,
                  double *nll, struct err *err)
{
    const struct spec_model *m = &reference->spec->model;
    size_t threads = (size_t)pool_threads(reference->pool);
    struct walk w = {
        .ref = reference,
        .window = window,
        .nll = nll,
        .shaken = shaken,
        .t = (size_t)reference->spec->data.seq_len,
        .c = (size_t)m->d_model,
        .h = (size_t)m->heads,
        .d = (size_t)(m->d_model / m->heads),
        .f = (size_t)m->d_ff,
        .e = (size_t)m->experts,
        .k = (size_t)m->experts_per_token,
        .v = (size_t)run_spec_vocab(reference->spec),
    };
    size_t half = w.d / 2, wide = w.t > w.v ? w.t : w.v;
    w.span = 3 * w.c + w.f + (wide > w.k ? wide : w.k);
    double *numbers = calloc(w.t * (4 * w.c + 2 * half) + threads * w.span, sizeof *numbers);
    w.keys = calloc(threads * w.t, sizeof *w.keys);
    w.experts = calloc(w.e, sizeof *w.experts);
    int status = 0;
    if (numbers == NULL || w.keys == NULL || w.experts == NULL) {
        status = err_no_memory(err, "a window in double");
    } else {
        w.x = numbers;
        w.qkv = w.x + w.t * w.c;
        w.cosines = w.qkv + w.t * 3 * w.c;
        w.sines = w.cosines + w.t * half;
        w.scratch = w.sines + w.t * half;
        run(&w);
    }
    free(numbers);
    free(w.keys);
    free(w.experts);
    return status;
}
