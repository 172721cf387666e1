/* Which keys each kind lets a query see, the indexer's scores and its loss, against the formulas of
 * schema/numerics.md §2 written out in double. */
#include "common/philox.h"
#include "common/spec/cost.h"
#include "tests/unit/worker/models.h"
#include "worker/attn/attn.h"
#include "worker/attn/attn_maps.h"
#include "worker/attn/kernel.h"
#include "worker/attn/recall.h"
#include "worker/base/arena.h"
#include "worker/ops/gemm.h"
#include "worker/ops/sparse.h"

#include <math.h>

enum { B = 2, H = 2, C = 32, D = C / H, T_MAX = 530 };
enum { SHORT = 70, LONG = T_MAX }; /* two blocks of queries; more keys than a chunk of a mask */

struct fixture {
    struct run_spec spec;
    struct params params;
    struct pool *pool;
    struct arena arena;
    struct attn_shared shared;
    struct attn attn;
    struct batch_pass pass;
    size_t t, n, k; /* T, N, K */
    real *x, *out, *dx;
};

static void set_up_on(struct fixture *f, const char *attention, size_t t, uint64_t step,
                      const struct attn_kernel *force)
{
    struct err err;
    memset(f, 0, sizeof *f);
    f->shared.force = force;
    f->spec = spec_of((struct sketch){
        .attention = attention, .model = ",\"init\":\"torch\"", .seq_len = (int64_t)t });
    f->t = t;
    f->n = B * t;
    f->k = (size_t)f->spec.model.attention.top_k;
    assert_int_equal(gemm_init(3, &err), 0);
    assert_int_equal(params_new(&f->spec, &f->params, &err), 0);
    assert_int_equal(pool_new(3, &f->pool, &err), 0);
    for (int pass = 0; pass < 2; pass++) {
        attn_shared_layout(&f->shared, &f->arena, &f->spec, B, 3);
        attn_layout(&f->attn, &f->arena, &f->shared, &f->spec, &f->params, 1, B);
        f->x = arena_take(&f->arena, f->n * C, sizeof(real));
        f->out = arena_take(&f->arena, f->n * C, sizeof(real));
        f->dx = arena_take(&f->arena, f->n * C, sizeof(real));
        if (pass == 0)
            assert_int_equal(arena_build(&f->arena, &err), 0);
    }
    attn_shared_fill(&f->shared, &f->spec);
    const struct philox stream = philox_stream(3, "data", "x");
    for (size_t i = 0; i < f->n * C; i++)
        f->x[i] = (real)philox_normal(&stream, 0, i);
    f->pass = (struct batch_pass){ .spec = &f->spec, .pool = f->pool, .batch = B, .step = step };
    f->pass.tokens = f->n;
    attn_forward(&f->attn, &f->pass, f->x, f->out);
}

static void set_up(struct fixture *f, const char *attention, size_t t, uint64_t step)
{
    set_up_on(f, attention, t, step, NULL);
}

static void tear_down(struct fixture *f)
{
    pool_free(f->pool);
    params_done(&f->params);
    arena_done(&f->arena);
}

static const uint8_t *mask_row(const struct fixture *f, size_t row)
{
    return f->attn.mask + row * f->t;
}

/* The k places among the first n that `score` ranks first must be the row's mask. */
static void assert_best(const struct fixture *f, size_t row, size_t n, size_t k,
                        const double *score)
{
    uint8_t expected[T_MAX] = { 0 };
    for (size_t taken = 0; taken < k && taken < n; taken++) {
        size_t best = n;
        for (size_t s = 0; s < n; s++)
            if (!expected[s] && (best == n || score[s] > score[best]))
                best = s;
        expected[best] = 1;
    }
    assert_memory_equal(mask_row(f, row), expected, f->t);
}

static const real *weight(const struct fixture *f, const char *name)
{
    char full[80];
    snprintf(full, sizeof full, "blocks.1.attn.%s", name);
    return f->params.value + params_find(&f->params, full)->offset;
}

static double project(const struct fixture *f, size_t row, const real *w)
{
    double sum = 0;
    for (size_t c = 0; c < C; c++)
        sum += (double)f->x[row * C + c] * (double)w[c];
    return sum;
}

