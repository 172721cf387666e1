/* Which keys each kind lets a query see, the indexer's scores and its loss, against the formulas of
 * NUMERICS §2 written out in double. */
#include "common/philox.h"
#include "tests/unit/worker/models.h"
#include "worker/arena.h"
#include "worker/attn/attn.h"
#include "worker/ops/gemm.h"

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
    struct pass pass;
    size_t t, n, k; /* T, N, K */
    real *x, *out, *dx;
};

static void set_up(struct fixture *f, const char *attention, size_t t, uint64_t step)
{
    struct err err;
    memset(f, 0, sizeof *f);
    f->spec = spec_of((struct sketch){
        .attention = attention, .model = ",\"init\":\"torch\"", .seq_len = (int64_t)t });
    f->t = t;
    f->n = B * t;
    f->k = (size_t)f->spec.model.attention.top_k;
    gemm_init();
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
    f->pass = (struct pass){ .spec = &f->spec, .pool = f->pool, .batch = B, .step = step };
    f->pass.kl_scale = 1.0 / (double)f->n;
    attn_forward(&f->attn, &f->pass, f->x, f->out);
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
    f.pass.dense = dense;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dsa),      cmocka_unit_test(test_published),
        cmocka_unit_test(test_window),   cmocka_unit_test(test_random),
        cmocka_unit_test(test_oracle),   cmocka_unit_test(test_output),
        cmocka_unit_test(test_rotation), cmocka_unit_test(test_kl),
    };
    return cmocka_run_group_tests_name("attention", tests, NULL, NULL);
}
