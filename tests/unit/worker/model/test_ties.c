/* Ties go to the lower index (schema/numerics.md §2), on every core that BLAS takes the machine
 * for. Windows of a few letters, the same row of x for the same letter, so that whole groups of
 * keys, or of experts, are equal; what is chosen must be what formulas in double choose, letter by
 * letter. */
#include "common/philox.h"
#include "tests/unit/worker/models.h"
#include "worker/attn/attn.h"
#include "worker/attn/kernel.h"
#include "worker/base/arena.h"
#include "worker/moe/moe.h"
#include "worker/moe/router.h"
#include "worker/ops/gemm.h"

#include <math.h>

enum {
    B_MOST = 3,
    T_MOST = 150,
    H = 2,
    C = 32,
    D = C / H,
    LETTERS = 7,
    K = 5,
    E = 23,
    THREADS = 3
};

static const size_t lengths[] = { 6, 16, 20, 33, 64, 77, T_MOST };
static const size_t batches[] = { 1, B_MOST };
static const struct attn_kernel *const kernels[] = { &attn_kept, &attn_flash, &attn_gather };

struct fixture {
    struct run_spec spec;
    struct params params;
    struct pool *pool;
    struct arena arena;
    struct attn_shared attn_shared;
    struct attn attn;
    struct moe_shared moe_shared;
    struct moe moe;
    struct batch_pass pass;
    size_t t, n;
    real *x, *out;
};

static size_t letter(size_t row)
{
    return (row * row * 31 + row * 5) % 97 % LETTERS;
}

static void set_up(struct fixture *f, const char *attention, size_t b, size_t t,
                   const struct attn_kernel *kernel)
{
    struct err err;
    char model[80];
    memset(f, 0, sizeof *f);
    snprintf(model, sizeof model, ",\"init\":\"torch\",\"experts\":%d", E);
    f->spec =
        spec_of((struct sketch){ .attention = attention, .model = model, .seq_len = (int64_t)t });
    f->t = t;
    f->n = b * t;
    f->attn_shared.force = kernel;
    assert_int_equal(gemm_init(THREADS, &err), 0);
    assert_int_equal(params_new(&f->spec, &f->params, &err), 0);
    assert_int_equal(pool_new(THREADS, &f->pool, &err), 0);
    for (int pass = 0; pass < 2; pass++) {
        attn_shared_layout(&f->attn_shared, &f->arena, &f->spec, b, THREADS);
        attn_layout(&f->attn, &f->arena, &f->attn_shared, &f->spec, &f->params, 1, b);
        moe_shared_layout(&f->moe_shared, &f->arena, &f->spec, b, THREADS);
        moe_layout(&f->moe, &f->arena, &f->moe_shared, &f->spec, &f->params, 1, b);
        f->x = arena_take(&f->arena, f->n * C, sizeof(real));
        f->out = arena_take(&f->arena, f->n * C, sizeof(real));
        if (pass == 0)
            assert_int_equal(arena_build(&f->arena, &err), 0);
    }
    attn_shared_fill(&f->attn_shared, &f->spec);
    const struct philox stream = philox_stream(3, "data", "x");
    for (size_t i = 0; i < f->n * C; i++)
        f->x[i] = (real)philox_normal(&stream, 0, letter(i / C) * C + i % C);
    f->pass = (struct batch_pass){ .spec = &f->spec, .pool = f->pool, .batch = b };
}

static void tear_down(struct fixture *f)
{
    pool_free(f->pool);
    params_done(&f->params);
    arena_done(&f->arena);
}

static real *weight(const struct fixture *f, const char *name)
{
    char full[80];
    snprintf(full, sizeof full, "blocks.1.%s", name);
    return f->params.value + params_find(&f->params, full)->offset;
}

/* Rows of the same letter hold the same bits. */
static void assert_alike(const struct fixture *f, const char *what, const real *rows, size_t width)
{
    for (size_t row = 0; row < f->n; row++) {
        size_t first = 0;
        while (letter(first) != letter(row))
            first++;
        if (memcmp(rows + row * width, rows + first * width, width * sizeof *rows) != 0)
            fail_msg("%s: rows %zu and %zu of %zu differ", what, first, row, f->n);
    }
}

/* What the letters make of it, in double: how much a query of one letter wants a key of another.
 * first[l]: a row of letter l. */
typedef void worth_function(const struct fixture *f, const size_t *first,
                            double ret[LETTERS][LETTERS]);

static double project(const struct fixture *f, size_t row, const real *w)
{
    double sum = 0;
    for (size_t c = 0; c < C; c++)
        sum += (double)f->x[row * C + c] * (double)w[c];
    return sum;
}

static double product(const struct fixture *f, size_t row, const real *w_q, size_t key,
                      const real *w_k, size_t width)
{
    double sum = 0;
    for (size_t i = 0; i < width; i++)
        sum += project(f, row, w_q + i * C) * project(f, key, w_k + i * C);
    return sum;
}

static void worth_of_index(const struct fixture *f, const size_t *first,
                           double ret[LETTERS][LETTERS])
{
    const struct indexer *x = &f->attn.indexer;
    for (size_t l = 0; l < LETTERS; l++)
        for (size_t m = 0; m < LETTERS; m++) {
            ret[l][m] = 0;
            for (size_t j = 0; j < x->j; j++)
                ret[l][m] +=
                    project(f, first[l], x->w_w + j * C) *
                    fmax(product(f, first[l], x->w_q + j * x->i * C, first[m], x->w_k, x->i), 0);
        }
}

/* exp of a head's score; what a query divides by is the same for all its keys, but not for both
 * heads, hence heads that are equal. */