/* q (head ≥ 0) or k (head < 0) of the indexer, normed and turned as the spec wants. */
static void indexer_vector(const struct fixture *f, size_t row, int head, double *ret)
{
    const struct spec_attention *a = &f->spec.model.attention;
    size_t dim = (size_t)a->indexer_dim;
    const real *w = head < 0 ? weight(f, "indexer.k.weight")
                             : weight(f, "indexer.q.weight") + (size_t)head * dim * C;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < dim; i++)
        mean += (ret[i] = project(f, row, w + i * C)) / (double)dim;
    for (size_t i = 0; i < dim; i++)
        variance += (ret[i] - mean) * (ret[i] - mean) / (double)dim;
    for (size_t i = 0; head < 0 && a->indexer_norm && i < dim; i++)
        ret[i] = (ret[i] - mean) / sqrt(variance + 1e-6); /* weight 1, bias 0 at first */
    for (size_t i = 0; a->indexer_rope && i < dim / 4; i++) {
        double angle = (double)(row % f->t) * pow(10000, -2.0 * (double)i / ((double)dim / 2));
        double low = ret[i], high = ret[i + dim / 4];
        ret[i] = low * cos(angle) - high * sin(angle);
        ret[i + dim / 4] = low * sin(angle) + high * cos(angle);
    }
}

static double score(const struct fixture *f, size_t row, size_t key)
{
    const struct spec_attention *a = &f->spec.model.attention;
    double q[64], k[64], sum = 0;
    indexer_vector(f, key, -1, k);
    for (int head = 0; head < a->indexer_heads; head++) {
        double dot = 0;
        indexer_vector(f, row, head, q);
        for (size_t i = 0; i < (size_t)a->indexer_dim; i++)
            dot += q[i] * k[i];
        sum += project(f, row, weight(f, "indexer.w.weight") + head * C) * fmax(dot, 0);
    }
    if (a->indexer_training == INDEXER_KL)
        sum /= sqrt((double)(a->indexer_heads * a->indexer_dim));
    return sum;
}

static void check_scores(const char *attention)
{
    struct fixture f;
    set_up(&f, attention, SHORT, 1);
    for (size_t row = 0; row < f.n; row += 9) {
        const real *scores = f.attn.indexer.scores + row * f.t;
        double seen[T_MAX];
        for (size_t s = 0; s <= row % f.t; s++) {
            double expected = score(&f, row, row - row % f.t + s);
            if (!(fabs((double)scores[s] - expected) < 1e-4 * (1 + fabs(expected))))
                fail_msg("I[%zu,%zu] is %g, not %g", row, s, (double)scores[s], expected);
        }
        for (size_t s = 0; s < f.t; s++)
            seen[s] = s <= row % f.t ? (double)scores[s] : -1e9;
        bool open = f.spec.model.attention.selection == SELECTION_PUBLISHED;
        assert_best(&f, row, open ? f.t : row % f.t + 1, f.k, seen);
    }
    tear_down(&f);
}

#define INDEXER "\"top_k\":9,\"indexer_heads\":3,\"indexer_dim\":16"

static void test_dsa(void **state)
{
    (void)state;
    check_scores("\"kind\":\"dsa\"," INDEXER);
    check_scores("\"kind\":\"dsa\"," INDEXER ",\"indexer_training\":\"frozen\"");
    check_scores("\"kind\":\"dsa\"," INDEXER ",\"indexer_norm\":true");
    check_scores("\"kind\":\"dsa\"," INDEXER ",\"indexer_rope\":true");
    check_scores("\"kind\":\"dsa\"," INDEXER ",\"indexer_norm\":true,\"indexer_rope\":true");
}

static void test_published(void **state)
{
    (void)state;
    struct fixture f;
    check_scores("\"kind\":\"dsa\"," INDEXER ",\"selection\":\"published\"");
    set_up(&f, "\"kind\":\"dsa\"," INDEXER ",\"selection\":\"published\"", SHORT, 1);
    for (size_t t = 0; t < f.t; t++) { /* K always: short of past keys, the nearest future ones */
        size_t n = 0, future = 0;
        for (size_t s = 0; s < f.t; s++) {
            n += mask_row(&f, t)[s];
            future += s > t && mask_row(&f, t)[s];
        }
        assert_int_equal(n, f.k);
        assert_int_equal(future, t + 1 < f.k ? f.k - t - 1 : 0);
    }
    tear_down(&f);
}

