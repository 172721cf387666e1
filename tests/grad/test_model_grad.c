/* Every gradient of the whole model against central differences, in double precision.
 *
 * Dropout masks and router noise are keyed by the step, so that two passes at the same step differ
 * by the perturbed weight alone. Selection and routing are discontinuous: the step is small enough
 * not to change them, and a difference that did would show as a gross error.
 */
#include "common/json/jsonx.h"
#include "common/spec/spec.h"
#include "common/spec/spec_json.h"
#include "worker/model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHECKED = 7 }; /* elements of each tensor */
static const double delta = 2e-6, tolerance = 2e-6;

struct fixture {
    struct run_spec spec;
    struct model *model;
    int32_t *windows;
};

struct sizes {
    int t, c, f; /* T, C, F */
};

static void set_up(struct fixture *f, struct sizes sizes, const char *attention, const char *model,
                   const char *train)
{
    char text[1200];
    struct err err = { 0 };
    snprintf(text, sizeof text,
             "{\"data\":{\"dataset\":\"x\",\"seq_len\":%d},\"model\":{\"layers\":2,\"heads\":2,"
             "\"d_model\":%d,\"d_ff\":%d,\"init\":\"torch\",\"attention\":{%s}%s},"
             "\"train\":{\"batch_size\":2,\"steps\":9%s},\"seed\":7}",
             sizes.t, sizes.c, sizes.f, attention, model, train);
    json_t *json = NULL;
    if (jsonx_load(text, strlen(text), &json, &err) != 0 ||
        run_spec_decode(json, "", &f->spec, &err) != 0)
        fail_msg("%s: %s", err.pointer, err.message);
    json_decref(json);
    assert_int_equal(model_new(&f->spec, 2, &f->model, &err), 0);
    size_t n = (size_t)(f->spec.train.batch_size * (f->spec.data.seq_len + 1));
    f->windows = calloc(n, sizeof *f->windows);
    for (size_t i = 0; i < n; i++)
        f->windows[i] = (int32_t)((i * 37 + i * i) % 23);
}

static void tear_down(struct fixture *f)
{
    model_free(f->model);
    free(f->windows);
}

/* What the gradient of a tensor is the gradient of: the indexer learns from its KL alone,
 * everything else from the task's loss alone. */
static double objective(struct fixture *f, enum param_group group, int64_t step)
{
    struct model_stats stats;
    model_step(f->model, f->windows, step, &stats);
    if (group == PARAM_INDEXER)
        return f->spec.model.attention.kl_weight * stats.kl;
    return stats.loss + f->spec.model.balance_weight * stats.balance;
}

static void check_sized(struct sizes sizes, const char *attention, const char *model,
                        const char *train, int64_t step)
{
    struct fixture f;
    set_up(&f, sizes, attention, model, train);
    struct params *p = model_params(f.model);
    struct model_stats stats;
    model_step(f.model, f.windows, step, &stats);
    real *grad = malloc(p->count * sizeof *grad);
    memcpy(grad, p->grad, p->count * sizeof *grad);
    for (size_t i = 0; i < p->n; i++) {
        const struct tensor *t = &p->tensors[i];
        double most = 0;
        for (size_t k = 0; k < t->count; k++)
            most = fmax(most, fabs((double)grad[t->offset + k]));
        if (t->frozen) {
            assert_true(most == 0);
            continue;
        }
        if (most == 0)
            fail_msg("%s has no gradient at all", t->name);
        for (size_t j = 0; j < CHECKED; j++) {
            /* the first checks take the greatest gradient, the others lie anywhere */
            size_t k = (j * 7919 + 13 * i) % t->count;
            for (size_t q = 0; j == 0 && q < t->count; q++)
                if (fabs((double)grad[t->offset + q]) == most)
                    k = q;
            real *value = p->value + t->offset + k, was = *value;
            *value = was + delta;
            double up = objective(&f, t->group, step);
            *value = was - delta;
            double down = objective(&f, t->group, step);
            *value = was;
            double numeric = (up - down) / (2 * delta), analytic = (double)grad[t->offset + k];
            if (!(fabs(numeric - analytic) <= tolerance * (most + 1e-3)))
                fail_msg("%s[%zu]: %.10g, but the difference quotient is %.10g (most %.3g)",
                         t->name, k, analytic, numeric, most);
        }
    }
    free(grad);
    tear_down(&f);
}

static void check_at(const char *attention, const char *model, const char *train, int64_t step)
{
    check_sized((struct sizes){ 10, 16, 12 }, attention, model, train, step);
}

static void test_dense(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", "", "", 3);
}

static void test_dense_plain(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"dropout\":0,\"router_noise\":0,\"balance_weight\":0.5", "",
             1);
}

static void test_one_expert(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"experts\":1,\"experts_per_token\":1", "", 2);
}

static void test_every_expert(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"experts\":3,\"experts_per_token\":3", "", 2);
}

