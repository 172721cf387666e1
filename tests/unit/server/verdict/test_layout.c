/* Where runs stand, which configuration an arm chooses, and that memory which runs out while they
 * are numbered numbers none wrongly. */
#include "server/verdict/layout.h"

#include "tests/unit/server/fixture.h"

#define SHORT_SLOW "{\"data.seq_len\":64,\"train.lr\":0.001}"
#define SHORT_FAST "{\"data.seq_len\":64,\"train.lr\":0.01}"
#define LONG       "{\"data.seq_len\":128,\"train.lr\":0.01}"

static const struct layout_run runs[] = {
    { "dense", SHORT_SLOW, 7 }, { "dsa", SHORT_SLOW, 7 }, { "dense", SHORT_FAST, 7 },
    { "dsa", SHORT_FAST, 7 },   { "dense", LONG, 7 },     { "dense", SHORT_SLOW, 8 },
};
enum { N = sizeof runs / sizeof *runs };

static struct layout_run run_of(const void *all, size_t i)
{
    return ((const struct layout_run *)all)[i];
}

static void test_numbers(void **state)
{
    (void)state;
    struct layout l;
    struct err err;
    json_t *tune = json_pack("[s]", "train.lr");
    assert_ok(layout_init(&l, run_of, runs, N, tune, &err), err);
    assert_int_equal(l.arms_n, 2);
    assert_int_equal(l.points_n, 3);
    assert_int_equal(l.seeds_n, 2);
    assert_int_equal(l.places_n, 2);
    assert_string_equal(l.places[1].key, "{\"data.seq_len\":128}");
    assert_int_equal(l.places[1].point, 2);
    assert_int_equal(l.place_of[1], 0);
    assert_int_equal(layout_run(&l, 0, 1, 1), 3);
    assert_int_equal(layout_run(&l, 1, 0, 0), 5);
    assert_int_equal(layout_run(&l, 1, 0, 1), SIZE_MAX);
    layout_done(&l);
    json_decref(tune);
}

static void test_choice(void **state)
{
    (void)state;
    struct layout l;
    struct err err;
    size_t chosen[4];
    json_t *tune = json_pack("[s]", "train.lr");
    assert_ok(layout_init(&l, run_of, runs, N, tune, &err), err);
    const struct tuning_sum sums[] = {
        { .runs = 2, .finite = 2, .mean = 3 }, { .runs = 1, .finite = 1, .mean = 3 },
        { .runs = 1, .finite = 1, .mean = 2 }, { .runs = 1, .finite = 1, .mean = 3 },
        { .runs = 1, .finite = 1, .mean = 9 }, { 0 },
    };
    layout_choose(&l, sums, false, chosen);
    assert_int_equal(chosen[0], 1);
    assert_int_equal(chosen[1], 0); /* alike: the first */
    assert_int_equal(chosen[2], 2);
    assert_int_equal(chosen[3], SIZE_MAX);
    layout_choose(&l, sums, true, chosen);
    assert_int_equal(chosen[0], 0);
    layout_done(&l);
    json_decref(tune);
}

static size_t allowed;

static void *allocate(size_t size)
{
    if (allowed == 0)
        return NULL;
    allowed--;
    return malloc(size);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    json_t *tune = json_pack("[s]", "train.lr");
    int status = -1;
    for (size_t n = 0; status != 0; n++) {
        struct layout l;
        struct err err;
        json_set_alloc_funcs(allocate, free);
        allowed = n;
        status = layout_init(&l, run_of, runs, N, tune, &err);
        json_set_alloc_funcs(malloc, free);
        if (status == 0 && (l.arms_n != 2 || l.points_n != 3 || l.seeds_n != 2 || l.places_n != 2))
            fail_msg("after %zu pieces of memory: %zu arms, %zu points, %zu seeds, %zu places", n,
                     l.arms_n, l.points_n, l.seeds_n, l.places_n);
        if (status != 0)
            assert_int_equal(status, -ERR_NO_MEMORY);
        layout_done(&l);
    }
    json_decref(tune);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
