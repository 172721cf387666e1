/* A trial replaces tokens, runs the subject and compares its states, byte by byte, with those of
 * the true windows. */
#include "worker/audit/causality.h"

#include "worker/attn/attn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Cuts in the making: at most CAUSALITY_CUTS, each once. */
struct cuts {
    size_t t, n, *at;
};

static void add_cut(struct cuts *c, size_t cut)
{
    bool known = cut > c->t - 2 || c->n == CAUSALITY_CUTS;
    for (size_t i = 0; i < c->n; i++)
        known |= c->at[i] == cut;
    if (!known)
        c->at[c->n++] = cut;
}

/* Before and behind each multiple of `size`; of edges that are too many an even choice. */
static void add_edges(struct cuts *c, size_t size)
{
    size_t edges = (c->t - 1) / size, room = (CAUSALITY_CUTS - c->n) / 2;
    size_t taken = edges < room ? edges : room;
    for (size_t i = 0; i < taken; i++) {
        size_t edge = (i * edges / taken + 1) * size;
        add_cut(c, edge - 1);
        add_cut(c, edge);
    }
}

size_t causality_cuts(size_t t, size_t k, size_t *ret)
{
    const size_t wanted[] = { 0, k - 2, k - 1, k, t - 2 };
    struct cuts c = { t, 0, ret };
    if (t < 2)
        return 0;
    if (t <= CAUSALITY_ALL_T) {
        for (; c.n + 1 < t; c.n++)
            ret[c.n] = c.n;
        return c.n;
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        add_cut(&c, wanted[i]); /* K − 2 may be below 0, which is large here */
    add_edges(&c, ATTN_TILE);
    add_edges(&c, ATTN_BLOCK);
    for (size_t even = CAUSALITY_CUTS - c.n, i = 0; i < even; i++)
        add_cut(&c, (i + 1) * (t - 2) / (even + 1));
    qsort(ret, c.n, sizeof *ret, by_size);
    return c.n;
}

double causality_smallest_leak(size_t t, size_t cuts)
{
    size_t positions = t - 1, leaks = 0;
    double missed = 1; /* the chance that no cut lies at a leak */
    while (missed > 0.05 && leaks < positions) {
        double left = (double)(positions - leaks);
        missed *= fmax(left - (double)cuts, 0) / left;
        leaks++;
    }
    return (double)leaks / (double)positions;
}

struct trial {
    const struct causality_subject *subject;
    const int32_t *windows;
    int64_t step;
    int32_t *changed; /* [B × (T+1)] */
    real *base;       /* [B × T × C] */
};

/* Another token at place i of the batch, never the same; a complement stays one (tasks.h). */
static int32_t other(int32_t token, size_t i, int32_t vocab)
{
    int32_t plain = token < 0 ? ~token : token;
    int32_t moved = (plain + 1 + (int32_t)((i * 7919 + 31) % (size_t)(vocab - 1))) % vocab;
    return token < 0 ? ~moved : moved;
}

/* Replaces the inputs of sequence b from place `from` on. */
static void replace(const struct trial *trial, size_t b, size_t from)
{
    size_t width = trial->subject->t + 1;
    for (size_t i = from; i < width; i++)
        trial->changed[b * width + i] =
            other(trial->windows[b * width + i], b * width + i, trial->subject->vocab);
}

static void restore(const struct trial *trial)
{
    memcpy(trial->changed, trial->windows,
           trial->subject->batch * (trial->subject->t + 1) * sizeof *trial->windows);
}

static const real *look(const struct trial *trial)
{
    return trial->subject->states(trial->subject->arg, trial->changed, trial->step);
}

/* The first of `n` positions of sequence b whose states aren't those of the base; n if none. */
static size_t first_change(const struct trial *trial, const real *states, size_t b, size_t n)
{
    size_t c = trial->subject->c, t = 0, at = b * trial->subject->t * c;
    while (t < n && memcmp(states + at + t * c, trial->base + at + t * c, c * sizeof *states) == 0)
        t++;
    return t;
}

static bool row_changed(const struct trial *trial, const real *states, size_t b, size_t t)
{
    size_t c = trial->subject->c, at = (b * trial->subject->t + t) * c;
    return memcmp(states + at, trial->base + at, c * sizeof *states) != 0;
}

/* Words for n sequences, each with half of `bits` bits set, so that no word has all the bits of
 * another; no fewer bits would do (Sperner). Returns bits. */
static unsigned choose_words(size_t n, uint32_t *words)
{
    unsigned bits = 0;
    size_t choices = 1; /* bits over ⌊bits/2⌋ */
    while (choices < n) {
        bits++;
        choices = choices * bits / (bits % 2 == 0 ? bits / 2 : bits / 2 + 1);
    }
    uint64_t word = ((uint64_t)1 << bits / 2) - 1;
    for (size_t i = 0; i < n; i++) {
        words[i] = (uint32_t)word;
        uint64_t low = word & -word, up = word + low; /* the next with as many bits */
        word = low == 0 ? 0 : up | ((word ^ up) / low >> 2);
    }
    return bits;
}

/* Sequences whose word has the bit are replaced; do the others change? */
static bool group_reaches(const struct trial *trial, const uint32_t *words, unsigned bit)
{
    const struct causality_subject *s = trial->subject;
    bool found = false;
    restore(trial);
    for (size_t b = 0; b < s->batch; b++)
        if ((words[b] >> bit & 1) != 0)
            replace(trial, b, 0);
    const real *states = look(trial);
    for (size_t b = 0; b < s->batch; b++)
        if ((words[b] >> bit & 1) == 0)
            found |= first_change(trial, states, b, s->t) < s->t;
    return found;
}

static bool reaches_others(const struct trial *trial, uint32_t *words)
{
    unsigned bits = choose_words(trial->subject->batch, words);
    bool found = false;
    for (unsigned bit = 0; bit < bits; bit++)
        found |= group_reaches(trial, words, bit);
    return found;
}

/* Up to B cuts in one pass; sees[cut]: the position before the cut changed. */
static void try_cuts(const struct trial *trial, const size_t *cuts, size_t n, bool *sees,
                     struct causality *ret)
{
    restore(trial);
    for (size_t b = 0; b < n; b++)
        replace(trial, b, cuts[b] + 1);
    const real *states = look(trial);
    for (size_t b = 0; b < n; b++) {
        size_t first = first_change(trial, states, b, cuts[b] + 1);
        sees[b] = row_changed(trial, states, b, cuts[b]);
        if (first > cuts[b])
            continue;
        if (ret->leaks++ == 0) {
            ret->cut = (int64_t)cuts[b];
            ret->position = (int64_t)first;
        }
    }
}

static bool stopped(const struct causality_subject *subject)
{
    return subject->stopped != NULL && subject->stopped(subject->arg);
}

/* Share of positions that a later token reaches: those up to the next cut count like a cut's own.
 */
static double seeing_share(const struct causality_plan *plan, const bool *sees, size_t t)
{
    size_t seeing = 0;
    for (size_t i = 0; i < plan->n; i++)
        seeing += sees[i] ? (i + 1 < plan->n ? plan->cuts[i + 1] : t) - plan->cuts[i] : 0;
    /* The last position has nothing after it but the target. */
    if (plan->n > 0 && sees[plan->n - 1])
        seeing--;
    return (double)seeing / (double)t;
}

static void try_all(const struct trial *trial, const struct causality_plan *plan, bool *sees,
                    struct causality *ret)
{
    size_t batch = trial->subject->batch;
    while (ret->cuts < plan->n && !ret->stopped && !(plan->first_leak && ret->leaks > 0)) {
        size_t n = plan->n - ret->cuts < batch ? plan->n - ret->cuts : batch;
        try_cuts(trial, plan->cuts + ret->cuts, n, sees + ret->cuts, ret);
        ret->cuts += n;
        ret->stopped = stopped(trial->subject);
    }
    ret->leak_next =
        ret->cuts == plan->n ? seeing_share(plan, sees, trial->subject->t) : (double)NAN;
}

int causality_check(const struct causality_subject *subject, const struct causality_plan *plan,
                    const int32_t *windows, struct causality *ret, struct err *err)
{
    size_t batch = subject->batch, reals = batch * subject->t * subject->c;
    struct trial trial = { .subject = subject, .windows = windows, .step = plan->step };
    struct causality found = { .finite = true };
    bool *sees = calloc(plan->n + 1, sizeof *sees);
    uint32_t *words = calloc(batch, sizeof *words);
    trial.changed = calloc(batch * (subject->t + 1), sizeof *trial.changed);
    trial.base = malloc(reals * sizeof *trial.base);
    int status = 0;
    if (sees == NULL || words == NULL || trial.changed == NULL || trial.base == NULL) {
        status = err_no_memory(err, "the states of a batch");
        goto out;
    }
    restore(&trial);
    memcpy(trial.base, look(&trial), reals * sizeof *trial.base);
    for (size_t i = 0; i < reals; i++)
        found.finite &= isfinite(trial.base[i]) != 0;
    found.across = plan->batch && reaches_others(&trial, words);
    try_all(&trial, plan, sees, &found);
    *ret = found;
out:
    free(sees);
    free(words);
    free(trial.changed);
    free(trial.base);
    return status;
}