static void test_window(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "\"kind\":\"window\",\"window\":5,\"sink\":2", SHORT, 1);
    for (size_t row = 0; row < f.n; row++)
        for (size_t s = 0; s < f.t; s++) {
            size_t t = row % f.t;
            assert_int_equal(mask_row(&f, row)[s], s <= t && (t - s < 5 || s < 2));
        }
    tear_down(&f);
}

static void test_strided(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "\"kind\":\"strided\",\"stride\":5,\"window\":3", SHORT, 1);
    for (size_t row = 0; row < f.n; row++)
        for (size_t s = 0; s < f.t; s++) {
            size_t t = row % f.t;
            assert_int_equal(mask_row(&f, row)[s], s <= t && (t - s < 3 || (t - s) % 5 == 0));
        }
    tear_down(&f);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 3; step++) {
        struct fixture f;
        set_up(&f, "\"kind\":\"random_topk\",\"top_k\":9", SHORT, step);
        const struct philox stream = philox_stream(f.spec.seed, "select", "blocks.1");
        for (size_t row = 0; row < f.n; row++) {
            double smallness[T_MAX];
            for (size_t s = 0; s < f.t; s++)
                smallness[s] = -(double)philox_word(&stream, step, row * f.t + s);
            assert_best(&f, row, row % f.t + 1, f.k, smallness);
        }
        tear_down(&f);
    }
}

/* Head-mean probabilities of what was seen, from the kept ones. */
static double mean_prob(const struct fixture *f, size_t row, size_t s)
{
    double sum = 0;
    for (size_t h = 0; h < H; h++)
        sum += fabs((double)f->attn.probs[((row / f->t * H + h) * f->t + row % f->t) * f->t + s]);
    return sum / H;
}

static void test_oracle(void **state)
{
    (void)state;
    struct fixture dense, oracle;
    set_up(&dense, "\"kind\":\"dense\"", SHORT, 1);
    set_up(&oracle, "\"kind\":\"oracle_topk\",\"top_k\":9", SHORT, 1);
    for (size_t row = 0; row < dense.n; row++) {
        double mass[T_MAX];
        for (size_t s = 0; s <= row % dense.t; s++)
            mass[s] = mean_prob(&dense, row, s);
        assert_best(&oracle, row, row % dense.t + 1, oracle.k, mass);
    }
    tear_down(&dense);
    tear_down(&oracle);
}

/* Attention itself: q·k/√D after RoPE, softmax, the keyed mask over the full T × T numbering,
 * values, projection. */
static void check_output(const char *attention, size_t t, uint64_t step)
{
    struct fixture f;
    set_up(&f, attention, t, step);
    const struct philox stream = philox_stream(f.spec.seed, "dropout", "blocks.1.attn.probs");
    for (size_t row = 0; row < f.n; row += 23) {
        double y[C], first = (double)(row - row % f.t);
        for (size_t h = 0; h < H; h++) {
            double p[T_MAX], sum = 0;
            const real *q = f.attn.qkv + row * 3 * C + h * D;
            for (size_t s = 0; s < f.t; s++) {
                const real *k = f.attn.qkv + ((size_t)first + s) * 3 * C + C + h * D;
                double dot = 0;
                for (size_t i = 0; i < D; i++)
                    dot += (double)q[i] * (double)k[i];
                bool seen = f.attn.mask != NULL ? mask_row(&f, row)[s] == 1 : s <= row % f.t;
                sum += p[s] = seen ? exp(dot / sqrt(D)) : 0;
            }
            for (size_t i = 0; i < D; i++)
                y[h * D + i] = 0;
            for (size_t s = 0; s < f.t; s++) {
                uint64_t element = ((row / f.t * H + h) * f.t + row % f.t) * f.t + s;
                double kept = step == 0 ? 1
                              : (philox_word(&stream, step, element) >> 8) >= 1677722
                                  ? (double)(float)(1 / 0.9)
                                  : 0;
                for (size_t i = 0; i < D; i++)
                    y[h * D + i] +=
                        p[s] / sum * kept *
                        (double)f.attn.qkv[((size_t)first + s) * 3 * C + 2 * C + h * D + i];
            }
        }
        for (size_t c = 0; c < C; c++) {
            double expected = 0;
            for (size_t i = 0; i < C; i++)
                expected += y[i] * (double)weight(&f, "out.weight")[c * C + i];
            if (!(fabs((double)f.out[row * C + c] - expected) < 1e-5))
                fail_msg("{%s} [%zu,%zu]: %g, not %g", attention, row, c,
                         (double)f.out[row * C + c], expected);
        }
    }
    tear_down(&f);
}

