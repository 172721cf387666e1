/* What must hold of the whole model to the bit: the number of threads can't show, arms share what
 * they share by name, nobody sees the future, and the indexer learns without being felt. */
#include "common/spec/cost.h"
#include "tests/unit/worker/models.h"
#include "worker/optim/optim.h"

#include <math.h>
#include <stdatomic.h>

/* Counts allocations, by standing in front of the C library's. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define COUNTED 1
static atomic_long allocations;
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void *malloc(size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(n, size);
}
void *realloc(void *at, size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(at, n);
}
void *aligned_alloc(size_t alignment, size_t n)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_memalign(alignment, n);
}
#endif

#define DENSE     "\"kind\":\"dense\""
#define DSA       "\"kind\":\"dsa\",\"top_k\":12,\"indexer_heads\":2,\"indexer_dim\":16"
#define FULL      DSA ",\"indexer_rope\":true,\"indexer_norm\":true"
#define FROZEN    DSA ",\"indexer_training\":\"frozen\""
#define PUBLISHED FROZEN ",\"selection\":\"published\""
#define WINDOW    "\"kind\":\"window\",\"window\":9,\"sink\":2"
#define RANDOM    "\"kind\":\"random_topk\",\"top_k\":12"
#define ORACLE    "\"kind\":\"oracle_topk\",\"top_k\":12"
#define STRIDED   "\"kind\":\"strided\",\"stride\":5,\"window\":4"

static const char *const kinds[] = { DENSE,  DSA,    FULL,    FROZEN,   WINDOW,
                                     RANDOM, ORACLE, STRIDED, PUBLISHED };
enum { KINDS = sizeof kinds / sizeof *kinds, CAUSAL_KINDS = KINDS - 1 };

/* What the layers of a model of two see; MIXED: the first sees few keys, the second what the kind
 * under test says. */
#define FIRST(attention)  "{\"layers\":[0,0],\"attention\":{" attention "}}"
#define SECOND(attention) "{\"layers\":[1,1],\"attention\":{" attention "}}"
#define LAYERS(ranges)    ",\"attention_layers\":[" ranges "]"
#define THIN              "\"kind\":\"dsa\",\"top_k\":5,\"indexer_heads\":1,\"indexer_dim\":8"
#define MIXED             LAYERS(FIRST(THIN))

static void train(struct model *model, const struct run_spec *spec, int64_t steps,
                  struct model_stats *stats)
{
    for (int64_t step = 1; step <= steps; step++) {
        struct optim_stats ignored;
        int32_t *windows = windows_of(spec, (uint64_t)step);
        model_step(model, windows, step, stats);
        optim_step(&spec->train, model_params(model), step, model_pool(model), &ignored);
        free(windows);
    }
}

static void test_threads_do_not_show(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (size_t)KINDS; i++) {
        struct run_spec spec = spec_of(
            (struct sketch){ .attention = kinds[i % KINDS],
                             .model = i < KINDS ? NULL : MIXED,
                             .train = i < KINDS ? NULL : ",\"batch_size\":4,\"micro_batch_size\":2",
                             .seed = 1 });
        char digests[4][DIGEST_HEX];
        struct model_stats stats[4];
        struct model_eval evals[4];
        memset(stats, 0, sizeof stats);
        for (int threads = 1; threads <= 4; threads++) {
            struct model *model = model_of(&spec, threads);
            int32_t *windows = windows_of(&spec, 50);
            train(model, &spec, 4, &stats[threads - 1]);
            model_evaluate(model, windows, 3, 4, &evals[threads - 1]);
            params_digest(model_params(model), digests[threads - 1]);
            free(windows);
            model_free(model);
        }
        for (int k = 1; k < 4; k++) {
            assert_string_equal(digests[k], digests[0]);
            assert_memory_equal(&stats[k], &stats[0], sizeof *stats);
            assert_memory_equal(&evals[k], &evals[0], sizeof *evals);
        }
    }
}

