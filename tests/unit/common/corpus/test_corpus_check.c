/* corpus_split_check says what corpus_split_new would, over many ways to cut small corpora. */
#include "common/corpus/corpus.h"

#include "common/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DOCUMENTS = 40, TEXT = 4000 };

static void test_agrees(void **state)
{
    (void)state;
    static uint8_t text[TEXT];
    static uint64_t ends[DOCUMENTS];
    const struct philox stream = philox_stream(7, "test", "corpus");
    size_t good = 0, bad = 0;
    for (uint64_t i = 0; i < 4000; i++) {
        uint32_t words[16];
        for (uint64_t w = 0; w < 16; w++)
            words[w] = philox_word(&stream, i, w);
        struct corpus corpus = { .text = text, .ends = ends };
        corpus.documents = 1 + words[0] % DOCUMENTS;
        uint64_t at = 0;
        for (size_t d = 0; d < corpus.documents; d++)
            ends[d] = at += 1 + (words[1] >> (d % 24)) % 90;
        corpus.text_bytes = at;
        struct run_spec spec = { 0 };
        spec.data.documents = words[2] % 3 == 0 ? 1 + words[3] % DOCUMENTS : 0;
        spec.data.tokens = words[4] % 3 == 0 ? 1 + words[5] % TEXT : 0;
        spec.data.seq_len = 2 + words[6] % 60;
        spec.data.split = (int)(words[7] % 3);
        spec.data.val_fraction = 0.01 * (1 + words[8] % 98);
        spec.data.test_fraction = 0.01 * (1 + words[9] % 98);
        spec.data.split_seed = words[10];
        spec.train.batch_size = 1 + words[11] % 20;
        struct corpus_split split;
        struct err made = { 0 }, checked = { 0 };
        size_t windows = SIZE_MAX, train = SIZE_MAX;
        int status = corpus_split_new(&corpus, &spec, &split, &made);
        if (status == 0) {
            train = split.parts[CORPUS_TRAIN].windows;
            corpus_split_done(&split);
        }
        assert_int_equal(corpus_split_check(&corpus, &spec, &windows, &checked), status);
        assert_int_equal(windows, train); /* untouched where it fails */
        assert_string_equal(checked.message, made.message);
        assert_string_equal(checked.pointer, made.pointer);
        *(status == 0 ? &good : &bad) += 1;
    }
    assert_true(good > 500 && bad > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_agrees) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
