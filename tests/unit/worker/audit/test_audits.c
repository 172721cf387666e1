/* Each audit on what is sound, and on something that is wrong on purpose. */
#include "common/corpus/overlap.h"
#include "tests/unit/worker/models.h"
#include "worker/audit/causality.h"
#include "worker/audit/entropy.h"
#include "worker/audit/equivalence.h"
#include "worker/audit/guess.h"
#include "worker/audit/learns.h"
#include "worker/audit/replay.h"
#include "worker/files/checkpoint.h"
#include "worker/optim/optim.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLISHED                                                                                  \
    "\"kind\":\"dsa\",\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_training\":\"frozen\","      \
    "\"selection\":\"published\""
#define DSA "\"kind\":\"dsa\",\"indexer_heads\":2,\"indexer_dim\":8,\"dense_warmup_steps\":2"

/* causality */

static void test_cuts(void **state)
{
    (void)state;
    size_t cuts[2000];
    assert_int_equal(causality_cuts(1, 1, cuts), 0);
    assert_int_equal(causality_cuts(256, 9, cuts), 255);
    assert_int_equal(cuts[0], 0);
    assert_int_equal(cuts[254], 254);
    for (size_t k = 1; k <= 2000; k += 333) {
        const size_t wanted[] = { 0, k - 2, k - 1, k, 1998 };
        size_t n = causality_cuts(2000, k, cuts);
        assert_in_range(n, CAUSALITY_CUTS - 8, CAUSALITY_CUTS);
        for (size_t i = 1; i < n; i++)
            assert_true(cuts[i] > cuts[i - 1]);
        for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
            bool found = wanted[w] > 1998;
            for (size_t i = 0; i < n; i++)
                found |= cuts[i] == wanted[w];
            assert_true(found);
        }
    }
}

static bool is_cut(const size_t *cuts, size_t n, size_t cut)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found |= cuts[i] == cut;
    return found;
}

static void test_cuts_at_edges(void **state)
{
    (void)state;
    size_t cuts[40000 + CAUSALITY_CUTS], n = causality_cuts(1500, 750, cuts);
    for (size_t edge = 64; edge < 1500; edge += 64)
        assert_true(is_cut(cuts, n, edge - 1) && is_cut(cuts, n, edge));
    n = causality_cuts(16384, 100, cuts); /* the edges of tiles alone leave room for few blocks */
    for (size_t edge = 512; edge < 16384; edge += 512)
        assert_true(is_cut(cuts, n, edge - 1) && is_cut(cuts, n, edge));
    assert_in_range(n, 80, CAUSALITY_CUTS);
    n = causality_cuts(40000, 100, cuts); /* more of them than cuts */
    assert_in_range(n, 80, CAUSALITY_CUTS);
    for (size_t i = 0; i < n; i++)
        assert_true(cuts[i] <= 39998 && (i == 0 || cuts[i] > cuts[i - 1]));
}

static void test_smallest_leak(void **state)
{
    (void)state;
    assert_true(causality_smallest_leak(128, 127) == 1.0 / 127); /* every cut is tried */
    double share = causality_smallest_leak(1500, 96), missed = 1, less = 1;
    double leaks = share * 1499;
    for (int i = 0; i < (int)(leaks + 0.5); i++) {
        less = missed;
        missed *= (1499.0 - 96 - i) / (1499.0 - i);
    }
    assert_true(missed <= 0.05 && less > 0.05);
    assert_true(share > 0.02 && share < 0.04);
}

enum { B = 7, T = 12, C = 2, V = 7 };

/* States that are sums over what may be seen, and one that sees more: position `leak` of each
 * sequence sees the token `ahead` places on; unless both are the same, sequence `to` sees `from`.
 */
struct fake {
    size_t leak, ahead, from, to;
    real states[B * T * C];
};

static const real *fake_states(void *arg, const int32_t *windows, int64_t step)
{
    struct fake *f = arg;
    for (size_t b = 0; b < B; b++) {
        real sum = (real)step;
        for (size_t t = 0; t < T; t++) {
            real *row = f->states + (b * T + t) * C;
            sum = sum * 3 + (real)windows[b * (T + 1) + t];
            row[0] = row[1] = sum;
            if (f->ahead > 0 && t == f->leak)
                row[1] += (real)windows[b * (T + 1) + t + f->ahead];
        }
    }
    if (f->from != f->to)
        f->states[(f->to * T + 4) * C] += (real)windows[f->from * (T + 1)];
    return f->states;
}