static void test_arms_share_tensors_by_name(void **state)
{
    (void)state;
    struct run_spec dense = spec_of((struct sketch){ .attention = DENSE, .seed = 5 });
    struct run_spec other = spec_of((struct sketch){ .attention = DENSE, .seed = 6 });
    struct model *model = model_of(&dense, 1), *reseeded = model_of(&other, 1);
    struct params *p = model_params(model);
    for (size_t i = 1; i < KINDS; i++) {
        struct run_spec spec = spec_of((struct sketch){ .attention = kinds[i], .seed = 5 });
        struct model *arm = model_of(&spec, 1);
        for (size_t k = 0; k < p->n; k++) {
            const struct tensor *t = params_find(model_params(arm), p->tensors[k].name);
            assert_non_null(t);
            assert_memory_equal(model_params(arm)->value + t->offset,
                                p->value + p->tensors[k].offset, t->count * sizeof(real));
        }
        model_free(arm);
    }
    const struct tensor *gate = params_find(p, "blocks.1.moe.gate.weight");
    assert_true(memcmp(p->value + gate->offset, model_params(reseeded)->value + gate->offset,
                       gate->count * sizeof(real)) != 0);
    model_free(model);
    model_free(reseeded);
}

/* Loss and gradients of the tensors that `a` has are equal, to the bit, in `b`. */
static void assert_same_step(struct sketch a, struct sketch b)
{
    struct run_spec spec_a = spec_of(a), spec_b = spec_of(b);
    struct model *first = model_of(&spec_a, 1), *second = model_of(&spec_b, 1);
    struct params *p = model_params(first), *q = model_params(second);
    struct model_stats stats_a, stats_b;
    int32_t *windows = windows_of(&spec_a, 3);
    model_step(first, windows, 2, &stats_a);
    model_step(second, windows, 2, &stats_b);
    assert_true(stats_a.loss == stats_b.loss && stats_a.balance == stats_b.balance);
    for (size_t k = 0; k < p->n; k++) {
        const struct tensor *t = &p->tensors[k], *u = params_find(q, t->name);
        if (memcmp(p->grad + t->offset, q->grad + u->offset, t->count * sizeof(real)) != 0)
            fail_msg("%s differs", t->name);
    }
    free(windows);
    model_free(first);
    model_free(second);
}

/* Ranges that say of every layer what model.attention says elsewhere: the same bits, by every
 * kernel.
 */
static void test_ranges_replace(void **state)
{
    (void)state;
    static const struct {
        const char *attention, *layers;
        int64_t seq_len;
    } rows[] = {
        { DSA, LAYERS(FIRST(DSA) "," SECOND(DSA)), 0 },
        { FULL, LAYERS("{\"layers\":[0,1],\"attention\":{" FULL "}}"), 0 },
        { WINDOW, LAYERS("{\"layers\":[0,1],\"attention\":{" WINDOW "}}"), 0 },
        { DENSE, LAYERS(FIRST(DENSE) "," SECOND(DENSE)), 600 },
        { DSA, LAYERS(FIRST(DSA) "," SECOND(DSA)), 1024 },
        { RANDOM, LAYERS("{\"layers\":[0,1],\"attention\":{" RANDOM "}}"), 1024 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sketch sketch = { .attention = rows[i].attention,
                                 .train = ",\"batch_size\":1",
                                 .seed = 2,
                                 .seq_len = rows[i].seq_len };
        struct sketch by_layer = sketch;
        by_layer.attention = ORACLE; /* of no layer */
        by_layer.model = rows[i].layers;
        assert_same_step(sketch, by_layer);
        assert_same_step(by_layer, sketch);
    }
}

/* Lists beside tiles, an indexer beside a larger one or none: threads don't show, and it trains. */
static void test_mixed_layers_of_long_sequences(void **state)
{
    (void)state;
    static const char *const mixes[] = { LAYERS(FIRST(DENSE) "," SECOND(DSA)),
                                         LAYERS(FIRST(FULL) "," SECOND(DENSE)),
                                         LAYERS(FIRST(THIN) "," SECOND(FULL)),
                                         LAYERS(FIRST(WINDOW) "," SECOND(THIN)) };
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        struct run_spec spec = spec_of((struct sketch){
            .attention = DENSE, .model = mixes[i], .train = ",\"batch_size\":2", .seq_len = 1024 });
        char digests[2][DIGEST_HEX];
        struct model_stats stats[2];
        for (int threads = 1; threads <= 2; threads++) {
            struct model *model = model_of(&spec, threads);
            train(model, &spec, 2, &stats[threads - 1]);
            params_digest(model_params(model), digests[threads - 1]);
            model_free(model);
        }
        assert_string_equal(digests[0], digests[1]);
        assert_memory_equal(&stats[0], &stats[1], sizeof *stats);
        assert_true(stats[0].loss < 6 && stats[0].kl > 0);
    }
}

