/* Codes and sessions: used once, ended for good, bounded, whatever the clock does. */
#include "server/data/passes.h"

#include "common/base/clock.h"
#include "common/base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct tokens tokens;
static struct passes passes;
static struct err err;
static char secret[PASS_SECRET_HEX + 1];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ablate-passes-XXXXXX");
    return mkdtemp(folder) == NULL || tokens_open(folder, &tokens, &err) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_folder(folder);
    return 0;
}

static struct pass make(enum pass_kind kind, enum access access)
{
    struct pass pass;
    assert_int_equal(passes_make(folder, kind, &tokens, access, secret, &pass, &err), 0);
    return pass;
}

static int use(const char *code)
{
    struct pass pass;
    char digest[DIGEST_HEX];
    return pass_digest(code, digest) ? passes_use(folder, &tokens, digest, &pass, &err)
                                     : -ERR_NOT_FOUND;
}

/* As passes_make leaves one, without its wait for the disk. */
static struct pass put(enum pass_kind kind, enum access access, int64_t expiry_s)
{
    static int made;
    char path[400];
    struct pass pass = { .access = access, .expiry_s = expiry_s };
    digest_of_hex(&made, sizeof made, pass.digest);
    made++;
    memcpy(pass.mark, tokens.of[access].mark, sizeof pass.mark);
    snprintf(path, sizeof path, "%s/%s/%s.%s.%s.%lld", folder, pass_folders[kind], pass.digest,
             access_names[access], pass.mark, (long long)expiry_s);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    return pass;
}

static size_t files_in(enum pass_kind kind)
{
    char path[128];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, pass_folders[kind]);
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return n;
}

static const struct passes *load(enum pass_kind kind)
{
    assert_int_equal(passes_load(folder, kind, &tokens, &passes, &err), 0);
    return &passes;
}

static void test_a_code_works_once_whatever_the_clock_does(void **state)
{
    (void)state;
    char used[PASS_SECRET_HEX + 1];
    make(PASS_CODE, ACCESS_ADMIN);
    memcpy(used, secret, sizeof used);
    assert_int_equal(use(used), 0);
    assert_int_equal(use(used), -ERR_NOT_FOUND);
    clock_shift(2 * PASS_CODE_S * 1000, 0);
    make(PASS_CODE, ACCESS_ADMIN);
    assert_int_equal(use(secret), 0);
    clock_shift(-2 * PASS_CODE_S * 1000, 0);
    assert_int_equal(use(used), -ERR_NOT_FOUND);
    assert_int_equal(files_in(PASS_CODE), 0);
}

static void test_a_code_is_good_for_ten_minutes(void **state)
{
    (void)state;
    char first[PASS_SECRET_HEX + 1];
    struct pass pass = make(PASS_CODE, ACCESS_ADMIN);
    memcpy(first, secret, sizeof first);
    assert_int_equal(pass.expiry_s - clock_wall_ms() / 1000, PASS_CODE_S);
    clock_shift((PASS_CODE_S - 2) * 1000, 0);
    assert_true(pass_holds(&pass, PASS_CODE, &tokens));
    clock_shift(2000, 0);
    assert_false(pass_holds(&pass, PASS_CODE, &tokens));
    /* Another code is asked for, so that the first is seen to be over: it stays over. */
    assert_int_equal(use(first), -ERR_NOT_FOUND);
    clock_shift(-PASS_CODE_S * 1000, 0);
    assert_int_equal(use(first), -ERR_NOT_FOUND);
}

/* The clock was ahead when they were made, or somebody wrote the name by hand. */
static void test_what_ends_later_than_any_is_over(void **state)
{
    (void)state;
    const struct {
        enum pass_kind kind;
        int seconds;
    } cases[] = { { PASS_CODE, PASS_CODE_S }, { PASS_SESSION, PASS_SESSION_S } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clock_shift(3600 * 1000, 0);
        struct pass early = make(cases[i].kind, ACCESS_READ);
        assert_true(pass_holds(&early, cases[i].kind, &tokens));
        clock_shift(-3600 * 1000, 0);
        assert_false(pass_holds(&early, cases[i].kind, &tokens));
        assert_int_equal(load(cases[i].kind)->n[ACCESS_READ], 0);
        clock_shift(3600 * 1000, 0);
        assert_int_equal(load(cases[i].kind)->n[ACCESS_READ], 0);
        clock_shift(-3600 * 1000, 0);
        /* A clock is set back a little all the time. */
        make(cases[i].kind, ACCESS_READ);
        clock_shift(-30 * 1000, 0);
        assert_int_equal(load(cases[i].kind)->n[ACCESS_READ], 1);
        clock_shift(30 * 1000, 0);
    }
}