static struct causality check_fake(struct fake *fake, bool first_leak)
{
    const struct causality_subject subject = {
        .arg = fake, .batch = B, .t = T, .c = C, .vocab = V, .states = fake_states
    };
    struct causality found;
    struct err err;
    size_t cuts[T];
    int32_t windows[B * (T + 1)];
    for (size_t i = 0; i < B * (T + 1); i++)
        windows[i] = (int32_t)(i * 5 % V);
    size_t n = causality_cuts(T, 4, cuts);
    const struct causality_plan plan = {
        .cuts = cuts, .n = n, .batch = true, .first_leak = first_leak
    };
    assert_int_equal(causality_check(&subject, &plan, windows, &found, &err), 0);
    if (!first_leak)
        assert_int_equal(found.cuts, T - 1);
    return found;
}

static void test_planted_leaks(void **state)
{
    (void)state;
    struct fake fake = { 0 };
    struct causality found = check_fake(&fake, false);
    assert_int_equal(found.leaks, 0);
    assert_false(found.across);
    assert_true(found.leak_next == 0);

    fake = (struct fake){ .leak = 5, .ahead = 1 };
    found = check_fake(&fake, false);
    assert_int_equal(found.leaks, 1);
    assert_int_equal(found.cut, 5);
    assert_int_equal(found.position, 5);
    assert_true(found.leak_next == 1.0 / T);

    fake = (struct fake){ .leak = 2, .ahead = 4 }; /* cuts 2 … 5 lie between */
    found = check_fake(&fake, false);
    assert_int_equal(found.leaks, 4);
    assert_true(found.leak_next == 1.0 / T);
    assert_int_equal(found.cut, 2);
    assert_int_equal(found.position, 2);
    assert_false(found.across);
}

static void test_every_pair_of_sequences_is_tried(void **state)
{
    (void)state;
    for (size_t from = 0; from < B; from++)
        for (size_t to = 0; to < B; to++) {
            struct fake fake = { .from = from, .to = to };
            assert_int_equal(check_fake(&fake, false).across, from != to);
        }
}

static void test_first_leak_is_enough(void **state)
{
    (void)state;
    struct fake fake = { .leak = 5, .ahead = 1 };
    struct causality found = check_fake(&fake, true);
    assert_int_equal(found.leaks, 1);
    assert_int_equal(found.cuts, B); /* those of one pass */
    assert_true(isnan(found.leak_next));
    fake = (struct fake){ .leak = T - 2, .ahead = 1 };
    assert_int_equal(check_fake(&fake, true).leaks, 1);
}

static const real *model_states_of(void *arg, const int32_t *windows, int64_t step)
{
    return model_states(arg, windows, 3, step);
}

static struct causality check_model(const char *attention, int64_t t, int64_t step)
{
    const struct run_spec spec = spec_of((struct sketch){
        .attention = attention,
        .model = ",\"dropout\":0.2,\"router_noise\":0.3,\"experts\":5,\"init\":\"torch\"",
        .seq_len = t,
        .seed = 4 });
    struct model *model = model_of(&spec, 2);
    int32_t *windows = windows_of(&spec, 1);
    const struct causality_subject subject = {
        .arg = model, .batch = 3, .t = (size_t)t, .c = 32, .vocab = 257, .states = model_states_of
    };
    struct causality found;
    struct err err;
    size_t *cuts = calloc((size_t)t + CAUSALITY_CUTS, sizeof *cuts);
    size_t k = (size_t)spec.model.attention.top_k;
    size_t n = causality_cuts((size_t)t, k > 0 ? k : (size_t)t, cuts);
    const struct causality_plan plan = { .cuts = cuts, .n = n, .step = step, .batch = true };
    assert_int_equal(causality_check(&subject, &plan, windows, &found, &err), 0);
    free(cuts);
    free(windows);
    model_free(model);
    return found;
}

/* The experts' rows are gathered from the whole batch: without gemm's row-invariant mode this
 * fails on cores whose kernels care (OPENBLAS_CORETYPE=Haswell). */
