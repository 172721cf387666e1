/* Whether there is anything to compare: two arms that predict no better than the frequencies of
 * single tokens differ in how they begin, not in what they learn.
 *
 * A run that makes audits tells what those frequencies score on the validation that it is measured
 * by (worker/audit/guess.h); beside them stands the mean of the finite last val/loss of the cell's
 * runs that succeeded, in the configuration that the arm has chosen. One arm that hasn't learnt may
 * be what the experiment finds out, and so may be two that lag behind pairs of tokens: that warns.
 * A comparison falls when neither of its arms has learnt. One of times doesn't: what a step takes
 * is the same whether or not it teaches anything.
 */
#include "common/json/jsonx.h"
#include "common/spec/metrics.h"
#include "common/spec/point.h"
#include "common/sweep/tuning.h"
#include "server/verdict/fairness/fairness_plan.h"

#include <math.h>
#include <stdlib.h>

/* What the runs of an arm came to at a place. */
struct reached {
    size_t finite, diverged;
    double loss;            /* the mean of the finite ones; infinite: every run diverged */
    double unigram, bigram; /* NaN = not told */
};

/* Of one comparison at one place, from best to worst. */
enum outcome { UNTOLD, BETTER, ABOVE_BIGRAM, ABOVE_UNIGRAM, UNLEARNT, OUTCOMES };

struct comparison {
    size_t arm, place;
    enum outcome outcome;
    struct reached own, baseline;
};

struct learning {
    const struct plan *plan;
    size_t n[OUTCOMES];
    struct comparison worst; /* of the worst outcome the farthest from its bar */
    bool *unlearnt;          /* [places] of the arm that is looked at */
    json_t *cells, *pairs;
};

static void add_run(struct reached *r, const struct digests_row *run)
{
    if (isnan(r->unigram)) {
        r->unigram = run->unigram;
        r->bigram = run->bigram;
    }
    if (run->state != RUN_SUCCEEDED || !run->evaluated)
        return;
    if (!isfinite(run->loss)) {
        r->diverged++;
        return;
    }
    r->loss = (r->finite == 0 ? 0 : r->loss) + run->loss;
    r->finite++;
}

static struct reached reach(const struct plan *p, size_t place, size_t arm)
{
    struct reached r = { .loss = INFINITY, .unigram = NAN, .bigram = NAN };
    size_t point = p->chosen[place * p->layout.arms_n + arm];
    for (size_t seed = 0; seed < p->layout.seeds_n && point != SIZE_MAX; seed++) {
        const struct digests_row *run = plan_run(p, seed, point, arm);
        if (run != NULL)
            add_run(&r, run);
    }
    r.loss /= r.finite > 0 ? (double)r.finite : 1;
    return r;
}

static bool is_known(const struct reached *r)
{
    return !isnan(r->unigram) && r->finite + r->diverged > 0;
}

static enum outcome outcome_of(const struct reached *a, const struct reached *b)
{
    if (!is_known(a) || !is_known(b))
        return UNTOLD;
    if (!(a->loss < a->unigram) || !(b->loss < b->unigram))
        return a->loss < a->unigram || b->loss < b->unigram ? ABOVE_UNIGRAM : UNLEARNT;
    return a->loss > a->bigram || b->loss > b->bigram ? ABOVE_BIGRAM : BETTER; /* NaN: neither */
}

/* What the outcome is decided by. */
static double bar_of(const struct reached *r, enum outcome outcome)
{
    return outcome >= ABOVE_UNIGRAM || isnan(r->bigram) ? r->unigram : r->bigram;
}

static double excess(const struct reached *r, enum outcome outcome)
{
    return r->loss - bar_of(r, outcome);
}

static bool is_worse(const struct comparison *c, const struct comparison *than)
{
    if (c->outcome != than->outcome || c->outcome == UNTOLD)
        return c->outcome > than->outcome;
    return fmax(excess(&c->own, c->outcome), excess(&c->baseline, c->outcome)) >
           fmax(excess(&than->own, c->outcome), excess(&than->baseline, c->outcome));
}

static json_t *nats(double value)
{
    return isfinite(value) ? jsonx_number(value) : json_null();
}

