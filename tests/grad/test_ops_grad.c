/* Each operation's way back against central differences, in double precision: for y = f(x) and
 * fixed weights u, the gradient of Σ u·y that the backward pass gives, element by element. */
#include "common/philox.h"
#include "worker/attn/softmax.h"
#include "worker/base/arena.h"
#include "worker/ops/act.h"
#include "worker/ops/gemm.h"
#include "worker/ops/layernorm.h"
#include "worker/ops/loss.h"
#include "worker/ops/norm.h"
#include "worker/ops/rope.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double delta = 1e-5, tolerance = 1e-8;

static struct pool *pool;

static int set_up(void **state)
{
    (void)state;
    struct err err;
    return gemm_init(2, &err) != 0 ? -1 : pool_new(2, &pool, &err);
}

static int tear_down(void **state)
{
    (void)state;
    pool_free(pool);
    return 0;
}

static void fill(double *x, size_t n, const char *name)
{
    const struct philox stream = philox_stream(9, "data", name);
    for (size_t i = 0; i < n; i++)
        x[i] = philox_normal(&stream, 0, i);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* value(arg) as a function of x[n], whose gradient is claimed to be grad[n]. */
static void check(const char *what, double (*value)(void *arg), void *arg, double *x, size_t n,
                  const double *grad)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(grad[i]));
    assert_true(most > 0);
    for (size_t i = 0; i < n; i++) {
        double was = x[i];
        x[i] = was + delta;
        double up = value(arg);
        x[i] = was - delta;
        double down = value(arg), numeric = (up - down) / (2 * delta);
        x[i] = was;
        if (!(fabs(numeric - grad[i]) <= tolerance * fmax(1, most)))
            fail_msg("%s[%zu]: %.12g, but the difference quotient is %.12g", what, i, grad[i],
                     numeric);
    }
}

enum { N = 5, C = 21 }; /* more than the lanes of a vectorised sum, and no multiple of them */

struct rows {
    double x[N * C], w[C], b[C], u[N * C], y[N * C], hat[N * C], rstd[N];
};

static double norm_value(void *arg)
{
    struct rows *r = arg;
    norm_forward(pool, N, C, r->x, r->w, r->y, r->rstd);
    return dot(r->u, r->y, N * C);
}

static void test_norm(void **state)
{
    (void)state;
    struct rows r;
    double dx[N * C] = { 0 }, dw[C] = { 0 }, parts[C];
    fill(r.x, N * C, "x");
    fill(r.w, C, "w");
    fill(r.u, N * C, "u");
    norm_value(&r);
    norm_backward(pool, N, C, r.x, r.w, r.rstd, r.u, dx, dw, parts);
    check("x", norm_value, &r, r.x, N * C, dx);
    check("w", norm_value, &r, r.w, C, dw);
}

static double layernorm_value(void *arg)
{
    struct rows *r = arg;
    for (size_t i = 0; i < N; i++)
        r->rstd[i] = layernorm_forward(r->x + i * C, C, r->w, r->b, r->y + i * C, r->hat + i * C);
    return dot(r->u, r->y, N * C);
}

static void test_layernorm(void **state)
{
    (void)state;
    struct rows r;
    double dx[N * C], dw[C] = { 0 }, db[C] = { 0 };
    fill(r.x, N * C, "x");
    fill(r.w, C, "w");
    fill(r.b, C, "b");
    fill(r.u, N * C, "u");
    layernorm_value(&r);
    memcpy(dx, r.u, sizeof dx);
    for (size_t i = 0; i < N; i++)
        layernorm_backward(dx + i * C, C, r.w, r.hat + i * C, r.rstd[i], dw, db);
    check("x", layernorm_value, &r, r.x, N * C, dx);
    check("w", layernorm_value, &r, r.w, C, dw);
    check("b", layernorm_value, &r, r.b, C, db);
}

struct activation {
    double h[C], u[C], y[C];
    uint8_t keep[C];
};

static double silu_value(void *arg)
{
    struct activation *a = arg;
    act_silu_drop(a->h, a->keep, 1.25, C, a->y);
    return dot(a->u, a->y, C);
}

static void test_silu(void **state)
{
    (void)state;
    struct activation a;
    double d[C];
    fill(a.h, C, "h");
    fill(a.u, C, "u");
    for (size_t i = 0; i < C; i++)
        a.keep[i] = i % 4 != 1;
    memcpy(d, a.u, sizeof d);
    act_silu_drop_backward(a.h, a.keep, 1.25, C, d);
    check("h", silu_value, &a, a.h, C, d);
}

/* dot(r, swiglu) by h and by its gate. */
struct gating {
    double h[C], u[C], r[C], y[C];
    uint8_t keep[C];
};

static double swiglu_value(void *arg)
{
    struct gating *g = arg;
    act_swiglu_drop(g->h, g->u, g->keep, 1.25, C, g->y);
    return dot(g->r, g->y, C);
}

