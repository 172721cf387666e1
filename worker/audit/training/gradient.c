/* The passes go micro-batch by micro-batch, since the model keeps the choices of one: the point's
 * own pass chooses, those on either side of it hold. What a direction displaces is drawn again for
 * each pass; only the group's weights are others meanwhile. */
#include "worker/audit/training/gradient.h"

#include "common/philox.h"
#include "common/spec/attention.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gradient_groups[GRADIENT_GROUPS] = { "outer", "attention", "experts", "indexer" };

enum { CHUNK = 4096, SIDES = 2, TRIALS = 6 };

/* Roundings of float32 that a target's −ln p, or a query's scores, may be off by, in all. A score is
 * a sum of d_model products. Of scores 17 were seen at most, in small models whose indexer has
 * hardly begun to learn: those lie far from 0 beside what tells them apart. */
static const double nll_units = 64, score_units = 24;
/* What is near 1 whatever the logits are: a sum of exponentials; and a router's probabilities
 * together. Their errors are alike where tokens are: of the first there are V that differ. */
static const double exp_units = 4, share_units = 2;
/* A part shows an error of GRADIENT_SHARE if the loss changes by so many bounds along it. */
static const double amount = 3 / GRADIENT_SHARE;
/* The farthest that a part is displaced: that share of its own norm, or of what its norm would be
 * if all its elements were `least`. */
static const double reach = 0.003, least = 0.01;
/* Of two trials the second has half the displacement, and an error half the difference; with
 * rounding, more than that share. */
static const double halved = 0.3;
/* Where an error can be told, the loss is straight: it changes on both sides of the point alike, to
 * that share of what it changes, or of what the gradient says of each part. A softmax that is as good
 * as decided changes on one side alone, and there at once. */
static const double uneven = 0.5;
/* Of chance alone, in shares of the gradient's root mean square. */
static const double chance = 0.5;

/* A tensor, or of qkv a third. */
struct part {
    const struct tensor *tensor;
    enum gradient_group group;
    size_t offset, count; /* among the parameters */
    struct philox lots;
    double rms;                         /* of its gradient */
    double farthest;                    /* Euclidean */
    double by[GRADIENT_DIRECTIONS];     /* what v is multiplied by, with its sign */
    double wanted[GRADIENT_DIRECTIONS]; /* gradient · displacement from side to side */
};

struct check {
    struct model *model;
    const struct run_spec *spec;
    const int32_t *windows;
    int64_t step;
    struct params *params;
    real *point; /* [count] the parameters */
    real *kl;    /* room for model_part_loss; NULL = no indexer learns */
    struct part *parts;
    size_t parts_n;
    double targets; /* of the batch that are scored */
    double scale;   /* of every displacement of this trial: 1, ½, ¼ … */
    bool settled[GRADIENT_GROUPS][GRADIENT_DIRECTIONS];
    double within[GRADIENT_GROUPS][GRADIENT_DIRECTIONS];   /* the scale by which it passed; or 0 */
    double differed[GRADIENT_GROUPS][GRADIENT_DIRECTIONS]; /* in the trial before */
    double losses[GRADIENT_GROUPS][GRADIENT_DIRECTIONS][SIDES];
    double at_point[GRADIENT_GROUPS];
    bool (*stopped)(void *arg);
    void *arg;
};

static enum gradient_group group_of(const struct tensor *t)
{
    if (t->group == PARAM_INDEXER)
        return GRADIENT_INDEXER;
    if (strstr(t->name, ".attn.") != NULL || strstr(t->name, ".norm1.") != NULL)
        return GRADIENT_ATTENTION;
    return strncmp(t->name, "blocks.", 7) == 0 ? GRADIENT_EXPERTS : GRADIENT_OUTER;
}

/* q, k and v stand in one tensor. */
static size_t thirds_of(const struct tensor *t)
{
    return strstr(t->name, ".attn.qkv.") != NULL ? 3 : 1;
}

static double norm_of(const real *x, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    return sqrt(squares);
}

static struct part part_of(const struct check *c, const struct tensor *t, size_t third)
{
    char name[100];
    size_t count = t->count / thirds_of(t);
    struct part p = {
        .tensor = t, .group = group_of(t), .offset = t->offset + third * count, .count = count
    };
    double root = sqrt((double)count), own = norm_of(c->params->value + p.offset, count);
    p.rms = norm_of(c->params->grad + p.offset, count) / root;
    p.farthest = reach * fmax(own, least * root);
    snprintf(name, sizeof name, "gradient.%s", t->name);
    p.lots = philox_stream(c->spec->seed, "data", name);
    return p;
}