static void test_models_are_causal(void **state)
{
    (void)state;
    static const struct {
        const char *attention;
        int64_t t;
    } cases[] = {
        { "\"kind\":\"dense\"", 48 },
        { DSA ",\"top_k\":9,\"indexer_rope\":true,\"indexer_norm\":true", 48 },
        { "\"kind\":\"window\",\"window\":5,\"sink\":2", 48 },
        { "\"kind\":\"random_topk\",\"top_k\":9", 48 },
        { "\"kind\":\"oracle_topk\",\"top_k\":9", 48 },
        { "\"kind\":\"strided\",\"stride\":5,\"window\":4", 48 },
        { "\"kind\":\"dense\"", 600 },  /* flash */
        { DSA ",\"top_k\":100", 1024 }, /* gather */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int64_t step = 0; step <= 1; step++) {
            struct causality found = check_model(cases[i].attention, cases[i].t, step);
            if (found.leaks > 0 || found.across || found.leak_next > 0)
                fail_msg("%s: position %lld changes after %lld", cases[i].attention,
                         (long long)found.position, (long long)found.cut);
        }
}

static void test_published_leaks(void **state)
{
    (void)state;
    for (int64_t step = 0; step <= 1; step++) {
        struct causality found = check_model(PUBLISHED ",\"top_k\":17", 48, step);
        assert_false(found.across);
        assert_int_equal(found.cut, 0);
        assert_true(found.leak_next == 16.0 / 48);
        found = check_model(PUBLISHED ",\"top_k\":100", 300, step); /* some of the cuts */
        assert_true(found.leak_next == 99.0 / 300);
    }
}

/* dense_equivalence */

static double worst(const char *attention, int64_t t)
{
    const struct run_spec spec = spec_of((struct sketch){
        .attention = attention, .model = ",\"dropout\":0.1", .seq_len = t, .seed = 2 });
    struct equivalence found;
    struct err err;
    double most = 0;
    assert_int_equal(equivalence_measure(&spec, &spec.model.attention, &found, &err), 0);
    for (int i = 0; i < 4; i++)
        most = fmax(most, found.differs[i]);
    return most;
}