static void list_cell(struct learning *l, size_t place, size_t arm, const struct reached *r)
{
    if (!is_known(r) || json_array_size(l->cells) >= FAIRNESS_ROWS)
        return;
    json_array_append_new(l->cells, json_pack("{s:s, s:o, s:o, s:I, s:I, s:o, s:o}", "arm",
                                              l->plan->layout.arms[arm], "grid",
                                              plan_place(l->plan, place), "loss", nats(r->loss),
                                              "runs", (json_int_t)(r->finite + r->diverged),
                                              "diverged", (json_int_t)r->diverged, "unigram",
                                              nats(r->unigram), "bigram", nats(r->bigram)));
}

/* The pair of an arm and the baseline, and where it hasn't learnt, unless that is everywhere. */
static void list_pair(struct learning *l, size_t arm)
{
    const struct plan *p = l->plan;
    json_t *places = json_array();
    for (size_t place = 0; place < p->layout.places_n; place++)
        if (l->unlearnt[place])
            json_array_append_new(places, plan_place(p, place));
    if (json_array_size(places) > 0) {
        json_t *row =
            json_pack("{s:[s, s]}", "arms", p->layout.arms[p->baseline], p->layout.arms[arm]);
        if (json_array_size(places) < p->layout.places_n)
            json_object_set(row, "places", places);
        json_array_append_new(l->pairs, row);
    }
    json_decref(places);
}

static void compare(struct learning *l, size_t arm)
{
    const struct plan *p = l->plan;
    for (size_t place = 0; place < p->layout.places_n; place++) {
        struct comparison c = { .arm = arm,
                                .place = place,
                                .own = reach(p, place, arm),
                                .baseline = reach(p, place, p->baseline) };
        c.outcome = outcome_of(&c.own, &c.baseline);
        l->n[c.outcome]++;
        l->unlearnt[place] = c.outcome == UNLEARNT;
        if (is_worse(&c, &l->worst))
            l->worst = c;
        list_cell(l, place, arm, &c.own);
    }
    list_pair(l, arm);
}

static void say_loss(const struct reached *r, struct buf *to)
{
    if (isfinite(r->loss))
        buf_addf(to, "%.4g", r->loss);
    else
        buf_adds(to, "diverged");
}

static void say_place(const struct learning *l, struct buf *to)
{
    json_t *grid = plan_place(l->plan, l->worst.place);
    point_say_symbols(grid, " at ", to);
    json_decref(grid);
}

static void say_more(const struct learning *l, struct buf *to)
{
    size_t judged = 0;
    for (int i = BETTER; i < OUTCOMES; i++)
        judged += l->n[i];
    if (judged > 1 && l->worst.outcome != BETTER)
        buf_addf(to, "; so in %zu of %zu comparisons", l->n[l->worst.outcome], judged);
}

/* What is scored without a model, and without pairs. */
static const char *guessing(const struct learning *l)
{
    return isnan(l->worst.own.bigram) ? "guessing among the possible answers"
                                      : "guessing by how often each token occurs (unigram)";
}

/* Up to the colon it is what a verdict quotes. */
static void say_unlearnt(const struct learning *l, struct buf *to)
{
    const struct layout *layout = &l->plan->layout;
    buf_addf(to, "neither %s nor %s has learnt anything", layout->arms[l->worst.arm],
             layout->arms[l->plan->baseline]);
    say_place(l, to);
    buf_adds(to, ": their val/loss (");
    say_loss(&l->worst.own, to);
    buf_adds(to, ", ");
    say_loss(&l->worst.baseline, to);
    buf_addf(to, ") isn't below the %.4g of %s", l->worst.own.unigram, guessing(l));
}

/* The arm that is farther above its bar, or less below. Returns that bar. */
static double say_arm(const struct learning *l, struct buf *to)
{
    const struct comparison *w = &l->worst;
    bool own = excess(&w->own, w->outcome) >= excess(&w->baseline, w->outcome);
    const struct reached *r = own ? &w->own : &w->baseline;
    buf_addf(to, "%s (", l->plan->layout.arms[own ? w->arm : l->plan->baseline]);
    say_loss(r, to);
    buf_addc(to, ')');
    say_place(l, to);
    return bar_of(r, w->outcome);
}

