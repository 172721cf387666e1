/* Which documents belong together, and that a split keeps them together. */
#include "common/corpus/corpus.h"
#include "common/corpus/families.h"

#include "common/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DOCUMENTS = 300, LENGTH = 120, TEXT = DOCUMENTS * LENGTH };

static uint8_t text[TEXT];
static uint64_t ends[DOCUMENTS];

/* Documents of random letters, so that none shares a run by chance. */
static void scribble(void)
{
    const struct philox stream = philox_stream(1, "test", "families");
    for (size_t i = 0; i < TEXT; i++)
        text[i] = (uint8_t)('a' + philox_word(&stream, 0, i) % 26);
    for (size_t i = 0; i < DOCUMENTS; i++)
        ends[i] = (i + 1) * LENGTH;
}

static void copy_run(size_t to, size_t to_at, size_t from, size_t from_at, size_t n)
{
    memcpy(text + to * LENGTH + to_at, text + from * LENGTH + from_at, n);
}

static void find(uint32_t *families)
{
    struct err err;
    assert_int_equal(families_find(text, ends, DOCUMENTS, families, &err), 0);
}

static void test_runs_make_families(void **state)
{
    (void)state;
    uint32_t families[DOCUMENTS];
    scribble();
    find(families);
    for (uint32_t i = 0; i < DOCUMENTS; i++)
        assert_int_equal(families[i], i);
    copy_run(7, 40, 3, 0, FAMILY_RUN);                          /* just enough */
    copy_run(9, 0, 5, LENGTH - FAMILY_RUN + 1, FAMILY_RUN - 1); /* one byte too few */
    copy_run(20, LENGTH - FAMILY_RUN, 7, 80, FAMILY_RUN);       /* through 7 to 3 */
    copy_run(31, 10, 30, 10, 100);
    copy_run(30, 60, 20, 0, FAMILY_RUN); /* two families become one; the run in 31 stays */
    find(families);
    const uint32_t kin[] = { 3, 7, 20, 30, 31 };
    for (size_t i = 0; i < sizeof kin / sizeof *kin; i++)
        assert_int_equal(families[kin[i]], 3);
    assert_int_equal(families[9], 9);
    for (uint32_t i = 0, n = 0; i < DOCUMENTS; i++) {
        n += families[i] != i;
        assert_in_range(n, 0, 4);
    }
}

/* A run may not reach over the end of a document. */
static void test_ends_separate(void **state)
{
    (void)state;
    uint32_t families[DOCUMENTS];
    scribble();
    memcpy(text + 11 * LENGTH - 20, text + 2 * LENGTH - 20, 40); /* 20 bytes on either side */
    find(families);
    for (uint32_t i = 0; i < DOCUMENTS; i++)
        assert_int_equal(families[i], i);
}

static size_t place_of(const struct corpus_split *split, size_t document)
{
    for (int part = 0; part < CORPUS_PARTS; part++)
        for (size_t i = 0; i + LENGTH <= split->parts[part].n; i += LENGTH + 1) {
            const uint16_t *tokens = split->tokens + split->parts[part].first + i;
            size_t same = 0;
            while (same < LENGTH && tokens[same] == text[document * LENGTH + same])
                same++;
            if (same == LENGTH)
                return (size_t)part;
        }
    return CORPUS_PARTS;
}

/* Whole families, whether they were stored or are found anew; other documents as ever. */
static void test_split_keeps_families(void **state)
{
    (void)state;
    uint32_t families[DOCUMENTS];
    struct err err = { 0 };
    scribble();
    for (size_t i = 10; i < DOCUMENTS; i += 10)
        copy_run(i, 50, i - (i % 50 == 0 ? 0 : 10), 50, 60); /* chains of five */
    find(families);
    struct run_spec spec = { .data = { .seq_len = 16,
                                       .val_fraction = 0.1,
                                       .test_fraction = 0.1,
                                       .split = SPLIT_FAMILIES },
                             .train = { .batch_size = 4 } };
    for (int64_t seed = 0; seed < 20; seed++)
        for (int stored = 0; stored < 2; stored++) {
            struct corpus corpus = { .text = text,
                                     .text_bytes = TEXT,
                                     .ends = ends,
                                     .documents = DOCUMENTS,
                                     .families = stored ? families : NULL };
            struct corpus_split split;
            spec.data.split_seed = seed;
            assert_int_equal(corpus_split_check(&corpus, &spec, NULL, &err), 0);
            assert_int_equal(corpus_split_new(&corpus, &spec, &split, &err), 0);
            size_t tokens = TEXT + DOCUMENTS, held = 0;
            for (int part = 0; part < CORPUS_PARTS; part++)
                held += split.parts[part].n;
            assert_int_equal(held, tokens);
            for (int part = CORPUS_VAL; part <= CORPUS_TEST; part++)
                assert_in_range(split.parts[part].n, tokens / 10, tokens / 10 + 6 * LENGTH);
            for (size_t i = 0; i < DOCUMENTS; i++)
                if (families[i] != i)
                    assert_int_equal(place_of(&split, i), place_of(&split, families[i]));
            corpus_split_done(&split);
        }
}

/* Beyond FAMILY_RUNS_MOST bytes runs are sampled, evenly by hash: what two documents share at
 * length is found all the same, and nothing else. */
static void test_sampled_runs(void **state)
{
    (void)state;
    enum { MANY = 64, LONG = 3 * FAMILY_RUNS_MOST / MANY, SHARED = 2000 };
    const struct philox stream = philox_stream(2, "test", "families");
    uint8_t *much = malloc((size_t)MANY * LONG);
    uint64_t much_ends[MANY];
    uint32_t families[MANY];
    struct err err;
    assert_non_null(much);
    for (size_t i = 0; i < (size_t)MANY * LONG; i += 4) {
        uint32_t word = philox_word(&stream, 0, i / 4);
        memcpy(much + i, &word, 4);
    }
    for (size_t i = 0; i < MANY; i++)
        much_ends[i] = (i + 1) * LONG;
    memcpy(much + 40 * (size_t)LONG + 5000, much + 7 * (size_t)LONG, SHARED);
    memcpy(much + 63 * (size_t)LONG, much + 41 * (size_t)LONG - SHARED, SHARED); /* of 40 */
    assert_int_equal(families_find(much, much_ends, MANY, families, &err), 0);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(families[i], i == 40 || i == 63 ? 7 : i);
    free(much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_make_families),
        cmocka_unit_test(test_ends_separate),
        cmocka_unit_test(test_split_keeps_families),
        cmocka_unit_test(test_sampled_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