static void test_output(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 3; step += 2) {
        check_output("\"kind\":\"dense\"", SHORT, step);
        check_output("\"kind\":\"dense\"", LONG, step);
        check_output("\"kind\":\"dsa\"," INDEXER, SHORT, step);
        check_output("\"kind\":\"dsa\"," INDEXER, LONG, step);
        check_output("\"kind\":\"dsa\"," INDEXER ",\"selection\":\"published\"", SHORT, step);
        /* the first queries' future keys lie in other blocks */
        check_output("\"kind\":\"dsa\",\"top_k\":150,\"selection\":\"published\"", LONG, step);
    }
}

/* The first row's rotation: none; another's: by its angle. */
static void test_rotation(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "\"kind\":\"dense\"", SHORT, 0);
    for (size_t row = 0; row < f.n; row += 13)
        for (size_t i = 0; i < D / 2; i++) {
            double angle = (double)(row % f.t) * pow(10000, -2.0 * (double)i / D);
            size_t at = C + D + 2 * i; /* k of the second head */
            double a = project(&f, row, weight(&f, "qkv.weight") + at * C);
            double b = project(&f, row, weight(&f, "qkv.weight") + (at + 1) * C);
            const real *k = f.attn.qkv + row * 3 * C + at;
            assert_true(fabs((double)k[0] - (a * cos(angle) - b * sin(angle))) < 1e-5);
            assert_true(fabs((double)k[1] - (a * sin(angle) + b * cos(angle))) < 1e-5);
        }
    tear_down(&f);
}

/* S: the mask's keys, future ones with their score of −1e9 included, or every past key. */
static double plain_kl(const struct fixture *f, size_t row)
{
    double p[T_MAX], sum = 0, kl = 0;
    const real *scores = f->attn.indexer.scores + row * f->t;
    for (size_t s = 0; s < f->t; s++) {
        bool seen = f->attn.use_mask ? mask_row(f, row)[s] == 1 : s <= row % f->t;
        p[s] = seen ? mean_prob(f, row, s) : 0;
        sum += seen ? exp((double)scores[s]) : 0;
    }
    for (size_t s = 0; s < f->t; s++)
        kl += p[s] > 0 ? p[s] * (log(p[s]) - ((double)scores[s] - log(sum))) : 0;
    return kl;
}

static void check_kl(const char *attention, bool dense)
{
    struct fixture f;
    double kl = 0;
    set_up(&f, attention, SHORT, 1);
    f.pass.done = dense ? 1 : 9;
    attn_forward(&f.attn, &f.pass, f.x, f.out); /* dropout on: p is what it was before it */
    for (size_t row = 0; row < f.n; row++)
        kl += plain_kl(&f, row) / (double)f.n;
    double given = attn_backward(&f.attn, &f.pass, f.x, f.out, f.dx);
    assert_true(kl > 0.01);
    if (!(fabs(given - kl) < 1e-6 * kl + 1e-9))
        fail_msg("%.9g, not %.9g", given, kl);
    tear_down(&f);
}

static void test_kl(void **state)
{
    (void)state;
    check_kl("\"kind\":\"dsa\"," INDEXER, false);
    check_kl("\"kind\":\"dsa\"," INDEXER ",\"dense_warmup_steps\":4", true);
    check_kl("\"kind\":\"dsa\"," INDEXER ",\"selection\":\"published\"", false);
}