static void say_better(const struct learning *l, struct buf *to)
{
    bool pairs = !isnan(l->worst.own.bigram);
    buf_addf(to, "every arm predicts validation better than %s; the nearest to that is ",
             pairs ? "pairs of tokens do (bigram)" : guessing(l));
    double bar = say_arm(l, to);
    buf_addf(to, ", below a val/loss of %.4g", bar);
}

static enum audit_status say(const struct learning *l, struct buf *to)
{
    static const enum audit_status statuses[OUTCOMES] = {
        [UNTOLD] = AUDIT_SKIPPED,     [BETTER] = AUDIT_PASS,   [ABOVE_BIGRAM] = AUDIT_WARN,
        [ABOVE_UNIGRAM] = AUDIT_WARN, [UNLEARNT] = AUDIT_FAIL,
    };
    double bar;
    switch (l->worst.outcome) {
    case UNLEARNT:
        say_unlearnt(l, to);
        break;
    case ABOVE_UNIGRAM:
        bar = say_arm(l, to);
        buf_addf(to,
                 " predicts no better than %s, a val/loss of %.4g; the arm that it is compared "
                 "with does",
                 guessing(l), bar);
        break;
    case ABOVE_BIGRAM:
        bar = say_arm(l, to);
        buf_addf(to, " predicts worse than pairs of tokens do, a val/loss of %.4g (bigram)", bar);
        break;
    case BETTER:
        say_better(l, to);
        break;
    default:
        buf_adds(to, "of no comparison both arms have told what is scored without a model, and "
                     "were measured at the end");
    }
    say_more(l, to);
    return statuses[l->worst.outcome];
}

/* Why there is nothing to find out; NULL: there is. */
static const char *moot(const struct plan *p)
{
    const struct audit_info *info = audit_table[AUDIT_LEARNED];
    struct tuning_metrics metrics;
    bool known = false;
    tuning_metrics(p->in->spec, &metrics);
    if (p->layout.arms_n < 2)
        return "there is one arm: nothing to compare";
    if (metric_is_clock(metrics.compared))
        return "times are compared, which don't depend on what is learnt";
    for (size_t i = 0; i < p->layout.points_n * p->layout.arms_n; i++) {
        if (p->cells[i].known && audit_concerns(info, &p->cells[i].spec))
            return NULL;
        known |= p->cells[i].known;
    }
    return known ? info->moot : NULL;
}

int fairness_learned(struct plan *p, struct err *err)
{
    struct buf text;
    if (moot(p) != NULL) {
        plan_skip(p, AUDIT_LEARNED, moot(p));
        return 0;
    }
    struct learning l = { .plan = p,
                          .unlearnt = calloc(p->layout.places_n, sizeof *l.unlearnt),
                          .cells = json_array(),
                          .pairs = json_array() };
    if (l.unlearnt == NULL) {
        json_decref(l.cells);
        json_decref(l.pairs);
        return err_no_memory(err, "a comparison of %zu arms", p->layout.arms_n);
    }
    for (size_t place = 0; place < p->layout.places_n; place++) {
        struct reached r = reach(p, place, p->baseline);
        list_cell(&l, place, p->baseline, &r);
    }
    for (size_t arm = 0; arm < p->layout.arms_n; arm++)
        if (arm != p->baseline)
            compare(&l, arm);
    buf_init(&text, 0);
    enum audit_status status = say(&l, &text);
    plan_add(p, AUDIT_LEARNED, status, NULL, NULL, &text,
             json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "better", (json_int_t)l.n[BETTER],
                       "above_bigram", (json_int_t)l.n[ABOVE_BIGRAM], "above_unigram",
                       (json_int_t)l.n[ABOVE_UNIGRAM], "unlearnt", (json_int_t)l.n[UNLEARNT],
                       "untold", (json_int_t)l.n[UNTOLD], "cells", l.cells, "pairs", l.pairs));
    free(l.unlearnt);
    return 0;
}