static void test_ended_sessions_never_come_back(void **state)
{
    (void)state;
    enum { MANY = 40 };
    struct pass admin = make(PASS_SESSION, ACCESS_ADMIN), kept = make(PASS_SESSION, ACCESS_ADMIN);
    assert_int_equal(passes_end(folder, PASS_SESSION, &admin, &err), 0);
    assert_int_equal(passes_end(folder, PASS_SESSION, &admin, &err), -ERR_NOT_FOUND);
    for (int i = 0; i < MANY; i++) {
        struct pass reader = make(PASS_SESSION, ACCESS_READ);
        assert_int_equal(passes_end(folder, PASS_SESSION, &reader, &err), 0);
    }
    load(PASS_SESSION);
    assert_null(passes_find(&passes, admin.digest));
    assert_non_null(passes_find(&passes, kept.digest));
    assert_int_equal(files_in(PASS_SESSION), 1);
}

/* One more ends the one that would have gone first, of its own access alone; in the folder and in
 * memory it is the same one. */
static void test_each_access_has_so_many(void **state)
{
    (void)state;
    static struct passes memory;
    const struct {
        enum pass_kind kind;
        size_t max;
    } cases[] = { { PASS_CODE, PASS_CODES_MAX }, { PASS_SESSION, PASS_SESSIONS_MAX } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pass ended, admin = make(cases[i].kind, ACCESS_ADMIN);
        int64_t now = clock_wall_ms() / 1000;
        struct pass first = put(cases[i].kind, ACCESS_READ, now + 60);
        for (size_t n = 1; n < cases[i].max; n++)
            put(cases[i].kind, ACCESS_READ, now + 60 + (int64_t)n);
        memory = *load(cases[i].kind);
        assert_int_equal(memory.n[ACCESS_READ], cases[i].max);
        struct pass last = make(cases[i].kind, ACCESS_READ);
        passes_add(&memory, &last, &ended);
        assert_string_equal(ended.digest, first.digest);
        load(cases[i].kind);
        assert_int_equal(files_in(cases[i].kind), cases[i].max + 1);
        assert_null(passes_find(&passes, first.digest));
        assert_non_null(passes_find(&passes, last.digest));
        assert_non_null(passes_find(&passes, admin.digest));
        for (size_t n = 0; n < passes.n[ACCESS_READ]; n++)
            assert_non_null(passes_find(&memory, passes.of[ACCESS_READ][n].digest));
        passes_drop(&memory, last.digest);
        assert_null(passes_find(&memory, last.digest));
        assert_int_equal(memory.n[ACCESS_READ], cases[i].max - 1);
    }
}

static void test_they_die_with_their_token(void **state)
{
    (void)state;
    char codes[ACCESS_KINDS][PASS_SECRET_HEX + 1];
    struct pass sessions[ACCESS_KINDS];
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++) {
        make(PASS_CODE, access);
        memcpy(codes[access], secret, sizeof secret);
        sessions[access] = make(PASS_SESSION, access);
    }
    const struct tokens before = tokens;
    assert_int_equal(tokens_rotate(folder, ACCESS_SUBMIT, &err), 0);
    assert_int_equal(tokens_refresh(folder, &tokens), 1U << ACCESS_SUBMIT);
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        assert_int_equal(pass_holds(&sessions[access], PASS_SESSION, &tokens),
                         access != ACCESS_SUBMIT);
    passes_tidy(folder, &tokens);
    assert_int_equal(files_in(PASS_CODE) + files_in(PASS_SESSION), 4);
    tokens = before; /* the old one is put back */
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++)
        assert_int_equal(use(codes[access]), access == ACCESS_SUBMIT ? -ERR_NOT_FOUND : 0);
    assert_int_equal(load(PASS_SESSION)->n[ACCESS_SUBMIT], 0);
}