/* dsa/recall is of the layers that choose. */
static void test_recall_is_of_sparse_layers(void **state)
{
    (void)state;
    static const char *const models[] = { "", LAYERS(SECOND(DENSE)),
                                          LAYERS(FIRST(DENSE) "," SECOND(DENSE)) };
    double recalls[3];
    for (size_t i = 0; i < 3; i++) {
        struct run_spec spec = spec_of((struct sketch){ .attention = DSA, .model = models[i] });
        struct model *model = model_of(&spec, 1);
        int32_t *windows = windows_of(&spec, 1);
        struct model_eval eval;
        model_evaluate(model, windows, 3, 1, &eval);
        recalls[i] = NAN;
        model_recall(model, 3, false, &recalls[i]);
        free(windows);
        model_free(model);
    }
    assert_true(recalls[0] > 0.1 && recalls[0] < 0.9);
    assert_true(fabs(recalls[0] - recalls[1]) < 0.1); /* not half of it */
    assert_true(isnan(recalls[2]));
}

#define BATCH4 ",\"batch_size\":4"

static double largest_of(const real *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i]));
    return most;
}

/* Step 2 and an evaluation of the same four windows, whole and in micro-batches, some targets of
 * which aren't scored: equal within float32, or to the bit. */
static void check_micro_batches(const char *attention, int64_t micro, double tolerance)
{
    char train[80];
    snprintf(train, sizeof train, BATCH4 ",\"micro_batch_size\":%lld", (long long)micro);
    /* The balance loss is one of a micro-batch, and no other. */
    struct sketch sketch = { .attention = attention,
                             .model = ",\"init\":\"torch\",\"balance_weight\":0",
                             .train = BATCH4,
                             .seed = 4 };
    struct run_spec spec = spec_of(sketch);
    sketch.train = train;
    struct run_spec cut = spec_of(sketch);
    struct model *models[] = { model_of(&spec, 2), model_of(&cut, 2) };
    struct model_stats stats[2];
    struct model_eval evals[2];
    int32_t *windows = windows_of(&spec, 3);
    for (size_t i = 60; i < 90; i++) /* of the second window */
        windows[i] = ~windows[i];
    for (int i = 0; i < 2; i++) {
        model_evaluate(models[i], windows, 3, 2, &evals[i]);
        model_step(models[i], windows, 2, &stats[i]);
    }
    struct params *p = model_params(models[0]), *q = model_params(models[1]);
    assert_true(fabs(stats[0].loss - stats[1].loss) <= tolerance * stats[0].loss);
    assert_true(fabs(stats[0].kl - stats[1].kl) <= tolerance * stats[0].kl);
    assert_true(fabs(evals[0].nll - evals[1].nll) <= tolerance * evals[0].nll);
    assert_int_equal(evals[0].correct, evals[1].correct);
    assert_int_equal(evals[0].targets, evals[1].targets);
    assert_int_equal(evals[0].targets, 3 * 48 - 30);
    for (size_t k = 0; k < p->n; k++) {
        const struct tensor *t = &p->tensors[k];
        double most = largest_of(p->grad + t->offset, t->count);
        for (size_t i = t->offset; i < t->offset + t->count; i++)
            if (!(fabs((double)p->grad[i] - (double)q->grad[i]) <= tolerance * most))
                fail_msg("{%s} in parts of %lld: %s differs by %g of %g", attention,
                         (long long)micro, t->name, (double)p->grad[i] - (double)q->grad[i], most);
    }
    free(windows);
    model_free(models[0]);
    model_free(models[1]);
}

static void test_micro_batches(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        for (int64_t micro = 1; micro <= 4; micro *= 2)
            check_micro_batches(kinds[i], micro, micro == 4 ? 0 : 2e-5);
}

