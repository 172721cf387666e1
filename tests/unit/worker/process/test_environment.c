/* What decides bits tells environments apart; what is set to nothing doesn't. */
#include "worker/process/environment.h"

#include "common/base/simd.h"
#include "worker/ops/gemm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct environment get(void)
{
    struct environment e;
    struct err err = { 0 };
    if (environment_get(&e, &err) != 0)
        fail_msg("%s", err.message);
    return e;
}

/* What an event says of it; "" = nothing. */
static void said(const struct environment *e, char *ret, size_t size)
{
    json_t *json = environment_json(e, 1);
    const char *text = json_string_value(json_object_get(json, "blas_settings"));
    assert_string_equal(json_string_value(json_object_get(json, "digest")), e->digest);
    assert_true(text != NULL || json_object_get(json, "blas_settings") == NULL);
    snprintf(ret, size, "%s", text != NULL ? text : "");
    json_decref(json);
}

static int unset(void **state)
{
    (void)state;
    return unsetenv("OPENBLAS_L2_SIZE") | unsetenv("OPENBLAS_BLOCK_FACTOR");
}

static void test_nothing_set(void **state)
{
    (void)state;
    struct environment e = get();
    char text[256], digest[DIGEST_HEX], got[100];
    snprintf(text, sizeof text, "%s\n%s\n%s\n", e.binary, gemm_blas_core(), simd_path());
    digest_of_hex(text, strlen(text), digest);
    assert_string_equal(e.digest, digest);
    said(&e, got, sizeof got);
    assert_string_equal(got, "");
}

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *l2, *factor, *said;
    } cases[] = {
        { "64", "", "OPENBLAS_L2_SIZE=64" },
        { "128 KB", "0", "OPENBLAS_L2_SIZE=128" },
        { "\xff", "20", "OPENBLAS_BLOCK_FACTOR=20" },
        { "-2147483648", "-2147483648",
          "OPENBLAS_L2_SIZE=-2147483648 OPENBLAS_BLOCK_FACTOR=-2147483648" },
    };
    enum { CASES = sizeof cases / sizeof *cases };
    char digests[CASES + 1][DIGEST_HEX], got[100];
    memcpy(digests[CASES], get().digest, DIGEST_HEX);
    for (size_t i = 0; i < CASES; i++) {
        setenv("OPENBLAS_L2_SIZE", cases[i].l2, 1);
        setenv("OPENBLAS_BLOCK_FACTOR", cases[i].factor, 1);
        struct environment e = get();
        said(&e, got, sizeof got);
        assert_string_equal(got, cases[i].said);
        memcpy(digests[i], e.digest, DIGEST_HEX);
    }
    for (size_t i = 0; i <= CASES; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(digests[i], digests[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_set, unset),
        cmocka_unit_test_setup(test_settings, unset),
    };
    return cmocka_run_group_tests_name("environment", tests, unset, unset);
}