static void test_dense_limits(void **state)
{
    (void)state;
    static const struct {
        const char *attention;
        int64_t t;
    } sound[] = {
        { "\"kind\":\"dense\"", 48 },
        { "\"kind\":\"dense\"", 700 },
        { DSA ",\"top_k\":9", 48 },
        { DSA ",\"top_k\":200", 700 },
        { DSA ",\"top_k\":64", 1024 }, /* gather */
        { "\"kind\":\"window\",\"window\":5,\"sink\":2", 48 },
        { "\"kind\":\"window\",\"window\":50", 2048 }, /* tried at 1024 */
        { "\"kind\":\"random_topk\",\"top_k\":9", 48 },
        { "\"kind\":\"oracle_topk\",\"top_k\":9", 48 },
        { "\"kind\":\"strided\",\"stride\":5,\"window\":4", 48 },
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        if (!(worst(sound[i].attention, sound[i].t) <= EQUIVALENCE_TOLERANCE))
            fail_msg("%s at T = %lld: %g", sound[i].attention, (long long)sound[i].t,
                     worst(sound[i].attention, sound[i].t));
    /* At its limit it is a kernel like any other; the mask is causality's to find. */
    assert_true(worst(PUBLISHED ",\"top_k\":9", 48) <= EQUIVALENCE_TOLERANCE);
}

/* At its own K, against the formulas over the keys that it chose. */
static struct equivalence own(const char *attention, int64_t t)
{
    const struct run_spec spec = spec_of((struct sketch){
        .attention = attention, .model = ",\"dropout\":0.1", .seq_len = t, .seed = 2 });
    struct equivalence found;
    struct err err;
    assert_int_equal(equivalence_measure_own(&spec, &spec.model.attention, &found, &err), 0);
    return found;
}

static void test_own_keys(void **state)
{
    (void)state;
    static const struct {
        const char *attention;
        int64_t t, tried, keys;
    } sound[] = {
        { DSA ",\"top_k\":9", 48, 48, 9 },
        { DSA ",\"top_k\":200", 700, 700, 200 },
        { DSA ",\"top_k\":64", 1024, 1024, 64 },     /* gather */
        { DSA ",\"top_k\":1100", 1500, 1500, 1100 }, /* more keys than fit into 1024 */
        { PUBLISHED ",\"top_k\":9", 48, 48, 9 },     /* as it chose, future keys included */
        { PUBLISHED ",\"top_k\":64", 1024, 1024, 64 },
        { "\"kind\":\"window\",\"window\":5,\"sink\":2", 48, 48, 7 },
        { "\"kind\":\"window\",\"window\":50", 2048, 1024, 50 },
        { "\"kind\":\"random_topk\",\"top_k\":9", 48, 48, 9 },
        { "\"kind\":\"oracle_topk\",\"top_k\":9", 600, 600, 9 },
        { "\"kind\":\"strided\",\"stride\":5,\"window\":4", 48, 48, 13 },
        { "\"kind\":\"dense\"", 48, 48, 48 },
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        struct equivalence found = own(sound[i].attention, sound[i].t);
        assert_int_equal(found.seq_len, sound[i].tried);
        assert_int_equal(found.keys, sound[i].keys);
        for (int part = 0; part < EQUIVALENCE_PARTS; part++) {
            if (found.differs[part] > EQUIVALENCE_TOLERANCE)
                fail_msg("%s: %s differs by %g", sound[i].attention, equivalence_parts[part],
                         found.differs[part]);
            assert_int_equal(found.differs[part] > 0, found.keys < found.seq_len);
        }
    }
}

/* entropy_floor */

static void test_entropy(void **state)
{
    (void)state;
    struct entropy found;
    struct pool *pool = NULL;
    struct err err;
    struct run_spec spec =
        spec_of((struct sketch){ .attention = DSA ",\"top_k\":8", .seq_len = 16, .seed = 3 });
    assert_int_equal(pool_new(2, &pool, &err), 0);
    assert_int_equal(entropy_measure(&spec, &spec.model.attention, pool, NULL, NULL, &found, &err),
                     0);
    assert_true(found.floor == log(32));
    assert_true(found.bound >= found.floor);
    assert_true(found.mean < found.floor + 0.05); /* it has learnt that all are alike */
    spec =
        spec_of((struct sketch){ .attention = PUBLISHED ",\"top_k\":8", .seq_len = 16, .seed = 3 });
    assert_int_equal(entropy_measure(&spec, &spec.model.attention, pool, NULL, NULL, &found, &err),
                     0);
    assert_true(found.bound < found.floor - 0.5);
    pool_free(pool);
}

/* split_overlap */

/* A corpus of n tokens that never repeat, cut by hand. */
static void cut(struct data *data, uint16_t *tokens, size_t n, size_t seq_len)
{
    *data = (struct data){ .split = { .tokens = tokens, .seq_len = seq_len } };
    data->spec.data.kind = DATASET_STORED;
    data->spec.data.seq_len = (int64_t)seq_len;
    for (size_t i = 0; i < n; i++)
        tokens[i] = (uint16_t)((i * i + i / 7) % 65521);
}

static void test_overlap(void **state)
{
    (void)state;
    enum { TOKENS = 2000, L = 50 };
    static uint16_t tokens[TOKENS];
    struct data data;
    struct overlap found;
    struct err err;
    cut(&data, tokens, TOKENS, L);
    data.split.parts[CORPUS_TRAIN].n = 1500;
    data.split.parts[CORPUS_TRAIN].windows = 29;
    data.split.parts[CORPUS_VAL].first = 1500;
    data.split.parts[CORPUS_VAL].n = 500;
    data.split.parts[CORPUS_VAL].windows = 9;
    assert_int_equal(overlap_measure(&data.split, 0, NULL, &found, &err), 0);
    assert_int_equal(found.targets, 9 * L);
    assert_int_equal(found.same, 0);
    assert_int_equal(found.contexts, 9 * L - OVERLAP_CONTEXT + 1);
    assert_int_equal(found.known, 0);
    /* 40 tokens that stand in both: 8 runs of 33 */
    memcpy(tokens + 1700, tokens + 200, 40 * sizeof *tokens);
    assert_int_equal(overlap_measure(&data.split, 0, NULL, &found, &err), 0);
    assert_int_equal(found.known, 8);
    /* and once more in training: known twice is known once */
    memcpy(tokens + 900, tokens + 200, 40 * sizeof *tokens);
    assert_int_equal(overlap_measure(&data.split, 0, NULL, &found, &err), 0);
    assert_int_equal(found.known, 8);
}

/* The study's split: windows at every token. */
static void test_overlap_of_windows(void **state)
{
    (void)state;
    enum { TOKENS = 300, L = 20, STARTS = TOKENS - L };
    static uint16_t tokens[TOKENS];
    static uint32_t val[STARTS / 10], train[STARTS];
    struct data data;
    struct overlap found;
    struct err err;
    cut(&data, tokens, TOKENS, L);
    size_t vals = 0, trains = 0;
    for (uint32_t i = 0; i < STARTS; i++)
        *(i % 10 == 3 ? &val[vals++] : &train[trains++]) = i;
    for (int part = 0; part < CORPUS_PARTS; part++) {
        data.split.parts[part].n = TOKENS;
        data.split.parts[part].starts = part == CORPUS_TRAIN ? train : val;
        data.split.parts[part].windows = part == CORPUS_TRAIN ? trains : vals;
    }
    assert_int_equal(overlap_measure(&data.split, 0, NULL, &found, &err), 0);
    assert_int_equal(found.targets, (int64_t)vals * L);
    assert_int_equal(found.same, found.targets);
    assert_int_equal(found.known, found.contexts);
}

/* learned: what is scored without a model */

/* Ten tokens by hand: training is 0 1 0 1 2, and asked are 1 0 (which stands there once), 0 2 (never),
 * 2 1 (never; nothing follows 2, which ends the stream). */
static void test_guess_by_hand(void **state)
{
    (void)state;
    uint16_t tokens[] = { 0, 1, 0, 1, 2, 1, 0, 2, 1 };
    struct data data;
    struct guess found;
    struct err err;
    data = (struct data){ .split = { .tokens = tokens, .seq_len = 3 } };
    data.spec.data.kind = DATASET_STORED;
    data.split.parts[CORPUS_TRAIN].n = 5;
    data.split.parts[CORPUS_VAL].first = 5;
    data.split.parts[CORPUS_VAL].n = 4;
    data.split.parts[CORPUS_VAL].windows = 1;
    assert_int_equal(guess_measure(&data, 4, &found, &err), 0);
    const double u[] = { 3.0 / 9, 3.0 / 9, 2.0 / 9 }; /* (c + 1)/(N + V) */
    double unigram = -(log(u[0]) + log(u[2]) + log(u[1])) / 3;
    double bigram = -(log((1 + u[0]) / 3) + log(u[2] / 3) + log(u[1] / 2)) / 3;
    assert_true(fabs(found.unigram - unigram) < 1e-14);
    assert_true(fabs(found.bigram - bigram) < 1e-14);
}

/* The definition, by a count of everything for each target. */
static void test_guess_by_definition(void **state)
{
    (void)state;
    enum { TOKENS = 3000, TRAIN = 2500, L = 31, WINDOWS = 16 };
    static uint16_t tokens[TOKENS];
    static const size_t vocabs[] = { 65536, 257, 3 };
    struct data data;
    struct guess found;
    struct err err;
    for (size_t v = 0; v < sizeof vocabs / sizeof *vocabs; v++) {
        size_t vocab = vocabs[v];
        cut(&data, tokens, TOKENS, L);
        for (size_t i = 0; i < TOKENS; i++)
            tokens[i] = (uint16_t)((i % 5 < 3 ? i % 5 : tokens[i]) % (vocab - 1));
        tokens[TRAIN - 1] = (uint16_t)(vocab - 1);
        data.split.parts[CORPUS_TRAIN].n = TRAIN;
        data.split.parts[CORPUS_VAL].first = TRAIN;
        data.split.parts[CORPUS_VAL].n = TOKENS - TRAIN;
        data.split.parts[CORPUS_VAL].windows = WINDOWS;
        double unigram = 0, bigram = 0;
        for (size_t i = 0; i < WINDOWS * L; i++) {
            const uint16_t *at = tokens + TRAIN + i;
            double c = 0, before = 0, pairs = 0;
            for (size_t k = 0; k < TRAIN; k++) {
                c += tokens[k] == at[1];
                before += tokens[k] == at[0];
                pairs += k > 0 && tokens[k - 1] == at[0] && tokens[k] == at[1];
            }
            double u = (c + 1) / (TRAIN + (double)vocab);
            unigram -= log(u) / (WINDOWS * L);
            bigram -= log((pairs + u) / (before + 1)) / (WINDOWS * L);
        }
        assert_int_equal(guess_measure(&data, vocab, &found, &err), 0);
        assert_true(fabs(found.unigram - unigram) < 1e-12);
        assert_true(fabs(found.bigram - bigram) < 1e-12);
    }
}

static void test_guess_of_tasks(void **state)
{
    (void)state;
    static const struct {
        enum dataset_kind kind;
        int64_t vocab;
        double answers; /* 0 = there is nothing to learn */
    } rows[] = { { DATASET_COPY, 16, 15 },
                 { DATASET_MQAR, 64, 32 },
                 { DATASET_MQAR, 63, 32 },
                 { DATASET_UNIFORM, 32, 0 } };
    struct guess found;
    struct err err;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct data data = { .spec.data = { .kind = rows[i].kind, .vocab = rows[i].vocab } };
        assert_int_equal(guess_measure(&data, (size_t)rows[i].vocab, &found, &err), 0);
        assert_true(isnan(found.bigram));
        assert_true(rows[i].answers == 0 ? isnan(found.unigram)
                                         : found.unigram == log(rows[i].answers));
    }
}