static void test_swiglu(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"activation\":\"swiglu\"", "", 2);
    check_sized((struct sizes){ 10, 144, 300 }, "\"kind\":\"dense\"",
                ",\"activation\":\"swiglu\",\"experts\":1,\"experts_per_token\":1", "", 2);
}

/* Of whole batches' losses, through windows one by one. */
static void test_micro_batches(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"balance_weight\":0.5", ",\"micro_batch_size\":1", 2);
    check_at("\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":8,\"kl_weight\":0.7,"
             "\"indexer_norm\":true",
             "", ",\"micro_batch_size\":1", 2);
}

static void test_untied(void **state)
{
    (void)state;
    check_at("\"kind\":\"dense\"", ",\"tied\":false", "", 2);
}

static void test_dsa_kl(void **state)
{
    (void)state;
    check_at("\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":3,\"indexer_dim\":8,\"kl_weight\":0.7",
             "", "", 2);
}

static void test_dsa_frozen(void **state)
{
    (void)state;
    check_at(
        "\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":3,\"indexer_dim\":8,\"indexer_training\":"
        "\"frozen\"",
        "", "", 2);
}

static void test_published(void **state)
{
    (void)state;
    check_at(
        "\"kind\":\"dsa\",\"top_k\":5,\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_training\":"
        "\"frozen\",\"selection\":\"published\"",
        "", "", 2);
}

static void test_dense_warmup(void **state)
{
    (void)state;
    check_at("\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":8,\"dense_warmup_"
             "steps\":5",
             "", "", 2);
}

static void test_window(void **state)
{
    (void)state;
    check_at("\"kind\":\"window\",\"window\":3,\"sink\":1", "", "", 2);
}

static void test_dsa_norm(void **state)
{
    (void)state;
    check_at(
        "\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_norm\":true",
        "", "", 2);
}

static void test_dsa_rope(void **state)
{
    (void)state;
    check_at(
        "\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_rope\":true",
        "", "", 2);
}

static void test_dsa_norm_and_rope(void **state)
{
    (void)state;
    check_at(
        "\"kind\":\"dsa\",\"top_k\":4,\"indexer_heads\":2,\"indexer_dim\":12,\"indexer_norm\":true,"
        "\"indexer_rope\":true",
        "", "", 2);
}

static void test_random_topk(void **state)
{
    (void)state;
    check_at("\"kind\":\"random_topk\",\"top_k\":3", "", "", 2);
}

static void test_oracle_topk(void **state)
{
    (void)state;
    check_at("\"kind\":\"oracle_topk\",\"top_k\":3", "", "", 2);
}

/* More than one block of queries, and whole vectors of keys. */
static void test_blocks(void **state)
{
    (void)state;
    check_sized((struct sizes){ 70, 16, 12 }, "\"kind\":\"dense\"", "", "", 2);
    check_sized((struct sizes){ 70, 16, 12 },
                "\"kind\":\"dsa\",\"top_k\":30,\"indexer_heads\":2,\"indexer_dim\":8", "", "", 2);
    check_sized(
        (struct sizes){ 70, 16, 12 },
        "\"kind\":\"dsa\",\"top_k\":30,\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_norm\":true,"
        "\"indexer_rope\":true,\"dense_warmup_steps\":3",
        "", "", 2);
    check_sized((struct sizes){ 70, 16, 12 },
                "\"kind\":\"dsa\",\"top_k\":67,\"indexer_heads\":2,\"indexer_dim\":8,\"indexer_"
                "training\":\"frozen\","
                "\"selection\":\"published\"",
                "", "", 2);
}

/* More than one strip of a weight's gradient. */
static void test_strips(void **state)
{
    (void)state;
    check_sized((struct sizes){ 10, 144, 300 }, "\"kind\":\"dense\"", "", "", 2);
}

/* Long sequences: tiles of keys, and lists of them. So many choices by an indexer would flip under
 * any perturbation; what it learns from lists is compared with the short path instead
 * (test_attn.c). */
static void test_long(void **state)
{
    (void)state;
    const char *one = ",\"experts\":1,\"experts_per_token\":1";
    check_sized((struct sizes){ 530, 16, 8 }, "\"kind\":\"dense\"", one, "", 2);
    check_sized((struct sizes){ 1024, 16, 8 }, "\"kind\":\"random_topk\",\"top_k\":20", one, "", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_dense_plain),
        cmocka_unit_test(test_one_expert),
        cmocka_unit_test(test_every_expert),
        cmocka_unit_test(test_swiglu),
        cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_untied),
        cmocka_unit_test(test_dsa_kl),
        cmocka_unit_test(test_dsa_frozen),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_dense_warmup),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_dsa_norm),
        cmocka_unit_test(test_dsa_rope),
        cmocka_unit_test(test_dsa_norm_and_rope),
        cmocka_unit_test(test_random_topk),
        cmocka_unit_test(test_oracle_topk),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_strips),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests_name("model gradients", tests, NULL, NULL);
}