static void worth_of_dense(const struct fixture *f, const size_t *first,
                           double ret[LETTERS][LETTERS])
{
    const real *w = f->attn.w_qkv;
    for (size_t l = 0; l < LETTERS; l++)
        for (size_t m = 0; m < LETTERS; m++)
            ret[l][m] = product(f, first[l], w, first[m], w + C * C, D);
}

static bool chosen(const struct fixture *f, size_t row, size_t s)
{
    const struct attn *a = &f->attn;
    if (!a->use_lists)
        return a->mask[row * f->t + s] != 0;
    for (size_t i = 0; i < (size_t)a->n[row]; i++)
        if ((size_t)a->keys[row * a->k + i] == s)
            return true;
    return false;
}

static void assert_chosen(const struct fixture *f, const double worth[LETTERS][LETTERS])
{
    for (size_t row = 0; row < f->n; row++) {
        bool expected[T_MOST] = { false };
        size_t t = row % f->t, begin = row - t;
        for (size_t taken = 0; taken < K && taken <= t; taken++) {
            size_t best = f->t;
            for (size_t s = 0; s <= t; s++)
                if (!expected[s] && (best == f->t || worth[letter(row)][letter(begin + s)] >
                                                         worth[letter(row)][letter(begin + best)]))
                    best = s;
            expected[best] = true;
        }
        for (size_t s = 0; s < f->t; s++)
            if (chosen(f, row, s) != expected[s])
                fail_msg("T = %zu, %s: key %zu of query %zu (%zu) %s", f->t, f->attn.kernel->name,
                         s, t, row, expected[s] ? "isn't chosen" : "is chosen");
    }
}

/* RoPE turns equal keys apart; without it an oracle meets ties, too. */
static void stop_turning(const struct fixture *f)
{
    for (size_t i = 0; i < f->t * D / 2; i++) {
        f->attn_shared.rope_cos[i] = 1;
        f->attn_shared.rope_sin[i] = 0;
    }
}

static void equal_heads(const struct fixture *f)
{
    real *w = weight(f, "attn.qkv.weight");
    for (size_t part = 0; part < 2; part++)
        memcpy(w + (part * C + D) * C, w + part * C * C, D * C * sizeof *w);
}

static void check_choice(struct fixture *f, worth_function *worth_of)
{
    double worth[LETTERS][LETTERS];
    size_t first[LETTERS];
    for (size_t l = 0; l < LETTERS; l++)
        for (first[l] = 0; first[l] + 1 < f->n && letter(first[l]) != l;)
            first[l]++;
    stop_turning(f);
    equal_heads(f);
    worth_of(f, first, worth);
    for (uint64_t step = 0; step < 2; step++) { /* evaluation, then training */
        f->pass.step = step;
        f->pass.tokens = step > 0 ? f->n : 0;
        attn_forward(&f->attn, &f->pass, f->x, f->out);
        assert_chosen(f, (const double(*)[LETTERS])worth);
        assert_alike(f, "qkv", f->attn.qkv, 3 * C);
    }
}

static void over_shapes(const char *attention, worth_function *worth_of)
{
    for (size_t p = 0; p < sizeof kernels / sizeof *kernels; p++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (size_t j = 0; j < sizeof batches / sizeof *batches; j++) {
                struct fixture f;
                set_up(&f, attention, batches[j], lengths[i], kernels[p]);
                check_choice(&f, worth_of);
                if (attention_is_indexed(f.attn.spec)) {
                    const struct indexer *x = &f.attn.indexer;
                    assert_alike(&f, "indexer's q", x->q, x->j * x->i);
                    assert_alike(&f, "indexer's k", x->k, x->i);
                    assert_alike(&f, "indexer's w", x->w, x->j);
                }
                tear_down(&f);
            }
}

static void test_an_indexer_takes_the_lower_of_equal_keys(void **state)
{
    (void)state;
    over_shapes("\"kind\":\"dsa\",\"top_k\":5,\"indexer_heads\":2,\"indexer_dim\":8",
                worth_of_index);
    over_shapes("\"kind\":\"dsa\",\"top_k\":5,\"indexer_heads\":3,\"indexer_dim\":20",
                worth_of_index);
}

static void test_an_oracle_takes_the_lower_of_equal_keys(void **state)
{
    (void)state;
    over_shapes("\"kind\":\"oracle_topk\",\"top_k\":5", worth_of_dense);
}

/* Experts e and e + 3 have the same gate. */
static void test_a_router_takes_the_lower_of_equal_experts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct fixture f;
        set_up(&f, "\"kind\":\"dense\"", B_MOST, lengths[i], NULL);
        real *gate = weight(&f, "moe.gate.weight");
        for (size_t e = 3; e < E; e++)
            memcpy(gate + e * C, gate + (e - 3) * C, C * sizeof *gate);
        router_forward(&f.moe, &f.pass, f.x);
        assert_alike(&f, "g", f.moe.g, E);
        for (size_t row = 0; row < f.n; row++) {
            size_t best = 0;
            for (size_t e = 1; e < 3; e++)
                if (project(&f, row, gate + e * C) > project(&f, row, gate + best * C))
                    best = e;
            assert_int_equal(f.moe.k, 2);
            assert_int_equal(f.moe.chosen[2 * row], best);
            assert_int_equal(f.moe.chosen[2 * row + 1], best + 3);
            assert_true(f.moe.weight[2 * row] == f.moe.weight[2 * row + 1]);
        }
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_indexer_takes_the_lower_of_equal_keys),
        cmocka_unit_test(test_an_oracle_takes_the_lower_of_equal_keys),
        cmocka_unit_test(test_a_router_takes_the_lower_of_equal_experts),
    };
    return cmocka_run_group_tests_name("ties", tests, NULL, NULL);
}
