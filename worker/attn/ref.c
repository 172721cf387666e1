/* The formulas as they stand in a textbook, in double and in plain loops: slow on purpose, so that
 * no kernel's trick can be in it. */
#include "worker/attn/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct row {
    double *p, *w, *dw; /* [T] probabilities, what the values are weighed with, its gradient */
    uint8_t *keep;      /* [T] */
    size_t *at;         /* [T] the visible keys; p, w and dw are theirs */
};

static double dot(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void softmax(double *x, size_t n)
{
    double most = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        most = fmax(most, x[i]);
    for (size_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - most);
    for (size_t i = 0; i < n; i++)
        x[i] /= sum;
}

/* The keys that the query at t sees; returns how many. */
static size_t visible(const struct attn_ref *r, size_t t, size_t *at)
{
    size_t n = 0;
    for (size_t s = 0; s < r->t; s++)
        if (r->sees != NULL ? r->sees[t * r->t + s] != 0 : s <= t)
            at[n++] = s;
    return n;
}

/* Query t of head h: its output, and what it adds to the gradients. */
static void query(const struct attn_ref *r, const struct row *row, size_t h, size_t t, double *y,
                  double *dqkv)
{
    size_t d = r->c / r->h, ld = 3 * r->c, n = visible(r, t, row->at);
    const real *q = r->qkv + t * ld + h * d, *k = r->qkv + r->c + h * d, *v = k + r->c;
    const real *dy = r->dy + t * r->c + h * d;
    double scale = 1 / sqrt((double)d), along = 0;
    double *dq = dqkv + t * ld + h * d, *dk = dqkv + r->c + h * d, *dv = dk + r->c;
    drop_mask(r->drop, (h * r->t + t) * r->t, r->t, row->keep);
    for (size_t i = 0; i < n; i++)
        row->p[i] = scale * dot(q, k + row->at[i] * ld, d);
    softmax(row->p, n);
    for (size_t i = 0; i < n; i++) {
        double factor = row->keep[row->at[i]] ? (double)r->drop->scale : 0;
        row->w[i] = row->p[i] * factor;
        row->dw[i] = dot(dy, v + row->at[i] * ld, d) * factor; /* of the probability */
        along += row->p[i] * row->dw[i];
    }
    for (size_t j = 0; j < n; j++) {
        size_t s = row->at[j];
        double ds = row->p[j] * (row->dw[j] - along) * scale;
        for (size_t i = 0; i < d; i++) {
            y[t * r->c + h * d + i] += row->w[j] * (double)v[s * ld + i];
            dq[i] += ds * (double)k[s * ld + i];
            dk[s * ld + i] += ds * (double)q[i];
            dv[s * ld + i] += row->w[j] * (double)dy[i];
        }
    }
}

/* The gradients of q and k turn back with the pairs (2i, 2i + 1). */
static void turn_back(const struct attn_ref *r, double *dqkv)
{
    size_t half = r->c / r->h / 2;
    for (size_t t = 0; t < r->t; t++)
        for (size_t i = 0; i < r->c; i++) { /* the pairs of q, then of k */
            double *x = dqkv + t * 3 * r->c + 2 * i, even = x[0], odd = x[1];
            double c = (double)r->rope_cos[t * half + i % half];
            double s = (double)r->rope_sin[t * half + i % half];
            x[0] = even * c + odd * s;
            x[1] = odd * c - even * s;
        }
}

int attn_ref_run(const struct attn_ref *ref, double *y, double *dqkv, struct err *err)
{
    double *scratch = calloc(3 * ref->t, sizeof *scratch);
    uint8_t *keep = calloc(ref->t, sizeof *keep);
    size_t *at = calloc(ref->t, sizeof *at);
    int status = 0;
    if (scratch == NULL || keep == NULL || at == NULL) {
        status = err_no_memory(err, "a row of probabilities");
    } else {
        const struct row row = { scratch, scratch + ref->t, scratch + 2 * ref->t, keep, at };
        memset(y, 0, ref->t * ref->c * sizeof *y);
        memset(dqkv, 0, ref->t * 3 * ref->c * sizeof *dqkv);
        for (size_t h = 0; h < ref->h; h++)
            for (size_t t = 0; t < ref->t; t++)
                query(ref, &row, h, t, y, dqkv);
        turn_back(ref, dqkv);
    }
    free(scratch);
    free(keep);
    free(at);
    return status;
}
