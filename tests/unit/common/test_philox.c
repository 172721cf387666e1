/* Philox against Random123's known answers, and its bulk form against its definition. */
#include "common/philox.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* From Random123's kat_vectors, philox4x32 10. */
static const struct {
    uint32_t counter[4], key[2], answer[4];
} known[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
      { 0xffffffff, 0xffffffff },
      { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
      { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
};

static void test_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t ret[4];
        philox_block(known[i].key, known[i].counter, ret);
        assert_memory_equal(ret, known[i].answer, sizeof ret);
    }
}

static void test_bulk_addresses_the_same_blocks(void **state)
{
    (void)state;
    const struct philox stream = { { known[2].key[0], known[2].key[1] } };
    const uint64_t first = 0x05a308d3fffffff0u, step = 0x0370734413198a2eu;
    uint32_t words[4 * 40], expected[4];
    philox_words(&stream, step, 4 * first, 4 * 40, words);
    for (uint64_t i = 0; i < 40; i++) {
        const uint64_t block = first + i;
        const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step,
                                      (uint32_t)(step >> 32) };
        philox_block(stream.key, counter, expected);
        assert_memory_equal(words + 4 * i, expected, sizeof expected);
    }
}

/* Every alignment and length, across the point where a block's number outgrows 32 bits. */
static void test_words_equal_single_words(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(42, "dropout", "blocks.0.attn.probs");
    const uint64_t edge = (uint64_t)1 << 34, step = ((uint64_t)1 << 32) + 5;
    uint32_t words[200];
    for (uint64_t first = edge - 100; first < edge + 6; first += 3)
        for (size_t n = 0; n < 199; n += 11) {
            words[n] = 0xABCDEF01u;
            philox_words(&stream, step, first, n, words);
            assert_int_equal(words[n], 0xABCDEF01u);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(words[i], philox_word(&stream, step, first + i));
        }
}

static void test_streams_differ_by_every_part_of_their_name(void **state)
{
    (void)state;
    const struct philox streams[] = { philox_stream(1, "init", "a"), philox_stream(2, "init", "a"),
                                      philox_stream(1, "data", "a"),
                                      philox_stream(1, "init", "b") };
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(memcmp(&streams[i], &streams[j], sizeof *streams) != 0);
}

static void test_normal_has_the_moments_of_one(void **state)
{
    (void)state;
    enum { N = 40000 };
    const struct philox stream = philox_stream(7, "router", "blocks.1");
    double sum = 0, square = 0;
    for (uint64_t e = 0; e < N; e++) {
        double x = philox_normal(&stream, 3, e);
        sum += x;
        square += x * x;
    }
    assert_true(fabs(sum / N) < 4 / sqrt(N));
    assert_true(fabs(square / N - 1) < 4 * sqrt(2.0 / N));
}

static void test_permutation_is_one(void **state)
{
    (void)state;
    enum { N = 1000 };
    const struct philox stream = philox_stream(7, "shuffle", "");
    uint32_t items[N], again[N];
    unsigned char seen[N] = { 0 };
    assert_int_equal(philox_permutation(&stream, 0, N, items), 0);
    for (size_t i = 0; i < N; i++) {
        assert_true(items[i] < N && !seen[items[i]]);
        seen[items[i]] = 1;
    }
    assert_int_equal(philox_permutation(&stream, 1, N, again), 0);
    assert_true(memcmp(items, again, sizeof items) != 0);
}

/* Picked words are the words; beyond 2^34 the block's number needs its second word. */
static void test_picks(void **state)
{
    (void)state;
    const struct philox stream = philox_stream(5, "dropout", "picks");
    static const uint64_t firsts[] = { 0, 3, 1ull << 20, (1ull << 34) - 5, (1ull << 40) + 1 };
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++) {
        int32_t at[37];
        uint32_t words[37];
        for (int i = 0; i < 37; i++)
            at[i] = i * i * 3 + (i & 1);
        philox_pick(&stream, 9, firsts[f], at, 37, words);
        for (int i = 0; i < 37; i++)
            assert_int_equal(words[i], philox_word(&stream, 9, firsts[f] + (uint64_t)at[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_bulk_addresses_the_same_blocks),
        cmocka_unit_test(test_words_equal_single_words),
        cmocka_unit_test(test_streams_differ_by_every_part_of_their_name),
        cmocka_unit_test(test_normal_has_the_moments_of_one),
        cmocka_unit_test(test_permutation_is_one),
        cmocka_unit_test(test_picks),
    };
    return cmocka_run_group_tests_name("philox", tests, NULL, NULL);
}