/* Every kind's dense limit is dense attention, through the masks of the kind. */
static void test_dense_limits(void **state)
{
    (void)state;
    static const char *const limits[] = {
        "\"kind\":\"dsa\",\"top_k\":48",
        "\"kind\":\"dsa\",\"top_k\":48,\"indexer_training\":\"frozen\"",
        "\"kind\":\"dsa\",\"top_k\":5,\"dense_warmup_steps\":2",
        "\"kind\":\"window\",\"window\":48,\"sink\":0",
        "\"kind\":\"window\",\"window\":1,\"sink\":48",
        "\"kind\":\"random_topk\",\"top_k\":48",
        "\"kind\":\"oracle_topk\",\"top_k\":48",
        "\"kind\":\"strided\",\"stride\":1,\"window\":1",
        "\"kind\":\"strided\",\"stride\":48,\"window\":48",
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        assert_same_step((struct sketch){ .attention = DENSE, .seed = 2 },
                         (struct sketch){ .attention = limits[i], .seed = 2 });
}

/* The task's gradients don't feel the indexer's training, and the other way round. */
static void test_the_indexer_is_detached(void **state)
{
    (void)state;
    const struct sketch heavy = { .attention = DSA ",\"kl_weight\":1000", .seed = 4 };
    const struct sketch none = { .attention = DSA ",\"kl_weight\":0", .seed = 4 };
    struct run_spec spec = spec_of(heavy), spec_none = spec_of(none);
    struct model *model = model_of(&spec, 1), *other = model_of(&spec_none, 1);
    struct params *p = model_params(model), *q = model_params(other);
    struct model_stats stats;
    int32_t *windows = windows_of(&spec, 3);
    model_step(model, windows, 2, &stats);
    assert_true(stats.kl > 0);
    model_step(other, windows, 2, &stats);
    size_t felt = 0;
    for (size_t k = 0; k < p->n; k++) {
        const struct tensor *t = &p->tensors[k];
        bool same = memcmp(p->grad + t->offset, q->grad + t->offset, t->count * sizeof(real)) == 0;
        assert_true(same == (t->group == PARAM_MAIN));
        felt += t->group == PARAM_INDEXER;
        for (size_t i = 0; t->group == PARAM_INDEXER && i < t->count; i++)
            assert_true(q->grad[t->offset + i] == 0);
    }
    assert_int_equal(felt, 6); /* q, k, w of two layers */
    free(windows);
    model_free(model);
    model_free(other);
}

static void test_a_frozen_indexer_has_no_gradient(void **state)
{
    (void)state;
    struct run_spec spec = spec_of((struct sketch){ .attention = FROZEN, .seed = 4 });
    struct model *model = model_of(&spec, 1);
    struct params *p = model_params(model);
    struct model_stats stats;
    const struct tensor *q = params_find(p, "blocks.0.attn.indexer.q.weight");
    real before = p->value[q->offset];
    train(model, &spec, 3, &stats);
    for (size_t i = 0; i < q->count; i++)
        assert_true(p->grad[q->offset + i] == 0 && p->moments[0][q->offset + i] == 0);
    assert_true(q->frozen && p->value[q->offset] == before && stats.kl == 0);
    model_free(model);
}

/* How many logits up to the cut change when only later tokens, or other sequences, do. */
static size_t leaks(const char *attention, const char *layers, int64_t step, size_t cut)
{
    char model_text[400];
    snprintf(model_text, sizeof model_text, ",\"init\":\"torch\",\"experts\":3%s", layers);
    struct run_spec spec =
        spec_of((struct sketch){ .attention = attention, .model = model_text, .seed = 8 });
    struct model *model = model_of(&spec, 1);
    size_t t = (size_t)spec.data.seq_len, v = (size_t)run_spec_vocab(&spec), changed = 0;
    int32_t *windows = windows_of(&spec, 1), *others = windows_of(&spec, 2);
    real *a = malloc(3 * t * v * sizeof *a), *b = malloc(3 * t * v * sizeof *b);
    memcpy(others, windows, (cut + 1) * sizeof *windows);
    model_logits(model, windows, 3, step, a);
    model_logits(model, others, 3, step, b);
    /* Which expert gets how many rows changes with the other tokens, and a GEMM's bits may change
     * with its rows; anything that was seen is far greater than that. */
    for (size_t i = 0; i < (cut + 1) * v; i++)
        changed += fabs((double)a[i] - (double)b[i]) > 1e-4;
    free(a);
    free(b);
    free(windows);
    free(others);
    model_free(model);
    return changed;
}

static void test_nobody_sees_the_future(void **state)
{
    (void)state;
    for (size_t i = 0; i < CAUSAL_KINDS; i++)
        for (int64_t step = 0; step < 2; step++)
            for (size_t cut = 0; cut < 47; cut += 11)
                if (leaks(kinds[i], cut % 2 == 0 ? "" : MIXED, step, cut) != 0)
                    fail_msg("{%s} at step %lld sees past %zu", kinds[i], (long long)step, cut);
}

static void test_the_published_selection_does(void **state)
{
    (void)state;
    /* fewer than K past keys: filled up with future ones */
    assert_true(leaks(PUBLISHED, "", 0, 3) > 0);
    assert_true(leaks(PUBLISHED, "", 1, 3) > 0);
    /* One layer is enough. */
    assert_true(leaks(DENSE, LAYERS(SECOND(PUBLISHED)), 0, 3) > 0);
}

/* model_evaluate, model_step and model_logits speak of the same logits. */
static void test_evaluation_agrees_with_logits(void **state)
{
    (void)state;
    struct run_spec spec = spec_of((struct sketch){
        .attention = DSA, .model = ",\"dropout\":0,\"router_noise\":0", .seed = 8 });
    struct model *model = model_of(&spec, 2);
    size_t t = (size_t)spec.data.seq_len, v = (size_t)run_spec_vocab(&spec);
    int32_t *windows = windows_of(&spec, 1);
    struct model_eval eval;
    struct model_stats stats;
    for (size_t i = 60; i < 74; i++) /* not scored */
        windows[i] = ~windows[i];
    model_step(model, windows, 1, &stats);
    model_evaluate(model, windows, 3, 1, &eval);
    assert_int_equal(eval.targets, 130);
    assert_true(fabs(eval.nll / 130 - stats.loss) < 1e-6);
    real *logits = malloc(3 * t * v * sizeof *logits);
    model_logits(model, windows, 3, 0, logits);
    double nll = 0;
    int64_t correct = 0;
    for (size_t row = 0; row < 3 * t; row++) {
        const real *x = logits + row * v;
        int32_t target = windows[row / t * (t + 1) + row % t + 1];
        size_t best = 0;
        double sum = 0;
        if (target < 0)
            continue;
        for (size_t k = 0; k < v; k++) {
            sum += exp((double)x[k]);
            best = x[k] > x[best] ? k : best;
        }
        nll += log(sum) - (double)x[target];
        correct += best == (size_t)target;
    }
    assert_true(fabs(nll - eval.nll) < 1e-5 * nll);
    assert_int_equal(correct, eval.correct);
    free(logits);
    free(windows);
    model_free(model);
}

/* The answers of associative recall are scored, never seen; other tokens are seen. */
static void test_answers_are_hidden(void **state)
{
    (void)state;
    struct run_spec spec = spec_of((struct sketch){ .attention = DENSE, .seed = 8, .seq_len = 8 });
    spec.data.kind = DATASET_MQAR;
    spec.data.vocab = 16;
    struct model *model = model_of(&spec, 1);
    int32_t windows[3][9] = { { ~1, ~9, ~2, ~10, ~11, ~2, 10, ~1, 9 },
                              { ~1, ~9, ~2, ~10, ~11, ~2, 12, ~1, 9 },
                              { ~1, ~9, ~2, ~10, ~13, ~2, 10, ~1, 9 } };
    static real logits[3][8 * 16];
    struct model_eval eval;
    for (int i = 0; i < 3; i++) /* each in the same place: bits may depend on it */
        model_logits(model, windows[i], 1, 0, logits[i]);
    model_evaluate(model, windows[0], 3, 0, &eval);
    assert_int_equal(eval.targets, 6);
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_memory_not_equal(logits[0] + 7 * 16, logits[2] + 7 * 16, 16 * sizeof(real));
    model_free(model);
}

static void test_steps_allocate_nothing(void **state)
{
    (void)state;
#ifdef COUNTED
    for (size_t i = 0; i < KINDS; i++) {
        struct run_spec spec = spec_of((struct sketch){
            .attention = kinds[i],
            .model = LAYERS(FIRST(FULL)), /* of sizes for which BLAS allocates nothing either */
            .train = ",\"batch_size\":4,\"micro_batch_size\":2,\"optimizer\":\"adamw\","
                     "\"grad_clip\":1",
            .seed = 1 });
        long at_first = atomic_load(&allocations);
        struct model *model = model_of(&spec, 3);
        assert_true(atomic_load(&allocations) > at_first); /* they are counted */
        int32_t *windows = windows_of(&spec, 1);
        struct model_stats stats;
        struct model_eval eval;
        struct optim_stats update;
        long before = 0;
        for (int64_t step = 1; step <= 4; step++) {
            if (step == 3) /* the C library and BLAS may set themselves up in the first */
                before = atomic_load(&allocations);
            model_step(model, windows, step, &stats);
            optim_step(&spec.train, model_params(model), step, model_pool(model), &update);
            model_evaluate(model, windows, 3, step, &eval);
        }
        assert_int_equal(atomic_load(&allocations) - before, 0);
        free(windows);
        model_free(model);
    }
#else
    skip();
#endif
}

/* What a run is admitted by must cover what it takes: in all, and as it grows, where the estimate's
 * allowance for the process can't hide a buffer that was forgotten. */
static void test_memory_stays_within_the_estimate(void **state)
{
    (void)state;
    static const struct {
        const char *model, *train;
        int64_t lengths[2];
    } models[] = {
        { "", NULL, { 48, 192 } },
        { ",\"experts\":64,\"experts_per_token\":16", NULL, { 48, 192 } },
        { ",\"experts\":1,\"experts_per_token\":1", NULL, { 48, 192 } },
        { ",\"tied\":false", NULL, { 48, 192 } },
        { ",\"activation\":\"swiglu\"", NULL, { 48, 192 } },
        { "", ",\"batch_size\":12,\"micro_batch_size\":2", { 48, 192 } },
        { MIXED, NULL, { 48, 192 } },
        { MIXED, NULL, { 1100, 1500 } },
        { "", NULL, { 1100, 1500 } },
    };
    for (size_t i = 0; i < KINDS; i++)
        for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
            double bytes[2], estimates[2];
            for (int large = 0; large < 2; large++) {
                struct cost cost;
                struct run_spec spec = spec_of((struct sketch){ .attention = kinds[i],
                                                                .model = models[k].model,
                                                                .train = models[k].train,
                                                                .seq_len = models[k].lengths[large],
                                                                .layers = 12 });
                struct model *model = model_of(&spec, 2);
                cost_estimate(&spec, &cost);
                bytes[large] = (double)model_bytes(model);
                estimates[large] = (double)cost.memory_bytes;
                model_free(model);
            }
            if (bytes[1] > estimates[1] || bytes[1] - bytes[0] > estimates[1] - estimates[0])
                fail_msg("{%s}%s: %.0f + %.0f bytes, but %.0f + %.0f were estimated", kinds[i],
                         models[k].model, bytes[0], bytes[1] - bytes[0], estimates[0],
                         estimates[1] - estimates[0]);
        }
}

