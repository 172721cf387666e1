/* Windows of synthetic tasks: well-formed, by number, and different by stream. */
#include "tests/unit/worker/models.h"
#include "worker/data/tasks.h"

enum { WIDEST = 300, ROUNDS = 200 };

static struct spec_data data_of(enum dataset_kind kind, int64_t seq_len, int64_t vocab,
                                int64_t pairs)
{
    return (struct spec_data){ .kind = kind, .seq_len = seq_len, .vocab = vocab, .pairs = pairs };
}

static void test_mqar(void **state)
{
    (void)state;
    static const int64_t shapes[][3] = {
        { 16, 10, 4 }, { 17, 64, 4 }, { 64, 256, 4 }, { 128, 8192, 16 }, { 250, 40, 19 }
    };
    const struct philox stream = philox_stream(1, "data", "train");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t number = 0; number < ROUNDS; number++) {
            int64_t t = shapes[i][0], v = shapes[i][1], p = shapes[i][2], answered = 0;
            struct spec_data data = data_of(DATASET_MQAR, t, v, p);
            int32_t w[WIDEST];
            task_window(&data, &stream, number, w);
            for (int64_t k = 0; k <= t; k++) {
                bool answer = k > t - 2 * p && (t - k) % 2 == 0;
                int32_t token =
                    answer ? w[k] : ~w[k]; /* scored exactly where a value is asked for */
                assert_true(token >= 0 && token < v);
                bool key = (k < 2 * p && k % 2 == 0) || (k > t - 2 * p && !answer);
                assert_true(key ? token >= 1 && token < v / 2 : token >= v / 2);
                assert_int_equal(task_input(&data, w[k]), answer ? 0 : token); /* hidden */
                for (int64_t pair = 0; answer && pair < p; pair++)
                    if (~w[2 * pair] == ~w[k - 1]) {
                        assert_int_equal(~w[2 * pair + 1], token);
                        answered++;
                    }
            }
            assert_int_equal(answered, p); /* every question has one answer, so keys differ */
        }
}

static void test_copy(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(1, "data", "train");
    for (int64_t t = 2; t < 40; t++) {
        struct spec_data data = data_of(DATASET_COPY, t, 9, 0);
        int32_t w[WIDEST];
        int64_t half = t / 2;
        task_window(&data, &stream, 5, w);
        assert_int_equal(w[half], ~0);
        for (int64_t i = 0; i < half; i++) {
            assert_true(w[half + 1 + i] >= 1 && w[half + 1 + i] < 9);
            assert_int_equal(w[i], ~w[half + 1 + i]);
            assert_int_equal(task_input(&data, w[i]), task_input(&data, w[half + 1 + i]));
        }
    }
}

/* Every symbol about as often, all scored. */
static void test_uniform(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(1, "data", "train");
    struct spec_data data = data_of(DATASET_UNIFORM, 99, 5, 0);
    int counts[5] = { 0 };
    for (uint64_t number = 0; number < ROUNDS; number++) {
        int32_t w[WIDEST];
        task_window(&data, &stream, number, w);
        for (int k = 0; k < 100; k++)
            counts[w[k]]++;
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(counts[i], 3800, 4200);
}

static void test_windows_by_number(void **state)
{
    (void)state;
    const struct philox train = philox_stream(1, "data", "train"),
                        val = philox_stream(1, "data", "val");
    for (int kind = DATASET_UNIFORM; kind <= DATASET_COPY; kind++) {
        struct spec_data data =
            data_of((enum dataset_kind)kind, 64, 64, kind == DATASET_MQAR ? 8 : 0);
        int32_t a[WIDEST], b[WIDEST];
        task_window(&data, &train, 7, a);
        task_window(&data, &train, 7, b);
        assert_memory_equal(a, b, 65 * sizeof *a);
        task_window(&data, &train, 8, b);
        assert_memory_not_equal(a, b, 65 * sizeof *a);
        task_window(&data, &val, 7, b);
        assert_memory_not_equal(a, b, 65 * sizeof *a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mqar),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_windows_by_number),
    };
    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