/* ret NULL: only counts. */
static size_t list_parts(const struct check *c, struct part *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < c->params->n; i++) {
        const struct tensor *t = &c->params->tensors[i];
        for (size_t third = 0; third < thirds_of(t) && !t->frozen; third++, n++)
            if (ret != NULL)
                ret[n] = part_of(c, t, third);
    }
    return n;
}

/* v from element `from` on, n ≤ CHUNK: bit 0 of an element's word keeps its gradient, bit 1 is the
 * sign of chance. A part without a gradient goes by chance alone. */
static void draw(const struct check *c, const struct part *p, int d, size_t from, size_t n,
                 double *v)
{
    uint32_t words[CHUNK];
    const real *g = c->params->grad + p->offset + from;
    double by_chance = p->rms > 0 ? chance * p->rms : 1;
    philox_words(&p->lots, (uint64_t)d, p->offset - p->tensor->offset + from, n, words);
    for (size_t i = 0; i < n; i++)
        v[i] = ((words[i] & 1) != 0 ? (double)g[i] : 0) +
               ((words[i] & 2) != 0 ? by_chance : -by_chance);
}

/* Bit 2 of the part's first word. */
static bool downwards(const struct part *p, int d)
{
    return (philox_word(&p->lots, (uint64_t)d, p->offset - p->tensor->offset) & 4) != 0;
}

static size_t chunk_at(const struct part *p, size_t from)
{
    return p->count - from < CHUNK ? p->count - from : CHUNK;
}

/* What a weight is on a side of the point, in the trainer's numbers. */
static real side_of(const struct check *c, const struct part *p, int d, size_t at, double v,
                    int side)
{
    double by = (side == 0 ? -c->scale : c->scale) * p->by[d];
    return (real)((double)c->point[at] + by * v);
}

static void displace(struct check *c, int group, int d, int side)
{
    double v[CHUNK];
    for (size_t i = 0; i < c->parts_n; i++) {
        const struct part *p = &c->parts[i];
        for (size_t from = 0; (int)p->group == group && from < p->count; from += CHUNK) {
            draw(c, p, d, from, chunk_at(p, from), v);
            for (size_t k = 0, at = p->offset + from; k < chunk_at(p, from); k++, at++)
                c->params->value[at] = side_of(c, p, d, at, v[k], side);
        }
    }
}

/* By what the gradient says, between the two sides as they are. */
static void want(const struct check *c, struct part *p, int d)
{
    double v[CHUNK];
    p->wanted[d] = 0;
    for (size_t from = 0; from < p->count; from += CHUNK) {
        draw(c, p, d, from, chunk_at(p, from), v);
        for (size_t k = 0, at = p->offset + from; k < chunk_at(p, from); k++, at++)
            p->wanted[d] += (double)c->params->grad[at] * ((double)side_of(c, p, d, at, v[k], 1) -
                                                           (double)side_of(c, p, d, at, v[k], 0));
    }
}

/* How far a part goes in direction d, so that the loss should change by `nats`. */
static void measure_out(const struct check *c, struct part *p, int d, double nats)
{
    double v[CHUNK], along = 0, squares = 0;
    for (size_t from = 0; from < p->count; from += CHUNK) {
        draw(c, p, d, from, chunk_at(p, from), v);
        for (size_t k = 0; k < chunk_at(p, from); k++) {
            along += (double)c->params->grad[p->offset + from + k] * v[k];
            squares += v[k] * v[k];
        }
    }
    double farthest = p->farthest / sqrt(squares);
    double by = along != 0 ? nats / SIDES / fabs(along) : farthest;
    p->by[d] = (downwards(p, d) ? -1 : 1) * fmin(by, farthest);
    want(c, p, d);
}

static double micro_share(const struct run_spec *spec)
{
    return (double)run_spec_micro_batch(spec) / (double)spec->train.batch_size;
}

/* Each group's bound, from the first micro-batch at the point. Errors of targets, or queries, are
 * taken to be independent; along an error of its scores a query's KL has a slope of about its
 * root. */
