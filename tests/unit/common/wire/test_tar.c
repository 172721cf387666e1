/* Archives: what is written is read, by this reader and by tar(1); anything else is refused. */
#include "common/wire/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *path, *content;
} samples[] = { { "a-1/README.txt", "what this is\n" },
                { "a-1/empty", "" },
                { "a-1/runs/17/metrics.csv", "metric,step,value\ntrain/loss,1,5.5\n" } };
enum { SAMPLES = sizeof samples / sizeof *samples };

static char path[] = "/tmp/ablate-tar-XXXXXX";

static int make(void **state)
{
    (void)state;
    strcpy(path + sizeof path - 7, "XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w+");
    struct tar_writer tar = { .file = file };
    char digest[DIGEST_HEX], expected[DIGEST_HEX];
    for (int i = 0; i < SAMPLES; i++) {
        size_t len = strlen(samples[i].content);
        assert_int_equal(tar_begin(&tar, samples[i].path, NULL), 0);
        assert_int_equal(tar_add(&tar, samples[i].content, len / 2, NULL), 0);
        assert_int_equal(tar_add(&tar, samples[i].content + len / 2, len - len / 2, NULL), 0);
        assert_int_equal(tar_end(&tar, digest, NULL), 0);
        digest_of_hex(samples[i].content, len, expected);
        assert_string_equal(digest, expected);
    }
    assert_int_equal(tar_finish(&tar, NULL), 0);
    fclose(file);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    return unlink(path);
}

/* Reads everything: the number of entries, or the error. */
static int read_all(struct err *err)
{
    struct tar_reader tar;
    struct tar_entry entry;
    int status = tar_open(path, &tar, err), n = 0;
    if (status != 0)
        return status;
    while ((status = tar_next(&tar, &entry, err)) == 1)
        n++;
    tar_done(&tar);
    return status < 0 ? status : n;
}

static void test_read_back(void **state)
{
    (void)state;
    struct tar_reader tar;
    struct tar_entry entry;
    char content[200];
    assert_int_equal(tar_open(path, &tar, NULL), 0);
    for (int i = 0; i < SAMPLES; i++) {
        assert_int_equal(tar_next(&tar, &entry, NULL), 1);
        assert_string_equal(entry.path, samples[i].path);
        assert_int_equal(entry.bytes, strlen(samples[i].content));
        assert_int_equal(tar_read(&tar, entry.offset, content, (size_t)entry.bytes, NULL), 0);
        assert_memory_equal(content, samples[i].content, (size_t)entry.bytes);
    }
    assert_int_equal(tar_next(&tar, &entry, NULL), 0);
    tar_done(&tar);
}

/* tar(1) lists them without a complaint. */
static void test_tar_reads_it(void **state)
{
    (void)state;
    char command[200], line[200];
    snprintf(command, sizeof command, "tar tf %s 2>&1", path);
    FILE *listing = popen(command, "r");
    assert_non_null(listing);
    for (int i = 0; i < SAMPLES; i++) {
        assert_non_null(fgets(line, sizeof line, listing));
        line[strcspn(line, "\n")] = '\0';
        assert_string_equal(line, samples[i].path);
    }
    assert_null(fgets(line, sizeof line, listing));
    assert_int_equal(pclose(listing), 0);
}

static void flip(long at)
{
    FILE *file = fopen(path, "r+");
    fseek(file, at, SEEK_SET);
    int c = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(c ^ 1, file);
    fclose(file);
}

/* Any bit of a header and of the zeros between counts; content is the manifest's affair. */
static void test_every_byte_of_a_header_counts(void **state)
{
    (void)state;
    for (long at = 0; at < TAR_BLOCK; at++) {
        flip(at);
        struct err err = { 0 };
        int got = read_all(&err);
        /* A letter of the name may become another one: then the checksum is wrong. */
        assert_int_equal(got, -ERR_BAD_DATA);
        flip(at);
    }
    assert_int_equal(read_all(NULL), SAMPLES);
    flip(TAR_BLOCK + 300);
    assert_int_equal(read_all(NULL), -ERR_BAD_DATA);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    FILE *file = fopen(path, "r");
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    fclose(file);
    for (long left = bytes - 1; left >= 0; left -= 97) {
        assert_int_equal(truncate(path, left), 0);
        assert_int_equal(read_all(NULL), -ERR_BAD_DATA);
    }
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(read_all(NULL), -ERR_BAD_DATA);
}

static void test_something_after_the_end(void **state)
{
    (void)state;
    FILE *file = fopen(path, "a");
    for (int i = 0; i < TAR_BLOCK; i++)
        fputc(0, file);
    fclose(file);
    assert_int_equal(read_all(NULL), -ERR_BAD_DATA);
}

