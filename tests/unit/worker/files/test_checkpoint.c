/* Which checkpoint is loaded, and that a load which fails changes neither parameters nor outputs. */
#include "worker/files/checkpoint.h"

#include "common/base/files.h"
#include "tests/unit/worker/models.h"

static char folder[] = "/tmp/ablate-checkpoint-XXXXXX";

static void count_refused(void *arg, const char *file, const struct err *why)
{
    (void)file, (void)why;
    ++*(int *)arg;
}

static struct checkpoint_origin origin_of(const char *run, const char *corpus)
{
    return (struct checkpoint_origin){
        .run_digest = run, .environment_digest = "e", .blas_core = "c", .corpus = corpus
    };
}

static void test_load(void **state)
{
    (void)state;
    const struct run_spec spec = spec_of((struct sketch){ .attention = "\"kind\":\"dense\"" });
    const struct checkpoint_origin own = origin_of("r", "one"), elsewhere = origin_of("r", "two"),
                                   other = origin_of("s", "one");
    struct checkpoint_found found = { .step = 77 };
    struct checkpoint made;
    struct params params;
    struct err err = { 0 };
    int refused = 0;
    char before[DIGEST_HEX], after[DIGEST_HEX];
    assert_int_equal(params_new(&spec, &params, &err), 0);
    assert_int_equal(checkpoint_load(folder, &params, &own, count_refused, &refused, &found, &err),
                     0);
    assert_int_equal(found.step, 0);
    assert_int_equal(checkpoint_save(folder, &params, 5, &own, &made, &err), 0);

    params.value[0] += 1;
    params_digest(&params, before);
    found.step = 77;
    assert_int_equal(
        checkpoint_load(folder, &params, &elsewhere, count_refused, &refused, &found, &err),
        -ERR_INCONSISTENT);
    assert_int_equal(found.step, 77);
    assert_int_equal(
        checkpoint_load(folder, &params, &other, count_refused, &refused, &found, &err), 0);
    assert_int_equal(found.step, 0);
    assert_int_equal(refused, 1);
    params_digest(&params, after);
    assert_string_equal(after, before);

    assert_int_equal(checkpoint_load(folder, &params, &own, count_refused, &refused, &found, &err),
                     0);
    assert_int_equal(found.step, 5);
    params_digest(&params, after);
    assert_string_equal(after, made.content);
    params_done(&params);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    files_remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_load) };
    return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