static double bound_of(const struct check *c, int group, const struct model_part *point)
{
    double tokens = (double)(c->spec->train.batch_size * c->spec->data.seq_len);
    double spread = sqrt(point->spread / (double)point->targets);
    double unlike = fmin(c->targets, (double)run_spec_vocab(c->spec));
    double nll = fmax(nll_units * spread / sqrt(c->targets), exp_units / sqrt(unlike));
    double balance = c->spec->model.balance_weight *
                     (nll_units * sqrt(micro_share(c->spec) * point->balance_spread) +
                      share_units * point->balance);
    return group == GRADIENT_INDEXER ? score_units * sqrt((double)c->spec->model.d_model) *
                                           0x1p-24 * point->slope / sqrt(tokens)
                                     : 0x1p-24 * hypot(nll, balance);
}

static void plan(struct check *c, const struct model_part *point, struct gradient *ret)
{
    for (int g = 0; g < GRADIENT_GROUPS; g++)
        ret->groups[g].bound = bound_of(c, g, point);
    for (size_t i = 0; i < c->parts_n; i++) {
        struct part *p = &c->parts[i];
        ret->groups[p->group].parts++;
        for (int d = 0; d < GRADIENT_DIRECTIONS; d++)
            measure_out(c, p, d, 1.02 * amount * ret->groups[p->group].bound);
    }
    for (int g = 0; g < GRADIENT_GROUPS; g++)
        for (int d = 0; d < GRADIENT_DIRECTIONS; d++)
            c->settled[g][d] = ret->groups[g].parts == 0;
}

/* What a micro-batch adds to the loss that a group is held against. */
static double loss_of(const struct check *c, int g, const struct model_part *p)
{
    const double share = micro_share(c->spec);
    return g == GRADIENT_INDEXER
               ? share * p->kl
               : p->nll / c->targets + c->spec->model.balance_weight * share * p->balance;
}

/* Both sides of a direction, over one micro-batch whose choices the pass before made. */
static void try_direction(struct check *c, int64_t first, int g, int d)
{
    for (int side = 0; side < SIDES; side++) {
        struct model_part p;
        displace(c, g, d, side);
        model_part_loss(c->model, c->windows, first, c->step, true,
                        g == GRADIENT_INDEXER ? c->kl : NULL, &p);
        c->losses[g][d][side] += loss_of(c, g, &p);
    }
    memcpy(c->params->value, c->point, c->params->count * sizeof *c->point);
}

/* All directions that aren't settled, over the whole batch. planned: NULL = the bounds stand. */
static bool try_all(struct check *c, struct gradient *planned)
{
    bool ended = false;
    memset(c->losses, 0, sizeof c->losses);
    memset(c->at_point, 0, sizeof c->at_point);
    for (int64_t first = 0; first < c->spec->train.batch_size && !ended;
         first += run_spec_micro_batch(c->spec)) {
        struct model_part point;
        model_part_loss(c->model, c->windows, first, c->step, false, c->kl, &point);
        if (first == 0 && planned != NULL)
            plan(c, &point, planned);
        for (int g = 0; g < GRADIENT_GROUPS; g++)
            c->at_point[g] += loss_of(c, g, &point);
        for (int i = 0; i < GRADIENT_GROUPS * GRADIENT_DIRECTIONS && !ended; i++) {
            int g = i / GRADIENT_DIRECTIONS, d = i % GRADIENT_DIRECTIONS;
            if (!c->settled[g][d])
                try_direction(c, first, g, d);
            ended = c->stopped != NULL && c->stopped(c->arg);
        }
    }
    return !ended;
}

/* Settles a direction within its bound, and one that is beyond it again, by half as much as before:
 * an error is halved with the displacement, what is curved or has a kink falls to a quarter or an
 * eighth. */