/* indexer_learns */

static struct learns trained(const char *attention, int steps)
{
    const struct run_spec spec = spec_of((struct sketch){ .attention = attention,
                                                          .model = ",\"init\":\"torch\"",
                                                          .train = ",\"batch_size\":3,\"lr\":0.01",
                                                          .seed = 6 });
    struct model *model = model_of(&spec, 2);
    int32_t *windows = windows_of(&spec, 1);
    char before[DIGEST_HEX], after[DIGEST_HEX];
    struct learns found;
    struct err err;
    for (int64_t step = 1; step <= steps; step++) {
        struct model_stats stats;
        struct optim_stats optim;
        model_step(model, windows, step, &stats);
        optim_step(&spec.train, model_params(model), step, model_pool(model), &optim);
    }
    params_digest(model_params(model), before);
    assert_int_equal(learns_measure(model, &spec, windows, 3, &found, &err), 0);
    params_digest(model_params(model), after);
    assert_string_equal(before, after);
    free(windows);
    model_free(model);
    return found;
}

static void test_learning(void **state)
{
    (void)state;
    struct learns found = trained(DSA ",\"top_k\":8", 20);
    assert_true(found.trained > found.untrained + 0.02);
    assert_true(found.trained > found.chance + 0.02);
    assert_true(fabs(found.gain - (found.trained - found.untrained)) < 1e-12);
    assert_true(found.kl < found.kl_untrained);
    assert_int_equal(found.windows, 3);
    assert_true(learns_shown(&found));
    struct learns less = found;
    less.kl = less.kl_untrained; /* it learnt nothing of the teacher */
    assert_false(learns_shown(&less));
    less = found;
    less.error = less.gain / 1.9;
    assert_false(learns_shown(&less));
    less.error = (double)NAN; /* of a single window nothing is known */
    assert_false(learns_shown(&less));
    found = trained(DSA ",\"top_k\":8,\"kl_weight\":0", 20); /* nothing to learn from */
    assert_true(found.trained == found.untrained);
    assert_false(learns_shown(&found));
    found = trained(DSA ",\"top_k\":48", 1);
    assert_true(isnan(found.trained));
    assert_true(isnan(learns_chance(48, 48)));
    assert_true(fabs(learns_chance(4, 2) - (2.0 / 3 + 2.0 / 4) / 2) < 1e-15);
}

