/* Only pairs that validation asks for are counted: they go into a table first, and then the
 * training stream is walked once, each of its pairs looked up there. So memory goes with the targets
 * and never with V², and the walk is bound by a lookup in what the cache holds: there are few pairs
 * that are frequent. A table of V × V counts was as fast at V = 257 and takes gigabytes where tokens
 * are words. */
#include "worker/audit/guess.h"

#include <math.h>
#include <stdlib.h>

/* n: 0 = empty; else one more than the pair's count. */
struct slot {
    uint32_t pair, n;
};

struct counts {
    uint32_t *tokens; /* [V] */
    struct slot *pairs;
    unsigned shift; /* of a hash: 32 − log2 of the slots */
    uint32_t mask;
    double n, vocab;
};

static uint32_t pair_of(uint32_t before, uint32_t token)
{
    return before << 16 | token;
}

/* The pair's slot, or the empty one where it would go. */
static struct slot *slot_of(const struct counts *c, uint32_t pair)
{
    uint32_t at = (uint32_t)(pair * 2654435769u) >> c->shift;
    while (c->pairs[at].n != 0 && c->pairs[at].pair != pair)
        at = (at + 1) & c->mask;
    return &c->pairs[at];
}

static int counts_init(struct counts *c, size_t vocab, size_t targets, struct err *err)
{
    size_t pairs = vocab * vocab < targets ? vocab * vocab : targets, size = 1024;
    c->shift = 22;
    for (; size < 2 * pairs && c->shift > 1; size *= 2)
        c->shift--;
    c->mask = (uint32_t)(size - 1);
    c->vocab = (double)vocab;
    c->tokens = calloc(vocab, sizeof *c->tokens);
    c->pairs = calloc(size, sizeof *c->pairs);
    return c->tokens != NULL && c->pairs != NULL
               ? 0
               : err_no_memory(err, "counts of %zu tokens and %zu pairs", vocab, pairs);
}

/* The pairs that these targets end are counted from now on. */
static void ask(struct counts *c, const int32_t *window, size_t t)
{
    for (size_t i = 1; i <= t; i++) {
        uint32_t pair = pair_of((uint32_t)window[i - 1], (uint32_t)window[i]);
        *slot_of(c, pair) = (struct slot){ pair, 1 };
    }
}

static void count(struct counts *c, const uint16_t *tokens, size_t n)
{
    c->n = (double)n;
    for (size_t i = 0; i < n; i++) {
        c->tokens[tokens[i]]++;
        struct slot *slot = i > 0 ? slot_of(c, pair_of(tokens[i - 1], tokens[i])) : NULL;
        if (slot != NULL && slot->n != 0)
            slot->n++;
    }
}

static void score(const struct counts *c, const int32_t *window, size_t t, struct guess *sum)
{
    for (size_t i = 1; i <= t; i++) {
        uint32_t before = (uint32_t)window[i - 1], token = (uint32_t)window[i];
        double unigram = (c->tokens[token] + 1.0) / (c->n + c->vocab);
        double pairs = slot_of(c, pair_of(before, token))->n - 1.0;
        sum->unigram -= log(unigram);
        sum->bigram -= log((pairs + unigram) / (c->tokens[before] + 1.0));
    }
}

static int measure_corpus(const struct data *data, size_t vocab, struct guess *ret, struct err *err)
{
    const struct corpus_split *split = &data->split;
    size_t t = split->seq_len, windows = data_eval_windows(data, CORPUS_VAL);
    struct counts c = { 0 };
    struct guess sum = { 0 };
    int32_t *window = calloc(t + 1, sizeof *window);
    int status = window == NULL ? err_no_memory(err, "a window") : 0;
    if (status == 0)
        status = counts_init(&c, vocab, windows * t, err);
    for (size_t i = 0; i < windows && status == 0; i++) {
        data_eval_window(data, CORPUS_VAL, i, window);
        ask(&c, window, t);
    }
    if (status == 0)
        count(&c, split->tokens + split->parts[CORPUS_TRAIN].first, split->parts[CORPUS_TRAIN].n);
    for (size_t i = 0; i < windows && status == 0; i++) {
        data_eval_window(data, CORPUS_VAL, i, window);
        score(&c, window, t, &sum);
    }
    double targets = (double)windows * (double)t;
    if (status == 0)
        *ret = (struct guess){ sum.unigram / targets, sum.bigram / targets };
    free(window);
    free(c.tokens);
    free(c.pairs);
    return status;
}

/* Answers are drawn uniformly from 1 … V−1 (copy), from V/2 … V−1 (mqar). */
static double of_task(const struct spec_data *data)
{
    int64_t values = data->vocab - data->vocab / 2;
    switch (data->kind) {
    case DATASET_COPY:
        return log((double)(data->vocab - 1));
    case DATASET_MQAR:
        return log((double)values);
    default:
        return NAN;
    }
}

int guess_measure(const struct data *data, size_t vocab, struct guess *ret, struct err *err)
{
    if (data->spec.data.kind == DATASET_STORED)
        return measure_corpus(data, vocab, ret, err);
    *ret = (struct guess){ of_task(&data->spec.data), NAN };
    return 0;
}