static void judge_direction(struct check *c, int g, int d, struct gradient *ret)
{
    struct gradient_found *f = &ret->groups[g];
    double wanted = 0, parts = 0, got = c->losses[g][d][1] - c->losses[g][d][0];
    for (size_t i = 0; i < c->parts_n; i++)
        if ((int)c->parts[i].group == g) {
            wanted += c->parts[i].wanted[d];
            parts += fabs(c->parts[i].wanted[d]);
        }
    double differs = fabs(got - wanted), before = c->differed[g][d];
    double bent = fabs(c->losses[g][d][0] + c->losses[g][d][1] - 2 * c->at_point[g]);
    bool wrong = c->scale < 1 && differs > f->bound && differs > halved * before &&
                 bent < uneven * fmax(fabs(got), parts);
    ret->finite &= isfinite(wanted) && isfinite(got);
    c->differed[g][d] = differs;
    c->settled[g][d] = wrong || !(differs > f->bound);
    c->within[g][d] = c->settled[g][d] && !wrong ? c->scale : 0;
    ret->wrong += wrong;
    if (c->settled[g][d] && (differs > f->worst || f->worst == 0)) {
        f->worst = differs;
        f->wanted = wanted;
        f->got = got;
    }
}

/* Trials of ever smaller displacements, until every direction is settled or too many were made. */
static void settle(struct check *c, struct gradient *ret)
{
    c->scale = 1;
    for (int trial = 0; trial < TRIALS && ret->finite && !ret->stopped; trial++, c->scale /= 2) {
        bool open = trial == 0;
        for (int g = 0; g < GRADIENT_GROUPS; g++)
            for (int d = 0; d < GRADIENT_DIRECTIONS; d++)
                open |= !c->settled[g][d];
        if (!open)
            return;
        for (size_t i = 0; trial > 0 && i < c->parts_n; i++)
            for (int d = 0; d < GRADIENT_DIRECTIONS; d++)
                if (!c->settled[c->parts[i].group][d])
                    want(c, &c->parts[i], d);
        ret->stopped = !try_all(c, trial == 0 ? ret : NULL);
        for (int i = 0; i < GRADIENT_GROUPS * GRADIENT_DIRECTIONS && !ret->stopped; i++)
            if (!c->settled[i / GRADIENT_DIRECTIONS][i % GRADIENT_DIRECTIONS])
                judge_direction(c, i / GRADIENT_DIRECTIONS, i % GRADIENT_DIRECTIONS, ret);
    }
}

/* What would have shown in each part. */
static void look_for_blind(const struct check *c, struct gradient *ret)
{
    for (size_t i = 0; i < c->parts_n; i++) {
        const struct part *p = &c->parts[i];
        struct gradient_found *f = &ret->groups[p->group];
        double most = 0;
        for (int d = 0; d < GRADIENT_DIRECTIONS; d++)
            most = c->within[p->group][d] > 0 ? fmax(most, fabs(p->wanted[d])) : most;
        double share = amount * GRADIENT_SHARE * f->bound / most;
        if (share <= GRADIENT_SHARE)
            f->share = fmax(f->share, share);
        else
            f->blind++;
    }
}

static int prepare(struct check *c, struct err *err)
{
    size_t parts_n = list_parts(c, NULL);
    assert(parts_n > 0);
    c->point = malloc(c->params->count * sizeof *c->point);
    c->parts = calloc(parts_n, sizeof *c->parts);
    c->kl = model_kl_reals(c->model) > 0 ? malloc(model_kl_reals(c->model) * sizeof *c->kl) : NULL;
    if (c->point == NULL || c->parts == NULL || (c->kl == NULL && model_kl_reals(c->model) > 0))
        return err_no_memory(err, "a copy of the parameters");
    memcpy(c->point, c->params->value, c->params->count * sizeof *c->point);
    c->parts_n = list_parts(c, c->parts);
    size_t width = (size_t)c->spec->data.seq_len + 1;
    for (size_t i = 0; i < (size_t)c->spec->train.batch_size * width; i++)
        c->targets += i % width != 0 && c->windows[i] >= 0;
    return 0;
}

int gradient_measure(struct model *model, const struct run_spec *spec, const int32_t *windows,
                     int64_t step, bool (*stopped)(void *arg), void *arg, struct gradient *ret,
                     struct err *err)
{
    struct check c = { .model = model,
                       .spec = spec,
                       .windows = windows,
                       .step = step,
                       .params = model_params(model),
                       .stopped = stopped,
                       .arg = arg };
    struct gradient found = { .finite = true };
    int status = prepare(&c, err);
    if (status == 0)
        settle(&c, &found);
    if (status == 0 && !found.stopped)
        look_for_blind(&c, &found);
    if (status == 0)
        *ret = found;
    free(c.point);
    free(c.parts);
    free(c.kl);
    return status;
}