/* replay */

enum { STEPS = 20 };
static const struct checkpoint_origin origin = {
    .run_digest = "run", .environment_digest = "env", .blas_core = "core", .corpus = ""
};

struct retraining {
    struct run_spec spec;
    struct data *data;
    struct model *model;
    struct replay replay;
    char folder[64];
    int32_t *windows;
};

static void train_noted(struct retraining *r)
{
    struct err err = { 0 };
    memset(r, 0, sizeof *r);
    r->spec = spec_of((struct sketch){ .attention = DSA ",\"top_k\":8",
                                       .model = ",\"dropout\":0.1",
                                       .train = ",\"batch_size\":2" });
    r->spec.data.kind = DATASET_UNIFORM;
    r->spec.data.vocab = 20;
    r->windows = windows_of(&r->spec, 1);
    r->model = model_of(&r->spec, 2);
    strcpy(r->folder, "/tmp/test_audits.XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    assert_int_equal(data_new(&r->spec, NULL, &r->data, &err), 0);
    replay_plan(&r->replay, STEPS);
    for (int64_t step = 1; step <= STEPS; step++) {
        struct model_stats stats;
        struct optim_stats optim;
        assert_int_equal(data_batch(r->data, step, r->windows, &err), 0);
        model_step(r->model, r->windows, step, &stats);
        optim_step(&r->spec.train, model_params(r->model), step, model_pool(r->model), &optim);
        assert_int_equal(replay_note(&r->replay, r->folder, model_params(r->model), &origin, step,
                                     stats.loss, &err),
                         0);
    }
}

static int check_replay(struct retraining *r, struct err *err)
{
    return replay_check(&r->replay, r->folder, r->model, r->data, &r->spec, &origin, r->windows,
                        err);
}

static void forget(struct retraining *r)
{
    char path[128];
    checkpoint_remove(r->folder, r->replay.from);
    snprintf(path, sizeof path, "%s/checkpoints", r->folder);
    rmdir(path);
    rmdir(r->folder);
    model_free(r->model);
    data_free(r->data);
    free(r->windows);
}

static void test_replay(void **state)
{
    (void)state;
    struct retraining r;
    struct err err = { 0 };
    char before[DIGEST_HEX], after[DIGEST_HEX];
    train_noted(&r);
    assert_int_equal(r.replay.from, 10);
    assert_int_equal(r.replay.to, 20);
    data_consumed(r.data, before);
    assert_int_equal(check_replay(&r, &err), 0);
    assert_int_equal(r.replay.differs, 0);
    assert_false(r.replay.other_digest);
    data_consumed(r.data, after);
    assert_string_equal(before, after);

    r.replay.losses[4] = nextafter(r.replay.losses[4], 100); /* another last bit */
    assert_int_equal(check_replay(&r, &err), 0);
    assert_int_equal(r.replay.differs, 15);
    r.replay.digest[0] = r.replay.digest[0] == '0' ? '1' : '0';
    assert_int_equal(check_replay(&r, &err), 0);
    assert_true(r.replay.other_digest);
    forget(&r);
}

static void test_tampered_checkpoint(void **state)
{
    (void)state;
    struct retraining r;
    struct err err = { 0 };
    char path[128];
    train_noted(&r);
    snprintf(path, sizeof path, "%s/checkpoints/step-10.safetensors", r.folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -40, SEEK_END), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, -40, SEEK_END), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    fclose(file);
    assert_int_equal(check_replay(&r, &err), -ERR_BAD_DATA);
    assert_non_null(strstr(err.message, "damaged"));
    forget(&r);
}

static void test_short_runs(void **state)
{
    (void)state;
    struct replay replay;
    replay_plan(&replay, 1);
    assert_int_equal(replay.to, 0);
    replay_plan(&replay, 5);
    assert_int_equal(replay.from, 2);
    assert_int_equal(replay.to, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_cuts_at_edges),
        cmocka_unit_test(test_smallest_leak),
        cmocka_unit_test(test_planted_leaks),
        cmocka_unit_test(test_every_pair_of_sequences_is_tried),
        cmocka_unit_test(test_first_leak_is_enough),
        cmocka_unit_test(test_models_are_causal),
        cmocka_unit_test(test_published_leaks),
        cmocka_unit_test(test_dense_limits),
        cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_entropy),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_overlap_of_windows),
        cmocka_unit_test(test_guess_by_hand),
        cmocka_unit_test(test_guess_by_definition),
        cmocka_unit_test(test_guess_of_tasks),
        cmocka_unit_test(test_learning),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_tampered_checkpoint),
        cmocka_unit_test(test_short_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