/* Without its token a pass opens nothing; that the token can't be read may pass. */
static void test_a_token_that_is_away_ends_nothing(void **state)
{
    (void)state;
    struct pass session = make(PASS_SESSION, ACCESS_READ), none;
    const struct tokens before = tokens;
    tokens.of[ACCESS_READ] = (struct token){ 0 };
    assert_false(pass_holds(&session, PASS_SESSION, &tokens));
    assert_false(pass_is_over(&session, PASS_SESSION, &tokens));
    assert_int_equal(passes_make(folder, PASS_CODE, &tokens, ACCESS_READ, secret, &none, &err),
                     -ERR_NOT_FOUND);
    passes_tidy(folder, &tokens);
    tokens = before;
    assert_non_null(passes_find(load(PASS_SESSION), session.digest));
}

static void test_what_is_no_secret_opens_nothing(void **state)
{
    (void)state;
    char digest[DIGEST_HEX], other[PASS_SECRET_HEX + 2];
    struct pass pass = make(PASS_CODE, ACCESS_READ);
    assert_int_equal(use(pass.digest), -ERR_NOT_FOUND); /* what a look into the folder shows */
    for (size_t i = 0; i < PASS_SECRET_HEX; i++) {
        memcpy(other, secret, sizeof secret);
        other[i] = other[i] == '0' ? '1' : '0';
        assert_int_equal(use(other), -ERR_NOT_FOUND);
        other[i] = 'A';
        assert_false(pass_digest(other, digest));
        other[i] = '\0';
        assert_false(pass_digest(other, digest));
    }
    snprintf(other, sizeof other, "%s0", secret);
    assert_false(pass_digest(other, digest));
    assert_int_equal(use(secret), 0);
}

/* Names that aren't ours are left alone, and open nothing. */
static void test_strange_files_are_no_passes(void **state)
{
    (void)state;
    static const char *const names[] = { "",
                                         "x",
                                         ".admin.0123456789abcdef.1",
                                         "%s.root.%s.%lld",
                                         "%s.public.%s.%lld",
                                         "%s.admin.%s.%lldx",
                                         "%s.admin.%s.",
                                         "%s.admin" };
    char path[400], name[300];
    struct pass pass = make(PASS_SESSION, ACCESS_ADMIN);
    size_t before = files_in(PASS_SESSION);
    for (size_t i = 1; i < sizeof names / sizeof *names; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(name, sizeof name, names[i], pass.digest, pass.mark, (long long)pass.expiry_s);
#pragma GCC diagnostic pop
        snprintf(path, sizeof path, "%s/sessions/%s", folder, name);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0 && close(fd) == 0);
    }
    assert_int_equal(load(PASS_SESSION)->n[ACCESS_ADMIN], 1);
    assert_true(files_in(PASS_SESSION) >= before + 6);
}

static void test_files_are_the_owners_and_hold_no_secret(void **state)
{
    (void)state;
    char path[400];
    struct stat info;
    mode_t old = umask(0);
    struct pass pass = make(PASS_SESSION, ACCESS_SUBMIT);
    umask(old);
    snprintf(path, sizeof path, "%s/sessions/%s.submit.%s.%lld", folder, pass.digest, pass.mark,
             (long long)pass.expiry_s);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(info.st_size, 0);
    assert_null(strstr(path, secret));
    assert_null(strstr(tokens.of[ACCESS_SUBMIT].text, pass.mark));
    *strrchr(path, '/') = '\0';
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_code_works_once_whatever_the_clock_does),
        TEST(test_a_code_is_good_for_ten_minutes),
        TEST(test_what_ends_later_than_any_is_over),
        TEST(test_ended_sessions_never_come_back),
        TEST(test_each_access_has_so_many),
        TEST(test_they_die_with_their_token),
        TEST(test_a_token_that_is_away_ends_nothing),
        TEST(test_what_is_no_secret_opens_nothing),
        TEST(test_strange_files_are_no_passes),
        TEST(test_files_are_the_owners_and_hold_no_secret),
    };
    return cmocka_run_group_tests_name("passes", tests, NULL, NULL);
}
