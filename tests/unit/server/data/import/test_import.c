/* Imports against what corpus.h says of a stored corpus, read back byte for byte. */
#include "tests/unit/server/fixture.h"

#include "common/base/files.h"
#include "common/corpus/corpus.h"
#include "common/philox.h"
#include "server/data/import/import.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static int place(struct place *p, struct import_result *result, struct err *err)
{
    int status = import_place(&p->datadir, result, err);
    import_drop(&p->datadir, result);
    return status;
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
    const struct import_request request = { .upload = upload, .format = format };
    int status = import_file(&p->datadir, &request, ret, err);
    unlink(upload);
    return status == 0 ? place(p, ret, err) : status;
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
    { IMPORT_JSONL, "{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\"}",
      "\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC", 0 },
    { IMPORT_JSONL,
      "{\"t\\u0065xt\" : \"a\"}\n{\"x\":{\"text\":\"\"},\"text\":\"b\",\"y\":\"text\"}", "a|b", 0 },
    { IMPORT_JSONL, "{\"text\":\"a\"}\r{\"text\":\"b\"}\r", "a|b", 0 },
    { IMPORT_JSONL,
      "{\"text\":\"a\"}\n\xEF\xBB\xBF{\"text\":\"\xEF\xBB\xBF"
      "b\"}",
      "a|\xEF\xBB\xBF"
      "b",
      0 },
    { IMPORT_JSONL, "{\"text\":\"a\"}\n{\"text\":\" \"}", "a| ", 0 },
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

/* What is done beyond the ordinary, and the one note that says so. */
static const struct {
    const char *text, *documents;
    enum import_note note;
    int64_t times;
} noted[] = {
    { "a\rb\r\rc", "a\nb|c", IMPORT_CR_ENDS, 3 },
    { "a\r\r\nb\r\r\n\r\r\nc\r\r\n", "a\nb|c", IMPORT_CRCRLF, 4 },
    { "a\r\r\r\n\nb", "a|b", IMPORT_CRCRLF, 1 },
    { "a\rb\n\nc\r", "a\rb|c", IMPORT_NOTES, 0 },
    { "a\n\n\xEF\xBB\xBF"
      "b\n\n\xEF\xBB\xBF\n\nc",
      "a|b|c", IMPORT_MARKS, 2 },
    { "\xEF\xBB\xBF"
      "a\n\nb",
      "a|b", IMPORT_MARKS, 1 },
    { "a\xEF\xBB\xBF"
      "b",
      "a\xEF\xBB\xBF"
      "b",
      IMPORT_MARKS_KEPT, 1 },
    { "a\n\n\xC2\xA0\n\nb\n\n \xE2\x80\x8B\n\xE3\x80\x80", "a|b", IMPORT_UNSEEN_DROPPED, 2 },
    { "a\n\nb\n\nc\n%\nd\n\ne", "a|b|c\n%\nd|e", IMPORT_PERCENT_KEPT, 1 },
    { "a\n\nb\n\nc\n\n%\n\nd\n\ne", "a|b|c|%|d|e", IMPORT_PERCENT_KEPT, 1 },
    { "a\n\nb\n%\nc\n\nd\n%\ne\n\nf\n", "a\n\nb|c\n\nd|e\n\nf", IMPORT_NOTES, 0 },
    { "{\"text\":\"a\"}\n\n {\"id\":1,\"text\":\"b\"} \n", "a|b", IMPORT_TAKEN_AS_JSONL, 2 },
    { "{\"text\":\"a\"}\r{\"text\":\"\\u00a0\"}", "a|\xC2\xA0", IMPORT_NOTES, 0 },
    { "{\"content\":\"a\"}\n{\"content\":\"b\"}\n", "{\"content\":\"a\"}\n{\"content\":\"b\"}",
      IMPORT_JSON_KEPT, 2 },
    { "[{\"text\":\"a\"},{\"text\":\"b\"}]", "[{\"text\":\"a\"},{\"text\":\"b\"}]",
      IMPORT_BRACKETS_KEPT, 1 },
    { "\n[\n \"a\",\n \"b\"\n]\n\n", "[\n \"a\",\n \"b\"\n]", IMPORT_BRACKETS_KEPT, 4 },
    { "{\n \"text\": \"a\"\n}\n", "{\n \"text\": \"a\"\n}", IMPORT_BRACKETS_KEPT, 3 },
    { "[a] b [c]", "[a] b [c]", IMPORT_NOTES, 0 },
    { "[\"a\" b", "[\"a\" b", IMPORT_NOTES, 0 },
    { "{a}\n\nb", "{a}|b", IMPORT_NOTES, 0 },
    { "{\"text\":\"a\"}\nb", "{\"text\":\"a\"}\nb", IMPORT_NOTES, 0 },
};

static size_t notes_of(const struct import_result *result, struct buf *ret)
{
    size_t n = 0;
    for (int note = 0; note < IMPORT_NOTES; note++) {
        n += result->notes[note] != 0;
        import_note(result, (enum import_note)note, ret);
    }
    return n;
}

static void test_notes(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < sizeof noted / sizeof *noted; i++) {
        struct import_result result;
        struct err err;
        char times[32];
        struct buf notes;
        buf_init(&notes, 0);
        assert_ok(import(p, IMPORT_TEXT, noted[i].text, strlen(noted[i].text), &result, &err), err);
        assert_documents(p, &result, noted[i].documents);
        size_t n = notes_of(&result, &notes);
        snprintf(times, sizeof times, "%lld ", (long long)noted[i].times);
        bool ends = strchr(noted[i].text, '\r') != NULL;
        if (noted[i].note == IMPORT_NOTES && !ends) {
            assert_int_equal(n, 0);
        } else if (noted[i].note != IMPORT_NOTES) {
            assert_int_equal(n, 1);
            assert_int_equal(result.notes[noted[i].note], noted[i].times);
            assert_non_null(strstr(notes.data, times));
        }
        buf_done(&notes);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct import_result result;
        struct err err;
        struct buf notes;
        buf_init(&notes, 0);
        assert_ok(import(p, good[i].format, good[i].text, strlen(good[i].text), &result, &err),
                  err);
        if (strpbrk(good[i].text, "\r\xEF") == NULL && strcmp(good[i].documents, "a| ") != 0)
            assert_int_equal(notes_of(&result, &notes), 0);
        buf_done(&notes);
    }
}