/* Links and devices have a type of their own and a sound checksum. */
static void test_only_plain_files(void **state)
{
    (void)state;
    static const char types[] = "1234567xgLKS\0D";
    for (size_t i = 0; i < sizeof types - 1; i++) {
        uint8_t header[TAR_BLOCK];
        assert_int_equal(tar_header(samples[0].path, 13, header, NULL), 0);
        unsigned sum = 0;
        header[156] = (uint8_t)types[i];
        memset(header + 148, ' ', 8);
        for (int k = 0; k < TAR_BLOCK; k++)
            sum += header[k];
        snprintf((char *)header + 148, 8, "%06o", sum);
        FILE *file = fopen(path, "r+");
        fwrite(header, 1, sizeof header, file);
        fclose(file);
        struct err err = { 0 };
        assert_int_equal(read_all(&err), -ERR_BAD_DATA);
        assert_non_null(strstr(err.message, "no plain file"));
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const bad[] = { "",     "/",      "/a",   "a/",   "a//b", ".",    "..",
                                       "../x", "a/../b", "a/..", "./a",  "a b",  "a\\b", "a\nb",
                                       "ä",    "a/.",    "C:x",  "\x7f", "*",    "a\x1b" };
    static const char *const good[] = { "a", "a/b", "a.b/c-d_e", "...", ".a", "a/..b", "-" };
    uint8_t header[TAR_BLOCK];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(tar_path_ok(bad[i]));
        assert_int_equal(tar_header(bad[i], 1, header, NULL), -ERR_INVALID_VALUE);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(tar_path_ok(good[i]));
}

static void test_long_paths_and_sizes(void **state)
{
    (void)state;
    char name[400];
    uint8_t header[TAR_BLOCK];
    memset(name, 'x', sizeof name);
    name[100] = '\0';
    assert_int_equal(tar_header(name, 1, header, NULL), 0);
    name[100] = 'x';
    name[101] = '\0';
    assert_int_equal(tar_header(name, 1, header, NULL), -ERR_INVALID_VALUE);
    name[1] = '/';
    assert_int_equal(tar_header(name, 1, header, NULL), 0);
    assert_int_equal(header[0], 'x');
    assert_int_equal(header[98], 'x');
    assert_int_equal(header[99], '\0');
    assert_memory_equal(header + 345, "x\0", 2);
    assert_int_equal(tar_header("a", TAR_FILE_MAX, header, NULL), 0);
    assert_memory_equal(header + 124, "77777777777", 12);
    assert_int_equal(tar_header("a", TAR_FILE_MAX + 1, header, NULL), -ERR_TOO_LARGE);
    assert_int_equal(tar_header("a", -1, header, NULL), -ERR_TOO_LARGE);
}

/* A long path is found again: it is parted in one way only. */
static void test_long_path_read_back(void **state)
{
    (void)state;
    char folder[120], name[TAR_PATH_BYTES], digest[DIGEST_HEX];
    memset(folder, 'f', sizeof folder);
    folder[sizeof folder - 1] = '\0';
    snprintf(name, sizeof name, "%s/runs/1/metrics.csv", folder);
    FILE *file = fopen(path, "w+");
    struct tar_writer tar = { .file = file };
    struct tar_reader reader;
    struct tar_entry entry;
    assert_int_equal(tar_begin(&tar, name, NULL), 0);
    assert_int_equal(tar_end(&tar, digest, NULL), 0);
    assert_int_equal(tar_finish(&tar, NULL), 0);
    fclose(file);
    assert_int_equal(tar_open(path, &reader, NULL), 0);
    assert_int_equal(tar_next(&reader, &entry, NULL), 1);
    assert_string_equal(entry.path, name);
    tar_done(&reader);
}

static void test_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    struct tar_writer tar = { .file = file };
    struct err err = { 0 };
    setvbuf(file, NULL, _IONBF, 0);
    assert_int_equal(tar_begin(&tar, "a", &err), -ERR_DISK_FULL);
    assert_true(tar_add(&tar, "b", 1, &err) < 0);
    fclose(file);
}

static void test_no_file(void **state)
{
    (void)state;
    struct tar_reader tar;
    assert_int_equal(tar_open("/nonexistent", &tar, NULL), -ERR_NOT_FOUND);
    assert_int_equal(tar_open("/tmp", &tar, NULL), -ERR_BAD_DATA);
}

int main(void)
{
#define WITH_ARCHIVE(test) cmocka_unit_test_setup_teardown(test, make, drop)
    const struct CMUnitTest tests[] = {
        WITH_ARCHIVE(test_read_back),
        WITH_ARCHIVE(test_tar_reads_it),
        WITH_ARCHIVE(test_every_byte_of_a_header_counts),
        WITH_ARCHIVE(test_cut_anywhere),
        WITH_ARCHIVE(test_something_after_the_end),
        WITH_ARCHIVE(test_only_plain_files),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_paths_and_sizes),
        WITH_ARCHIVE(test_long_path_read_back),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_no_file),
    };
    return cmocka_run_group_tests_name("tar", tests, NULL, NULL);
}
