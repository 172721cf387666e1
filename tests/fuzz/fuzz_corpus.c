/* A stored corpus, damaged: its index and families, after a text of 64 bytes. What opens can be
 * digested and split without a step outside of it. */
#include "common/corpus/corpus.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_BYTES = 64, FAMILY_BYTES = 4, INDEX_BYTES = 8 };

static void use(const struct corpus *corpus)
{
    static const int splits[] = { SPLIT_DOCUMENTS, SPLIT_WINDOWS, SPLIT_FAMILIES };
    char digest[DIGEST_HEX];
    corpus_digest(corpus, digest);
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        struct run_spec spec = { 0 };
        struct corpus_split parts = { 0 };
        struct err err = { 0 };
        spec.data.seq_len = 2;
        spec.data.split = splits[i];
        spec.data.val_fraction = spec.data.test_fraction = 0.3;
        spec.train.batch_size = 1;
        int status = corpus_split_new(corpus, &spec, &parts, &err);
        if (status == 0)
            corpus_split_done(&parts);
        else
            fuzz_refused(status, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_BYTES];
    struct corpus corpus;
    struct err err = { 0 };
    /* 12 bytes a document, as they would be: its end, and further on its family. */
    size_t documents = size / (INDEX_BYTES + FAMILY_BYTES), index = documents * INDEX_BYTES;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    fuzz_file("text", text, sizeof text);
    fuzz_file("index", data, index);
    fuzz_file("families", data + index, size - index);
    int status = corpus_open(fuzz_folder, &corpus, &err);
    if (status == 0) {
        use(&corpus);
        corpus_done(&corpus);
    } else {
        fuzz_refused(status, &err);
    }
    return 0;
}