static double largest_of(const real *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i]));
    return most;
}

/* Relative to the largest: what two orders of summing may differ by. */
static void assert_alike(const char *what, const real *a, const real *b, size_t n)
{
    double most = largest_of(b, n);
    assert_true(most > 0);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5 * most))
            fail_msg("%s[%zu]: %g, not %g (largest %g)", what, i, (double)a[i], (double)b[i], most);
}

/* Output, dx, every gradient and the indexer's loss on a kernel, against those of the kept one. */
static void check_kernel(const struct attn_kernel *kernel, const char *attention, size_t t,
                         bool dense)
{
    struct fixture f[2];
    double kl[2];
    for (int i = 0; i < 2; i++) {
        set_up_on(&f[i], attention, t, 3, i == 0 ? kernel : &attn_kept);
        assert_ptr_equal(f[i].attn.kernel, i == 0 ? kernel : &attn_kept);
        f[i].pass.done = dense ? 1 : 9;
        attn_forward(&f[i].attn, &f[i].pass, f[i].x, f[i].out);
        kl[i] = attn_backward(&f[i].attn, &f[i].pass, f[i].x, f[i].x, f[i].dx);
    }
    assert_alike("out", f[0].out, f[1].out, f[0].n * C);
    assert_alike("dx", f[0].dx, f[1].dx, f[0].n * C);
    for (size_t i = 0; i < f[0].params.n; i++) {
        const struct tensor *tensor = &f[0].params.tensors[i];
        if (strstr(tensor->name, "blocks.1.attn.") != NULL && !tensor->frozen)
            assert_alike(tensor->name, f[0].params.grad + tensor->offset,
                         f[1].params.grad + tensor->offset, tensor->count);
    }
    assert_true(fabs(kl[0] - kl[1]) <= 1e-5 * kl[1]);
    tear_down(&f[0]);
    tear_down(&f[1]);
}

#define SPARSE "\"top_k\":37,\"indexer_heads\":3,\"indexer_dim\":16"

static void test_flash(void **state)
{
    (void)state;
    check_kernel(&attn_flash, "\"kind\":\"dense\"", SHORT, false);
    check_kernel(&attn_flash, "\"kind\":\"dense\"", LONG, false);
    check_kernel(&attn_flash, "\"kind\":\"dsa\"," SPARSE, LONG, false);
    check_kernel(&attn_flash, "\"kind\":\"dsa\"," SPARSE ",\"dense_warmup_steps\":4", LONG, true);
    check_kernel(&attn_flash, "\"kind\":\"dsa\"," SPARSE ",\"selection\":\"published\"", LONG,
                 false);
    check_kernel(&attn_flash, "\"kind\":\"window\",\"window\":5,\"sink\":2", LONG, false);
}

static void test_gather(void **state)
{
    (void)state;
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE, SHORT, false);
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE, LONG, false);
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE ",\"indexer_training\":\"frozen\"", LONG,
                 false);
    check_kernel(&attn_gather,
                 "\"kind\":\"dsa\"," SPARSE ",\"indexer_norm\":true,\"indexer_rope\":true", LONG,
                 false);
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE ",\"selection\":\"published\"", LONG,
                 false);
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE ",\"dense_warmup_steps\":4", LONG, true);
    check_kernel(&attn_gather, "\"kind\":\"dsa\"," SPARSE ",\"dense_warmup_steps\":2", LONG, false);
    check_kernel(&attn_gather, "\"kind\":\"window\",\"window\":5,\"sink\":2", LONG, false);
    check_kernel(&attn_gather, "\"kind\":\"random_topk\",\"top_k\":9", LONG, false);
    check_kernel(&attn_gather, "\"kind\":\"oracle_topk\",\"top_k\":9", LONG, false);
    check_kernel(&attn_gather, "\"kind\":\"strided\",\"stride\":7,\"window\":3", LONG, false);
}