static void test_swiglu(void **state)
{
    (void)state;
    struct gating g;
    double d[C], du[C];
    fill(g.h, C, "h");
    fill(g.u, C, "u");
    fill(g.r, C, "r");
    for (size_t i = 0; i < C; i++)
        g.keep[i] = i % 4 != 1;
    memcpy(d, g.r, sizeof d);
    act_swiglu_drop_backward(g.h, g.u, g.keep, 1.25, C, d, du);
    check("h", swiglu_value, &g, g.h, C, d);
    check("u", swiglu_value, &g, g.u, C, du);
}

/* A row of attention: scale, mask, softmax, dropout. */
struct attending {
    double s[C], u[C];
    const uint8_t *mask, *keep;
    size_t visible;
    double p[C], dropped[C];
};
static const double by = 0.3, keep_scale = 1.6;

static double attending_value(void *arg)
{
    struct attending *a = arg;
    for (size_t i = 0; i < C; i++)
        a->p[i] = a->s[i] * by;
    softmax_forward(a->p, C, a->visible, a->mask);
    if (a->keep == NULL)
        return dot(a->u, a->p, C);
    softmax_drop(a->p, C, a->keep, keep_scale, a->dropped);
    return dot(a->u, a->dropped, C);
}

static void check_softmax(const uint8_t *mask, const uint8_t *keep, size_t visible)
{
    struct attending a = { .mask = mask, .keep = keep, .visible = visible };
    double d[C], again[C], scale = keep != NULL ? keep_scale : 1, total = 0;
    fill(a.s, C, "s");
    fill(a.u, C, "u");
    attending_value(&a);
    for (size_t i = 0; i < C; i++) {
        total += fabs(a.p[i]);
        assert_true((a.p[i] != 0) == (mask != NULL ? mask[i] == 1 : i < visible));
    }
    assert_true(fabs(total - 1) < 1e-12);
    softmax_dropped(a.p, C, scale, again);
    if (keep != NULL)
        assert_memory_equal(again, a.dropped, sizeof again);
    memcpy(d, a.u, sizeof d);
    softmax_backward(a.p, d, C, scale, by);
    check("s", attending_value, &a, a.s, C, d);
}

static void test_softmax(void **state)
{
    (void)state;
    uint8_t mask[C], keep[C];
    for (size_t i = 0; i < C; i++) {
        mask[i] = i % 3 != 0;
        keep[i] = i % 5 != 2;
    }
    check_softmax(NULL, NULL, C);
    check_softmax(NULL, NULL, 7);
    check_softmax(NULL, keep, 18);
    check_softmax(mask, NULL, C);
    check_softmax(mask, keep, C);
}

struct turning {
    double x[C - 1], u[C - 1], cosines[3 * C], sines[3 * C];
    void (*turn)(double *, size_t, const double *, const double *, int);
};

static double turning_value(void *arg)
{
    struct turning *r = arg;
    double y[C - 1];
    memcpy(y, r->x, sizeof y);
    r->turn(y, C - 1, r->cosines + 2 * (C - 1) / 2, r->sines + 2 * (C - 1) / 2, 0);
    return dot(r->u, y, C - 1);
}

static void test_rope(void **state)
{
    (void)state;
    struct turning r;
    fill(r.x, C - 1, "x");
    fill(r.u, C - 1, "u");
    rope_tables(3, C - 1, r.cosines, r.sines);
    for (int halves = 0; halves < 2; halves++) {
        double d[C - 1];
        r.turn = halves ? rope_turn_halves : rope_turn;
        memcpy(d, r.u, sizeof d);
        r.turn(d, C - 1, r.cosines + 2 * (C - 1) / 2, r.sines + 2 * (C - 1) / 2, 1);
        check("x", turning_value, &r, r.x, C - 1, d);
    }
}

enum { V = 19 };
struct output {
    struct loss loss;
    double x[N * C], w[V * C];
    int32_t targets[N];
};

static double output_value(void *arg)
{
    struct output *o = arg;
    struct loss_result result;
    loss_forward(&o->loss, pool, N, o->x, o->w, o->targets, &result);
    return result.nll / N;
}

static void test_loss(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    struct err err;
    struct output o;
    struct loss_result result;
    double dx[N * C], dw[V * C] = { 0 };
    loss_layout(&o.loss, &arena, N, C, V);
    assert_int_equal(arena_build(&arena, &err), 0);
    loss_layout(&o.loss, &arena, N, C, V);
    fill(o.x, N * C, "x");
    fill(o.w, V * C, "w");
    for (int i = 0; i < N; i++)
        o.targets[i] = i * 4 % V;
    loss_step(&o.loss, pool, N, o.x, o.w, o.targets, dx, dw, &result);
    check("x", output_value, &o, o.x, N * C, dx);
    check("w", output_value, &o, o.w, V * C, dw);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm),    cmocka_unit_test(test_layernorm),
        cmocka_unit_test(test_silu),    cmocka_unit_test(test_swiglu),
        cmocka_unit_test(test_softmax), cmocka_unit_test(test_rope),
        cmocka_unit_test(test_loss),
    };
    return cmocka_run_group_tests_name("gradients of the operations", tests, set_up, tear_down);
}
