/* Which values count as the same, which metrics and artifacts are compared, how an environment that
 * differs is named. */
#include "common/audit/recompute.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_tensors_are(void **state)
{
    (void)state;
    assert_true(recompute_takes("final.safetensors"));
    assert_false(recompute_takes("batches.jsonl"));
    assert_false(recompute_takes("safetensors"));
}

static void test_every_bit(void **state)
{
    (void)state;
    double nan = NAN, other;
    uint64_t bits;
    memcpy(&bits, &nan, sizeof bits);
    bits ^= (uint64_t)1 << 63 | 1;
    memcpy(&other, &bits, sizeof other);
    assert_true(recompute_same(2.5, 2.5));
    assert_false(recompute_same(2.5, nextafter(2.5, 3)));
    assert_true(recompute_same(0.0, -0.0));
    assert_true(recompute_same(nan, other));
    assert_false(recompute_same(nan, 1));
    assert_true(recompute_same(INFINITY, INFINITY));
    assert_false(recompute_same(INFINITY, -INFINITY));
}

static void test_environments(void **state)
{
    (void)state;
    json_t *a = json_pack("{s:s, s:s}", "blas_core", "Haswell", "code_path", "avx2"),
           *b = json_pack("{s:s, s:s}", "blas_core", "Zen", "code_path", "avx2"),
           *c = json_pack("{s:s, s:s, s:s}", "blas_core", "Zen", "code_path", "avx2",
                          "blas_settings", "OPENBLAS_L2_SIZE=64");
    bool other[RECOMPUTE_PARTS];
    char text[64], small[8];
    for (int p = 0; p < RECOMPUTE_PARTS; p++)
        other[p] = !recompute_agrees(a, b, recompute_parts[p].key);
    recompute_name(other, text, sizeof text);
    assert_string_equal(text, "BLAS core");
    for (int p = 0; p < RECOMPUTE_PARTS; p++) /* set on one side alone */
        other[p] = !recompute_agrees(b, c, recompute_parts[p].key);
    recompute_name(other, text, sizeof text);
    assert_string_equal(text, "BLAS settings");
    memset(other, true, sizeof other);
    recompute_name(other, text, sizeof text);
    assert_string_equal(text, "program and BLAS core and BLAS settings and code path");
    recompute_name(other, small, sizeof small);
    assert_string_equal(small, "program");
    memset(other, false, sizeof other);
    recompute_name(other, text, sizeof text);
    assert_string_equal(text, "environment");
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_are),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_environments),
    };
    return cmocka_run_group_tests_name("recompute", tests, NULL, NULL);
}
