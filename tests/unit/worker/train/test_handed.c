/* The digest of evaluations is of the windows that they were handed. */
#include "tests/unit/worker/models.h"
#include "worker/train/handed.h"

static struct data *data_of(int64_t seed, int64_t eval_windows, int64_t split_seed)
{
    struct run_spec spec =
        spec_of((struct sketch){ .attention = "\"kind\":\"dense\"", .seed = seed });
    struct data *data = NULL;
    struct err err;
    spec.data.kind = DATASET_COPY;
    spec.data.vocab = 16;
    spec.data.split_seed = split_seed;
    spec.train.eval_windows = eval_windows;
    assert_int_equal(data_new(&spec, NULL, &data, &err), 0);
    return data;
}

static void eval_of(int64_t seed, int64_t eval_windows, int64_t split_seed, char ret[DIGEST_HEX])
{
    struct data *data = data_of(seed, eval_windows, split_seed);
    struct handed handed = handed_of(data);
    int32_t windows[3 * 49];
    handed_fill(&handed, CORPUS_VAL, windows);
    handed_fill(&handed, CORPUS_TEST, windows);
    handed_end(&handed, ret);
    data_free(data);
}

/* Five windows a part, three at a time. */
static void test_digest_is_of_the_windows(void **state)
{
    (void)state;
    char got[DIGEST_HEX], hex[DIGEST_HEX];
    int32_t window[49], windows[3 * 49];
    struct digest digest;
    struct data *data = data_of(1, 5, 0);
    digest_init(&digest);
    for (int part = CORPUS_VAL; part <= CORPUS_TEST; part++)
        for (size_t i = 0; i < 5; i++) {
            data_eval_window(data, (enum corpus_part)part, i, window);
            digest_add(&digest, window, sizeof window);
        }
    digest_end_hex(&digest, hex);
    struct handed handed = handed_of(data);
    for (int validation = 0; validation < 2; validation++) { /* the last one counts */
        assert_int_equal(handed_next(&handed, CORPUS_VAL, 0, windows), 3);
        assert_int_equal(handed_next(&handed, CORPUS_VAL, 3, windows), 2);
    }
    data_eval_window(data, CORPUS_VAL, 4, window);
    assert_memory_equal(windows + 49, window, sizeof window);
    handed_fill(&handed, CORPUS_VAL, windows); /* nothing is missing */
    handed_fill(&handed, CORPUS_TEST, windows);
    handed_end(&handed, got);
    assert_string_equal(got, hex);
    data_free(data);
}

static void test_what_the_digest_hangs_on(void **state)
{
    (void)state;
    char first[DIGEST_HEX], hex[DIGEST_HEX];
    eval_of(1, 3, 0, first);
    eval_of(2, 3, 0, hex); /* the run's seed plays no part */
    assert_string_equal(first, hex);
    eval_of(1, 4, 0, hex);
    assert_string_not_equal(first, hex);
    eval_of(1, 3, 1, hex);
    assert_string_not_equal(first, hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_is_of_the_windows),
        cmocka_unit_test(test_what_the_digest_hangs_on),
    };
    return cmocka_run_group_tests_name("handed", tests, NULL, NULL);
}
