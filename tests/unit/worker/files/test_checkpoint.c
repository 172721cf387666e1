/* Which checkpoint is loaded, and that a load which fails changes neither parameters nor outputs. */
#include "worker/files/checkpoint.h"

#include "common/base/files.h"
#include "tests/unit/worker/models.h"

#include <unistd.h>

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

/* Flips a bit in the last bytes of a checkpoint, cuts them off, or adds some. */
static void damage(int64_t step, int how)
{
    char path[128];
    snprintf(path, sizeof path, "%s/checkpoints/step-%lld.safetensors", folder, (long long)step);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, -2, SEEK_END), 0);
    long at = ftell(file);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, how == 2 ? 0 : -1, how == 2 ? SEEK_END : SEEK_CUR), 0);
    fputc(byte ^ 1, file);
    fclose(file);
    if (how == 1)
        assert_int_equal(truncate(path, at), 0);
}

/* Of two checkpoints the newer is damaged: the older one is loaded, whole. */
static void test_damaged(void **state)
{
    (void)state;
    const struct run_spec spec = spec_of((struct sketch){ .attention = "\"kind\":\"dense\"" });
    const struct checkpoint_origin own = origin_of("d", "one");
    for (int how = 0; how < 3; how++) {
        struct checkpoint_found found = { 0 };
        struct checkpoint older, newer;
        struct params params;
        struct err err = { 0 };
        int refused = 0;
        char now[DIGEST_HEX];
        assert_int_equal(params_new(&spec, &params, &err), 0);
        assert_int_equal(checkpoint_save(folder, &params, 6, &own, &older, &err), 0);
        params.value[0] += 1;
        params.moments[1][3] = 0.5;
        assert_int_equal(checkpoint_save(folder, &params, 7, &own, &newer, &err), 0);
        damage(7, how);
        params.value[0] = 9;
        assert_int_equal(
            checkpoint_load(folder, &params, &own, count_refused, &refused, &found, &err), 0);
        assert_int_equal(found.step, 6);
        assert_int_equal(refused, 1);
        params_digest(&params, now);
        assert_string_equal(now, older.content);
        params_done(&params);
    }
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_load),
                                        cmocka_unit_test(test_damaged) };
    return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
