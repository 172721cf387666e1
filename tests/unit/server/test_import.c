/* Imports against what corpus.h says of a stored corpus, read back byte for byte. */
#include "tests/unit/server/fixture.h"

#include "common/corpus.h"
#include "server/import.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

struct place {
    char path[64];
    struct datadir datadir;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct err err;
    fixture_folder(p->path);
    assert_ok(datadir_open(p->path, &p->datadir, &err), err);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    datadir_done(&p->datadir);
    fixture_remove_folder(p->path);
    free(p);
    return 0;
}

static int import(struct place *p, enum import_format format, const char *text, size_t len,
                  struct import_result *ret, struct err *err)
{
    char upload[PATH_MAX];
    datadir_path(&p->datadir, upload, "tmp/upload");
    FILE *file = fopen(upload, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    *err = (struct err){ 0 };
    int status = import_file(&p->datadir, upload, format, ret, err);
    unlink(upload);
    return status;
}

static size_t entries(struct place *p, const char *folder)
{
    char path[PATH_MAX];
    size_t n = 0;
    datadir_path(&p->datadir, path, "%s", folder);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* The documents of a stored corpus, joined by "|". */
static void assert_documents(struct place *p, const struct import_result *result, const char *want)
{
    char path[PATH_MAX], got[4096] = "";
    struct corpus corpus;
    struct err err = { 0 };
    struct digest sum;
    char hex[DIGEST_HEX];
    datadir_path(&p->datadir, path, "datasets/%s", result->digest);
    assert_ok(corpus_open(path, &corpus, &err), err);
    assert_int_equal(corpus.documents, result->documents);
    assert_int_equal(corpus.text_bytes, result->bytes);
    digest_init(&sum);
    for (size_t i = 0, at = 0; i < corpus.documents; i++) {
        uint64_t len = corpus.ends[i] - at;
        uint8_t little[8];
        for (int b = 0; b < 8; b++)
            little[b] = (uint8_t)(len >> (8 * b));
        digest_add(&sum, little, 8);
        digest_add(&sum, corpus.text + at, len);
        if (i > 0)
            strcat(got, "|");
        strncat(got, (const char *)corpus.text + at, len);
        at = corpus.ends[i];
    }
    digest_end_hex(&sum, hex);
    assert_string_equal(got, want);
    assert_string_equal(hex, result->digest);
    corpus_digest(&corpus, hex);
    assert_string_equal(hex, result->digest);
    corpus_done(&corpus);
}

static const struct {
    enum import_format format;
    const char *text, *documents;
    int64_t duplicates;
} good[] = {
    { IMPORT_TEXT, "a", "a", 0 },
    { IMPORT_TEXT, "a\n", "a", 0 },
    { IMPORT_TEXT, "a\nb\n\nc", "a\nb|c", 0 },
    { IMPORT_TEXT, "\n\n \t\na\r\nb\r\n\r\nc\r\n", "a\nb|c", 0 },
    { IMPORT_TEXT, "  a \n\n\n\n b", "  a | b", 0 },
    { IMPORT_TEXT, "a\n\na\n\nb\n\na\n", "a|b", 2 },
    { IMPORT_TEXT, "a\n\nb\n%\nc\n", "a\n\nb|c", 0 },
    { IMPORT_TEXT, "%\n%\n\na\n\n\n%\n \n%\nb\n\n%", "a|b", 0 },
    { IMPORT_TEXT, "a%\n\n%b\n", "a%|%b", 0 },
    { IMPORT_TEXT,
      "\xEF\xBB\xBF"
      "a\n\n\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80",
      "a|\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 0 },
    { IMPORT_JSONL, "{\"text\":\"a\"}\n\n{\"id\":1,\"text\":\" b\\n\\n\"}\r\n", "a| b\n\n", 0 },
    { IMPORT_JSONL, "{\"text\":\"a\"}\n{\"text\":\"a\"}\n{\"text\":\"%\"}", "a|%", 1 },
    { IMPORT_JSONL, "{\"text\":\"\\ud83d\\ude00\"}", "\xF0\x9F\x98\x80", 0 },
};

static void test_good(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct import_result result;
        struct err err;
        assert_ok(import(p, good[i].format, good[i].text, strlen(good[i].text), &result, &err),
                  err);
        assert_documents(p, &result, good[i].documents);
        assert_int_equal(result.duplicates, good[i].duplicates);
    }
    assert_int_equal(entries(p, "tmp"), 0);
}

#define BAD(format, text, code, part)                                                              \
    {                                                                                              \
        format, text, sizeof text - 1, code, part                                                  \
    }
static const struct {
    enum import_format format;
    const char *text;
    size_t len;
    enum err_code code;
    const char *part; /* of the message */
} bad[] = {
    BAD(IMPORT_TEXT, "", ERR_BAD_CORPUS, "empty"),
    BAD(IMPORT_TEXT, " \n\n\t\n", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_TEXT, "%\n%\n", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_TEXT, "\xEF\xBB\xBF", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_TEXT, "a\nb\x80", ERR_BAD_UTF8, "line 2, byte 3 (0x80)"),
    BAD(IMPORT_TEXT, "\xC1\xBF", ERR_BAD_UTF8, "line 1, byte 0"),
    BAD(IMPORT_TEXT, "a\xE0\x9F\xBF", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT, "a\xED\xA0\x80", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT, "a\xF0\x8F\xBF\xBF", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT, "a\xF4\x90\x80\x80", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT, "a\xF5\x80\x80\x80", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT, "a\xE2\x82", ERR_BAD_UTF8, "byte 1"),
    BAD(IMPORT_TEXT,
        "\xC3"
        "a",
        ERR_BAD_UTF8, "byte 0"),
    BAD(IMPORT_TEXT, "a\n\0b", ERR_BAD_CORPUS, "line 2, byte 2"),
    BAD(IMPORT_JSONL, "\n \n", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_JSONL, "{\"text\":\"a\"}\n[]\n", ERR_BAD_CORPUS, "line 2"),
    BAD(IMPORT_JSONL, "{\"text\":\"a\"}\n{}\n", ERR_BAD_CORPUS, "line 2"),
    BAD(IMPORT_JSONL, "{\"text\":null}\n", ERR_BAD_CORPUS, "line 1"),
    BAD(IMPORT_JSONL, "{\"text\":\"\"}\n", ERR_BAD_CORPUS, "line 1"),
    BAD(IMPORT_JSONL, "{\"text\":\"a\"} x\n", ERR_MALFORMED, "line 1"),
    BAD(IMPORT_JSONL, "\n\n{\"text\":\"a\n", ERR_TRUNCATED, "line 3, column 10: "),
    BAD(IMPORT_JSONL, "{\"text\":\"a\",\"text\":\"b\"}\n", ERR_DUPLICATE_KEY, "line 1"),
};

static void test_bad(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct import_result result;
        struct err err;
        int status = import(p, bad[i].format, bad[i].text, bad[i].len, &result, &err);
        if (status != -(int)bad[i].code || strstr(err.message, bad[i].part) == NULL)
            fail_msg("%zu: %s: %s", i, err_name(err.code), err.message);
    }
    assert_int_equal(entries(p, "tmp"), 0);
    assert_int_equal(entries(p, "datasets"), 0);
}

/* The same documents are one folder, whatever they came from; another order is another corpus. */
static void test_content(void **state)
{
    struct place *p = *state;
    struct import_result a, b, c;
    struct err err;
    const char *lines = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
    assert_ok(import(p, IMPORT_TEXT, "a\n\nb\n", 5, &a, &err), err);
    assert_ok(import(p, IMPORT_JSONL, lines, strlen(lines), &b, &err), err);
    assert_ok(import(p, IMPORT_TEXT, "b\n\na\n", 5, &c, &err), err);
    assert_string_equal(a.digest, b.digest);
    assert_string_not_equal(a.digest, c.digest);
    assert_int_equal(entries(p, "datasets"), 2);
    assert_documents(p, &c, "b|a");
}

/* More documents than the table of copies starts with, each twice. */
static void test_many(void **state)
{
    struct place *p = *state;
    struct import_result result;
    struct err err;
    struct buf text;
    buf_init(&text, 0);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++)
            buf_addf(&text, "document %d\n\n", i);
    assert_ok(import(p, IMPORT_TEXT, text.data, text.len, &result, &err), err);
    assert_int_equal(result.documents, 5000);
    assert_int_equal(result.duplicates, 5000);
    buf_done(&text);
}

static void test_missing(void **state)
{
    struct place *p = *state;
    struct import_result result;
    struct err err = { 0 };
    char path[PATH_MAX];
    datadir_path(&p->datadir, path, "tmp/nothing");
    assert_int_equal(import_file(&p->datadir, path, IMPORT_TEXT, &result, &err), -ERR_BAD_CORPUS);
    assert_non_null(strstr(err.message, "empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