/* The shape alone decides. */
static void test_kernels(void **state)
{
    (void)state;
    static const struct {
        const char *attention;
        size_t t;
        const struct attn_kernel *kernel, *dense;
    } rows[] = {
        { "\"kind\":\"dense\"", 512, &attn_kept, &attn_kept },
        { "\"kind\":\"dense\"", 513, &attn_flash, &attn_flash },
        { "\"kind\":\"dsa\",\"top_k\":64", 512, &attn_kept, &attn_kept },
        { "\"kind\":\"dsa\",\"top_k\":256", 1024, &attn_gather, &attn_flash },
        { "\"kind\":\"dsa\",\"top_k\":257", 1024, &attn_flash, &attn_flash },
        { "\"kind\":\"window\",\"window\":200,\"sink\":56", 1024, &attn_gather, &attn_flash },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        set_up(&f, rows[i].attention, rows[i].t, 0);
        assert_ptr_equal(f.attn.kernel, rows[i].kernel);
        assert_ptr_equal(f.attn.dense_kernel, rows[i].dense);
        tear_down(&f);
    }
}

/* What a pass really let its queries see, counted one by one. */
static size_t pairs_seen(const struct fixture *f)
{
    size_t pairs = 0;
    for (size_t t = 0; t < f->t; t++) /* of the first sequence */
        for (size_t s = 0; s < f->t; s++)
            pairs += f->attn.use_mask ? mask_row(f, t)[s] : s <= t && !f->attn.use_lists;
    for (size_t t = 0; f->attn.use_lists && t < f->t; t++)
        pairs += (size_t)f->attn.n[t];
    return pairs;
}

/* Every kind, its keys few, many and all of them: what the estimate charges for is what the mask,
 * or the lists, let through. */
static void test_pairs(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        [ATTENTION_DENSE] = "\"dense\"",
        [ATTENTION_DSA] = "\"dsa\",\"indexer_heads\":1,\"indexer_dim\":4",
        [ATTENTION_WINDOW] = "\"window\"",
        [ATTENTION_RANDOM_TOPK] = "\"random_topk\"",
        [ATTENTION_ORACLE_TOPK] = "\"oracle_topk\"",
        [ATTENTION_STRIDED] = "\"strided\"",
    };
    static const size_t few[] = { 1, 2, 5, 11, 12 }, sinks[] = { 0, 1, 2, 7, 12 };
    static const struct attn_kernel *const kernels[] = { NULL, &attn_gather };
    _Static_assert(sizeof kinds / sizeof *kinds == ATTENTION_KINDS, "a kind isn't counted");
    for (size_t kind = 0; kind < ATTENTION_KINDS; kind++)
        for (size_t i = 0; i < 5 * 5 * 2 * 2; i++) {
            struct fixture f;
            char text[200], rest[100] = "";
            size_t keys = few[i % 5], other = i / 5 % 5;
            bool published = kind == ATTENTION_DSA && other == 1;
            if (kind == ATTENTION_WINDOW)
                snprintf(rest, sizeof rest, ",\"window\":%zu,\"sink\":%zu", keys, sinks[other]);
            else if (kind == ATTENTION_STRIDED)
                snprintf(rest, sizeof rest, ",\"stride\":%zu,\"window\":%zu", keys, few[other]);
            else if (kind != ATTENTION_DENSE)
                snprintf(rest, sizeof rest, ",\"top_k\":%zu%s", keys,
                         published ? ",\"selection\":\"published\"" : "");
            snprintf(text, sizeof text, "\"kind\":%s%s", kinds[kind], rest);
            const struct attn_kernel *kernel = kernels[i / 25 % 2];
            if ((kind == ATTENTION_DENSE || published) && kernel != NULL)
                continue; /* they are given no lists */
            set_up_on(&f, text, i / 50 == 0 ? 12 : 17, 1, kernel);
            double charged = cost_pairs(&f.spec.model.attention, (int64_t)f.t);
            if (charged != (double)pairs_seen(&f))
                fail_msg("{%s} T %zu: %g pairs, not %zu", text, f.t, charged, pairs_seen(&f));
            tear_down(&f);
        }
}