/* A stated format is believed. */
static void test_stated(void **state)
{
    struct place *p = *state;
    static const char lines[] = "{\"text\":\"a\"}\n{\"text\":\"b\"}\n";
    char upload[PATH_MAX];
    struct import_result result;
    struct err err = { 0 };
    const struct import_request request = { .upload = upload, .stated = true };
    datadir_path(&p->datadir, upload, "tmp/upload");
    assert_ok(files_write(upload, lines, strlen(lines), 0600, &err), err);
    assert_ok(import_file(&p->datadir, &request, &result, &err), err);
    assert_ok(place(p, &result, &err), err);
    assert_int_equal(result.format, IMPORT_TEXT);
    assert_documents(p, &result, "{\"text\":\"a\"}\n{\"text\":\"b\"}");
    assert_int_equal(result.notes[IMPORT_LOOKS_LIKE_JSONL], 2);
    unlink(upload);
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
    BAD(IMPORT_JSONL, "{\"text\":\"a\\x\"}\n", ERR_MALFORMED, "line 1, column 12: "),
    BAD(IMPORT_JSONL, "{\"text\":\"\xC3\xA9\\u12G4\"}\n", ERR_MALFORMED, "column 15: "),
    BAD(IMPORT_JSONL, "{\"text\":\"\\ud83d\"}\n", ERR_MALFORMED, "surrogate"),
    BAD(IMPORT_JSONL, "{\"text\":\"\\ud83d\\n\"}\n", ERR_MALFORMED, "surrogate"),
    BAD(IMPORT_JSONL, "{\"text\":\"\\ud83d\\ud83d\"}\n", ERR_MALFORMED, "surrogate"),
    BAD(IMPORT_JSONL, "{\"text\":\"\\ude00\"}\n", ERR_MALFORMED, "surrogate"),
    BAD(IMPORT_JSONL, "{\"text\":\"\\u0000\"}\n", ERR_MALFORMED, "u0000"),
    BAD(IMPORT_JSONL, "{\"text\":\"a\tb\"}\n", ERR_MALFORMED, "control character"),
    BAD(IMPORT_JSONL, "{\"text\":\"abc\xC3\xA9\" x}\n", ERR_MALFORMED, "line 1, column 16: "),
    BAD(IMPORT_JSONL, "{\"text\":\" \"}\n", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_TEXT, "\xC2\xA0\n\n\xE2\x80\xA8", ERR_BAD_CORPUS, "no document"),
    BAD(IMPORT_TEXT, "a\rb\x80", ERR_BAD_UTF8, "line 2, byte 3"),
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
    assert_int_equal(entries(p, "tmp"), 0);
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

/* Documents that pieces break off in, with blank stretches that are taken back, against a plain
 * restatement of the rule that has it all in memory. */

enum { LARGE = 1 << 20 };

static void add_line(struct buf *to, const struct philox *stream, uint32_t *draw, bool percent)
{
    static const char *const parts[] = {
        "a", "bc ", "\xC3\xA9", "\xF0\x9F\x98\x80", " ", "%", "\t"
    };
    uint32_t kind = philox_word(stream, 0, (*draw)++) % 16, n = philox_word(stream, 0, (*draw)++);
    if (kind < 3 && percent)
        buf_adds(to, "%");
    else if (kind < 6)
        for (n %= kind == 5 ? 100000 : 4; n > 0; n--)
            buf_addc(to, ' ');
    else
        for (n %= kind == 6 ? 50000 : 12; n > 0; n--)
            buf_adds(to, parts[philox_word(stream, 0, (*draw)++) % 7]);
    buf_addc(to, '\n');
}

/* The documents, each followed by a NUL; copies are kept. */
static void restate(const char *text, bool percent, struct buf *ret)
{
    size_t begin = ret->len, end = begin;
    for (const char *lf; (lf = strchr(text, '\n')) != NULL; text = lf + 1) {
        size_t n = (size_t)(lf - text);
        bool blank = strspn(text, " \t") == n;
        bool separates = percent ? n == 1 && *text == '%' : blank;
        if (!blank && !separates) {
            buf_add(ret, text, n);
            end = ret->len;
        }
        if (ret->len > begin)
            buf_addc(ret, '\n');
        if (!separates || end == begin)
            continue;
        ret->len = end;
        buf_addc(ret, '\0');
        begin = end = ret->len;
    }
    ret->len = end;
    if (end > begin)
        buf_addc(ret, '\0');
}

static void assert_restated(struct place *p, const struct import_result *result,
                            const struct buf *want)
{
    char path[PATH_MAX];
    struct corpus corpus;
    struct err err = { 0 };
    size_t at = 0, from = 0;
    datadir_path(&p->datadir, path, "datasets/%s", result->digest);
    assert_ok(corpus_open(path, &corpus, &err), err);
    for (size_t i = 0; i < corpus.documents; i++) {
        size_t n = (size_t)corpus.ends[i] - from;
        while (strlen(want->data + at) != n ||
               memcmp(corpus.text + from, want->data + at, n) != 0) {
            at += strlen(want->data + at) + 1; /* a copy of an earlier one */
            assert_true(at < want->len);
        }
        at += n + 1;
        from = (size_t)corpus.ends[i];
    }
    corpus_done(&corpus);
}

static void test_pieces(void **state)
{
    struct place *p = *state;
    for (uint32_t round = 0; round < 6; round++) {
        const struct philox stream = philox_stream(round, "test", "import");
        struct import_result result, again;
        struct err err;
        struct buf text, crlf, want;
        uint32_t draw = 0;
        int64_t documents = 0;
        buf_init(&text, 0);
        buf_init(&crlf, 0);
        buf_init(&want, 0);
        while (text.len < LARGE)
            add_line(&text, &stream, &draw, round % 2 == 1);
        restate(text.data, round % 2 == 1, &want);
        for (size_t i = 0; i < text.len; i++) {
            if (text.data[i] == '\n')
                buf_adds(&crlf, "\r");
            buf_addc(&crlf, text.data[i]);
        }
        for (size_t i = 0; i < want.len; i++)
            documents += want.data[i] == '\0';
        assert_ok(import(p, IMPORT_TEXT, text.data, text.len, &result, &err), err);
        assert_int_equal(result.documents + result.duplicates, documents);
        assert_restated(p, &result, &want);
        assert_ok(import(p, IMPORT_TEXT, crlf.data, crlf.len, &again, &err), err);
        assert_string_equal(again.digest, result.digest);
        buf_done(&text);
        buf_done(&crlf);
        buf_done(&want);
    }
}

/* A text whose every byte is written as an escape, at every place of a piece. */
static void test_long_json(void **state)
{
    struct place *p = *state;
    struct import_result result, plain;
    struct err err;
    struct buf json, text;
    buf_init(&json, 0);
    buf_init(&text, 0);
    buf_adds(&json, "{\"id\":[1],\"text\":\"");
    for (int i = 0; i < 30000; i++) {
        static const char *const escaped[] = { "\\ud83d\\ude00", "x", "\\u00e9", "\\\\",
                                               "\xE2\x82\xAC" };
        static const char *const meant[] = { "\xF0\x9F\x98\x80", "x", "\xC3\xA9", "\\",
                                             "\xE2\x82\xAC" };
        buf_adds(&json, escaped[(i * 7 + i / 5) % 5]);
        buf_adds(&text, meant[(i * 7 + i / 5) % 5]);
    }
    buf_adds(&json, "\"}\n");
    assert_ok(import(p, IMPORT_JSONL, json.data, json.len, &result, &err), err);
    assert_ok(import(p, IMPORT_TEXT, text.data, text.len, &plain, &err), err);
    assert_string_equal(result.digest, plain.digest);
    buf_clear(&json);
    buf_adds(&json, "{\"text\":\"a\",\"x\":\"");
    for (int i = 0; i < IMPORT_BESIDE_MAX; i++)
        buf_addc(&json, 'x');
    buf_adds(&json, "\"}\n");
    assert_int_equal(import(p, IMPORT_JSONL, json.data, json.len, &result, &err), -ERR_BAD_CORPUS);
    assert_non_null(strstr(err.message, "line 1 has more than"));
    buf_done(&json);
    buf_done(&text);
}

/* A document four times as long as the memory that is left beside the families' table. IMPORT_MIB
 * makes it longer. */

enum { TABLE_MIB = 96, LEFT_MIB = 8, DOCUMENT_MIB = 4 * LEFT_MIB };

static int64_t data_bytes(void)
{
    long long kib = -1;
    char line[128];
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmData: %lld", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

static void write_long(const char *path, const char *before, const char *after)
{
    const char *wanted = getenv("IMPORT_MIB");
    long mib = wanted != NULL ? strtol(wanted, NULL, 10) : DOCUMENT_MIB;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(before, file);
    for (long i = 0; i < mib << 15; i++)
        fprintf(file, "line %010ld of one text%s", i,
                i % 64 == 0 ? " \xE2\x82\xAC  " : "  \xC3\xA9\xC3\xA9 ");
    fputs(after, file);
    fclose(file);
}

static void import_within(struct place *p, enum import_format format, const char *before,
                          const char *after)
{
    char upload[PATH_MAX];
    int ended = 0;
    datadir_path(&p->datadir, upload, "tmp/upload");
    write_long(upload, before, after);
    pid_t child = fork();
    if (child == 0) {
        rlim_t most = (rlim_t)data_bytes() + ((rlim_t)(TABLE_MIB + LEFT_MIB) << 20);
        const struct import_request request = { .upload = upload, .format = format };
        struct import_result result = { 0 };
        struct err err = { 0 };
        setrlimit(RLIMIT_DATA, &(struct rlimit){ most, most });
        if (import_file(&p->datadir, &request, &result, &err) != 0)
            fprintf(stderr, "%s\n", err.message);
        void *more = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(result.documents != 1 ? 1 : more != MAP_FAILED ? 2 : 0); /* 2: nothing was limited */
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    unlink(upload);
}

static void test_memory(void **state)
{
    import_within(*state, IMPORT_TEXT, "", "\n");
    import_within(*state, IMPORT_JSONL, "{\"text\":\"", "\",\"id\":1}\n");
}

static void test_stopped(void **state)
{
    struct place *p = *state;
    static const char text[] = "a\n\nb\n";
    const atomic_bool stop = true;
    char upload[PATH_MAX];
    struct import_result result;
    struct err err = { 0 };
    const struct import_request request = { .upload = upload, .stop = &stop };
    datadir_path(&p->datadir, upload, "tmp/upload");
    assert_ok(files_write(upload, text, strlen(text), 0600, &err), err);
    assert_int_equal(import_file(&p->datadir, &request, &result, &err), -ERR_UNAVAILABLE);
    unlink(upload);
    assert_int_equal(entries(p, "tmp"), 0);
}

static void test_missing(void **state)
{
    struct place *p = *state;
    struct import_result result;
    struct err err = { 0 };
    char path[PATH_MAX];
    const struct import_request request = { .upload = path };
    datadir_path(&p->datadir, path, "tmp/nothing");
    assert_int_equal(import_file(&p->datadir, &request, &result, &err), -ERR_BAD_CORPUS);
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
        cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