/* A few steps on one batch: it learns, in every kind. */
static void test_every_kind_learns(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct run_spec spec = spec_of((struct sketch){ .attention = kinds[i],
                                                        .model = ",\"dropout\":0",
                                                        .train = ",\"batch_size\":3,\"lr\":0.01" });
        struct model *model = model_of(&spec, 2);
        int32_t *windows = windows_of(&spec, 1);
        struct model_stats first, last;
        for (int64_t step = 1; step <= 20; step++) {
            struct optim_stats ignored;
            model_step(model, windows, step, step == 1 ? &first : &last);
            optim_step(&spec.train, model_params(model), step, model_pool(model), &ignored);
        }
        assert_true(fabs(first.loss - log(257)) < 0.1);
        if (!(last.loss < first.loss - 1))
            fail_msg("{%s}: from %g to %g", kinds[i], first.loss, last.loss);
        free(windows);
        model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_do_not_show),
        cmocka_unit_test(test_arms_share_tensors_by_name),
        cmocka_unit_test(test_ranges_replace),
        cmocka_unit_test(test_mixed_layers_of_long_sequences),
        cmocka_unit_test(test_recall_is_of_sparse_layers),
        cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_dense_limits),
        cmocka_unit_test(test_the_indexer_is_detached),
        cmocka_unit_test(test_a_frozen_indexer_has_no_gradient),
        cmocka_unit_test(test_nobody_sees_the_future),
        cmocka_unit_test(test_the_published_selection_does),
        cmocka_unit_test(test_evaluation_agrees_with_logits),
        cmocka_unit_test(test_answers_are_hidden),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_memory_stays_within_the_estimate),
        cmocka_unit_test(test_every_kind_learns),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