/* The dense mass on the chosen keys, over the queries with more than K past ones. */
static void check_recall(const char *attention, const struct attn_kernel *kernel)
{
    struct fixture dense, f;
    double mass = 0;
    set_up(&dense, "\"kind\":\"dense\"", SHORT, 0);
    set_up(&f, attention, SHORT, 0); /* on a kernel with a mask */
    for (size_t row = 0; row < f.n; row++)
        for (size_t s = 0; row % f.t >= f.k && s < f.t; s++)
            mass += mask_row(&f, row)[s] ? mean_prob(&dense, row, s) : 0;
    mass /= (double)(B * (f.t - f.k));
    tear_down(&f);
    set_up_on(&f, attention, SHORT, 0, kernel);
    double given = attn_recall(&f.attn, &f.pass, NULL);
    if (!(fabs(given - mass) < 1e-5 && mass > 0.05 && mass < 0.95))
        fail_msg("{%s} %g, not %g", attention, given, mass);
    tear_down(&f);
    tear_down(&dense);
}

static void test_recall(void **state)
{
    (void)state;
    struct fixture f;
    check_recall("\"kind\":\"dsa\"," INDEXER, NULL);
    check_recall("\"kind\":\"dsa\"," INDEXER, &attn_gather);
    check_recall("\"kind\":\"oracle_topk\",\"top_k\":9", &attn_gather);
    set_up(&f, "\"kind\":\"dense\"", SHORT, 0);
    assert_true(isnan(attn_recall(&f.attn, &f.pass, NULL)));
    tear_down(&f);
}

/* Probability of key s for the query of `row` in head h, over the keys that sees[] marks, in double. */
static double prob(const struct fixture *f, size_t row, size_t h, size_t s, const bool *sees)
{
    double sum = 0, own = 0;
    const real *q = f->attn.qkv + row * 3 * C + h * D;
    for (size_t key = 0; key < f->t; key++) {
        const real *k = f->attn.qkv + (row - row % f->t + key) * 3 * C + C + h * D;
        double dot = 0;
        for (size_t i = 0; i < D; i++)
            dot += (double)q[i] * (double)k[i];
        double e = sees[key] ? exp(dot / sqrt(D)) : 0;
        sum += e;
        own = key == s ? e : own;
    }
    return own / sum;
}

/* A byte of a map stands for this share, at most half a step off. */
static void assert_byte(const char *what, size_t at, uint8_t byte, double share)
{
    if (fabs((double)byte - 255 * share) > 0.5 + 1e-2)
        fail_msg("%s, cell %zu: %u, not %g", what, at, byte, 255 * share);
}

/* Every cell of a layer's maps against sums over its places. */
static void check_maps(const char *attention, size_t t, const struct attn_kernel *kernel,
                       size_t pool, bool heads)
{
    struct fixture f;
    static uint8_t sees[B * T_MAX * T_MAX], dense[B * T_MAX * T_MAX], mass[B * H * T_MAX * T_MAX];
    static bool seen[T_MAX][T_MAX], past[T_MAX][T_MAX];
    set_up_on(&f, attention, t, 0, kernel);
    size_t side = (t + pool - 1) / pool;
    const struct attn_maps maps = { B, pool, side, heads, sees, dense, mass };
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < t; i++) {
        int32_t keys[T_MAX];
        size_t n = attn_seen(&f.attn, t + i, keys); /* of the second window */
        for (size_t j = 0; j < n; j++)
            seen[i][keys[j]] = true;
        for (size_t s = 0; s < t; s++)
            past[i][s] = s <= i;
    }
    attn_maps(&f.attn, &f.pass, &maps);
    for (size_t cell = 0; cell<side * side; cell += t> SHORT ? 37 : 1) {
        size_t first = cell / side * pool, key = cell % side * pool, queries = 0, places = 0;
        double of_head[H] = { 0 }, mean = 0, of_dense = 0, chosen = 0;
        for (size_t i = first; i < first + pool && i < t; i++, queries++)
            for (size_t s = key; s < key + pool && s < t; s++, places++) {
                chosen += seen[i][s];
                for (size_t h = 0; h < H; h++) {
                    of_head[h] += prob(&f, t + i, h, s, seen[i]);
                    of_dense += prob(&f, t + i, h, s, past[i]) / H;
                }
            }
        for (size_t h = 0; h < H; h++) {
            mean += of_head[h] / H;
            if (heads)
                assert_byte("head", cell, mass[(H + h) * side * side + cell],
                            sqrt(of_head[h] / (double)queries));
        }
        if (!heads)
            assert_byte("mean", cell, mass[side * side + cell], sqrt(mean / (double)queries));
        if (!attn_chose(&f.attn))
            continue;
        assert_byte("sees", cell, sees[side * side + cell], chosen / (double)places);
        assert_byte("dense", cell, dense[side * side + cell], sqrt(of_dense / (double)queries));
    }
    tear_down(&f);
}

