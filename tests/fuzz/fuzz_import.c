/* An upload (after a first byte that chooses its format: j, t as it stands, else what it looks
 * like): refused with its place, or a corpus that opens, has the digest it is called by and the
 * documents that were counted, and can be split. */
#include "common/corpus/corpus.h"
#include "server/data/import/import.h"
#include "tests/fuzz/fuzz.h"

static struct datadir datadir;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err err;
    (void)argc;
    (void)argv;
    FUZZ_CHECK(datadir_open(fuzz_path("data"), &datadir, &err) == 0);
    return 0;
}

static void split(const struct corpus *corpus)
{
    static const int splits[] = { SPLIT_DOCUMENTS, SPLIT_WINDOWS, SPLIT_FAMILIES };
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        struct run_spec spec = { 0 };
        struct corpus_split parts = { 0 };
        struct err err = { 0 };
        spec.data.seq_len = 4;
        spec.data.split = splits[i];
        spec.data.val_fraction = spec.data.test_fraction = 0.2;
        spec.train.batch_size = 1;
        int planned = corpus_split_check(corpus, &spec, NULL, &err);
        int status = corpus_split_new(corpus, &spec, &parts, &err);
        FUZZ_CHECK(planned == status);
        if (status != 0) {
            fuzz_refused(status, &err);
            continue;
        }
        for (int part = 0; part < CORPUS_PARTS; part++) {
            int32_t window[5];
            corpus_split_window(&parts, (enum corpus_part)part, parts.parts[part].windows - 1,
                                window);
            for (size_t t = 0; t < 5; t++)
                FUZZ_CHECK(window[t] >= 0 && window[t] <= CORPUS_END);
        }
        corpus_split_done(&parts);
    }
}

static void check_corpus(const struct import_result *result)
{
    char dir[PATH_MAX], digest[DIGEST_HEX];
    struct corpus corpus;
    struct err err = { 0 };
    datadir_path(&datadir, dir, "datasets/%s", result->digest);
    FUZZ_CHECK(corpus_open(dir, &corpus, &err) == 0);
    corpus_digest(&corpus, digest);
    FUZZ_CHECK(strcmp(digest, result->digest) == 0);
    FUZZ_CHECK(corpus.documents == (size_t)result->documents);
    FUZZ_CHECK(corpus.text_bytes == (size_t)result->bytes && corpus.families != NULL);
    split(&corpus);
    corpus_done(&corpus);
    nftw(dir, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import_result result;
    struct err err = { 0 };
    if (size == 0)
        return 0;
    const struct import_request request = {
        .upload = fuzz_file("upload", data + 1, size - 1),
        .format = data[0] == 'j' ? IMPORT_JSONL : IMPORT_TEXT,
        .stated = data[0] == 't',
    };
    int status = import_file(&datadir, &request, &result, &err);
    if (status == 0) {
        FUZZ_CHECK(import_place(&datadir, &result, &err) == 0);
        import_drop(&datadir, &result);
        check_corpus(&result);
    } else {
        fuzz_refused(status, &err);
    }
    return 0;
}