static void test_maps(void **state)
{
    (void)state;
    check_maps("\"kind\":\"dense\"", SHORT, NULL, 1, true);
    check_maps("\"kind\":\"dsa\"," INDEXER, SHORT, NULL, 1, true);
    check_maps("\"kind\":\"dsa\"," INDEXER, SHORT, &attn_gather, 3, false);
    check_maps("\"kind\":\"dsa\"," INDEXER ",\"selection\":\"published\"", SHORT, NULL, 3, true);
    check_maps("\"kind\":\"window\",\"window\":5,\"sink\":2", SHORT, &attn_flash, 69, true);
    check_maps("\"kind\":\"dsa\"," INDEXER, LONG, &attn_flash, 100, false);
    check_maps("\"kind\":\"dense\"", LONG, &attn_flash, 7, true);
}

/* Picked rows against plain loops, for whole vectors, remainders and widths that have none. */
static void test_sparse_kernels(void **state)
{
    (void)state;
    enum { ROWS = 90, WIDEST = 136 };
    static const size_t widths[] = { 8, 16, 32, 40, 64, 128, 136, 6, 12 };
    real *rows[2], x[WIDEST], w[ROWS], got[2][ROWS > WIDEST ? ROWS : WIDEST];
    const struct philox stream = philox_stream(4, "data", "kernels");
    for (int i = 0; i < 2; i++)
        rows[i] = malloc(ROWS * WIDEST * sizeof *rows[i]);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (size_t n = 0; n <= 27; n++) {
            const struct sparse_kernels *kernels[2] = { sparse_kernels(widths[i]), &sparse_plain };
            int32_t at[ROWS];
            for (size_t k = 0; k < ROWS * WIDEST; k++)
                rows[0][k] = rows[1][k] = (real)philox_normal(&stream, 1, k);
            for (size_t k = 0; k < n; k++)
                at[k] = (int32_t)((k * 3 + k % 2) * WIDEST);
            for (size_t k = 0; k < ROWS; k++)
                w[k] = (real)philox_normal(&stream, 2, k);
            for (size_t k = 0; k < WIDEST; k++)
                x[k] = (real)philox_normal(&stream, 3, k);
            for (int k = 0; k < 2; k++)
                kernels[k]->dots(x, rows[k], at, n, widths[i], got[k]);
            for (size_t k = 0; k < n; k++)
                assert_true(fabs((double)(got[0][k] - got[1][k])) < 1e-4);
            for (int k = 0; k < 2; k++)
                kernels[k]->sum(w, rows[k], at, n, widths[i], got[k]);
            for (size_t k = 0; k < widths[i]; k++)
                assert_true(fabs((double)(got[0][k] - got[1][k])) < 1e-4);
            for (int k = 0; k < 2; k++)
                kernels[k]->scatter(w, x, at, n, widths[i], rows[k]);
            assert_memory_equal(rows[0], rows[1], ROWS * WIDEST * sizeof *rows[0]);
        }
    free(rows[0]);
    free(rows[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dsa),     cmocka_unit_test(test_published),
        cmocka_unit_test(test_window),  cmocka_unit_test(test_strided),
        cmocka_unit_test(test_random),  cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_output),  cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_kl),      cmocka_unit_test(test_flash),
        cmocka_unit_test(test_gather),  cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_kernels), cmocka_unit_test(test_recall),
        cmocka_unit_test(test_maps),    cmocka_unit_test(test_sparse_kernels),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
