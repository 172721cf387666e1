/* The data folder's secrets: made once, mended, made anew, and noticed. */
#include "common/base/files.h"
#include "server/data/tokens.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static struct tokens tokens;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ablate-tokens-XXXXXX");
    return mkdtemp(folder) == NULL || tokens_open(folder, &tokens, &err) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_folder(folder);
    return 0;
}

static const char *path(const char *name)
{
    static char text[200];
    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

/* Whether the file holds the text. */
static bool holds(const char *name, const char *text)
{
    char *content = NULL;
    size_t len;
    assert_int_equal(files_read(path(name), 4096, &content, &len, &err), 0);
    bool found = strstr(content, text) != NULL;
    free(content);
    return found;
}

static void test_each_kind_has_a_token_of_its_own(void **state)
{
    (void)state;
    static const char *const files[] = { "token",         "token.submit", "token.read", "curlrc",
                                         "curlrc.submit", "curlrc.read",  "key" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct stat info;
        assert_int_equal(stat(path(files[i]), &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    for (enum access a = ACCESS_READ; a < ACCESS_KINDS; a++) {
        assert_int_equal(strlen(tokens.of[a].text), TOKEN_HEX);
        assert_true(holds(tokens_file(a), tokens.of[a].text));
        for (enum access b = ACCESS_READ; b < a; b++) {
            assert_string_not_equal(tokens.of[a].text, tokens.of[b].text);
            assert_string_not_equal(tokens.of[a].mark, tokens.of[b].mark);
        }
    }
    assert_true(holds("curlrc", tokens.of[ACCESS_ADMIN].text));
    assert_true(holds("curlrc.submit", tokens.of[ACCESS_SUBMIT].text));
    assert_true(holds("curlrc.read", tokens.of[ACCESS_READ].text));
    assert_string_equal(tokens.of[ACCESS_PUBLIC].text, "");
}

static void test_they_stay_as_they_are(void **state)
{
    (void)state;
    struct tokens again, peeked;
    assert_int_equal(tokens_open(folder, &again, &err), 0);
    assert_int_equal(tokens_peek(folder, &peeked, &err), 0);
    for (enum access a = ACCESS_READ; a < ACCESS_KINDS; a++) {
        assert_string_equal(again.of[a].text, tokens.of[a].text);
        assert_string_equal(peeked.of[a].text, tokens.of[a].text);
    }
    assert_string_equal(again.instance, tokens.instance);
    assert_int_equal(strlen(tokens.key), TOKEN_HEX);
    assert_true(holds("key", tokens.key));
    assert_string_equal(again.key, tokens.key);
    assert_string_equal(peeked.key, "");
    assert_int_equal(tokens_refresh(folder, &tokens), 0);
}

static void test_a_rotation_is_noticed_and_changes_nothing_else(void **state)
{
    (void)state;
    const struct tokens before = tokens;
    assert_int_equal(tokens_rotate(folder, ACCESS_SUBMIT, &err), 0);
    assert_int_equal(tokens_refresh(folder, &tokens), 1U << ACCESS_SUBMIT);
    assert_int_equal(tokens_refresh(folder, &tokens), 0);
    assert_string_not_equal(tokens.of[ACCESS_SUBMIT].text, before.of[ACCESS_SUBMIT].text);
    assert_string_not_equal(tokens.of[ACCESS_SUBMIT].mark, before.of[ACCESS_SUBMIT].mark);
    assert_true(holds("curlrc.submit", tokens.of[ACCESS_SUBMIT].text));
    assert_string_equal(tokens.of[ACCESS_READ].text, before.of[ACCESS_READ].text);
    assert_string_equal(tokens.of[ACCESS_ADMIN].text, before.of[ACCESS_ADMIN].text);
    /* The cookie keeps its name, or sessions of other kinds would be lost. */
    assert_int_equal(tokens_rotate(folder, ACCESS_ADMIN, &err), 0);
    assert_int_equal(tokens_open(folder, &tokens, &err), 0);
    assert_string_equal(tokens.instance, before.instance);
    /* Nor would workers that train be known. */
    assert_string_equal(tokens.key, before.key);
}

static void test_what_cannot_be_read_is_no_token(void **state)
{
    (void)state;
    assert_int_equal(unlink(path("token.read")), 0);
    assert_int_equal(tokens_refresh(folder, &tokens), 1U << ACCESS_READ);
    assert_string_equal(tokens.of[ACCESS_READ].text, "");
    assert_int_equal(files_write(path("token"), "short\n", 6, 0600, &err), 0);
    assert_int_equal(tokens_refresh(folder, &tokens), 1U << ACCESS_ADMIN);
    assert_string_equal(tokens.of[ACCESS_ADMIN].text, "");
    assert_int_equal(tokens_refresh(folder, &tokens), 0);
    struct tokens fresh;
    assert_int_equal(tokens_open(folder, &fresh, &err), -ERR_BAD_DATA);
    assert_non_null(strstr(err.message, "remove it"));
    assert_int_equal(tokens_peek(folder, &fresh, &err), -ERR_BAD_DATA);
    assert_int_equal(unlink(path("token")), 0);
    assert_int_equal(tokens_peek(folder, &fresh, &err), -ERR_NOT_FOUND);
    assert_int_equal(tokens_open(folder, &fresh, &err), 0);
    assert_int_equal(strlen(fresh.of[ACCESS_ADMIN].text), TOKEN_HEX);
    assert_int_equal(strlen(fresh.of[ACCESS_READ].text), TOKEN_HEX);
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    char elsewhere[200];
    snprintf(elsewhere, sizeof elsewhere, "%s", path("elsewhere"));
    assert_int_equal(rename(path("token.read"), elsewhere), 0);
    assert_int_equal(symlink(elsewhere, path("token.read")), 0);
    tokens_refresh(folder, &tokens);
    assert_string_equal(tokens.of[ACCESS_READ].text, "");
}

static void test_a_curlrc_that_was_left_behind_is_mended(void **state)
{
    (void)state;
    assert_int_equal(files_write(path("curlrc.read"), "# old\n", 6, 0600, &err), 0);
    assert_int_equal(tokens_open(folder, &tokens, &err), 0);
    assert_true(holds("curlrc.read", tokens.of[ACCESS_READ].text));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_each_kind_has_a_token_of_its_own),
        TEST(test_they_stay_as_they_are),
        TEST(test_a_rotation_is_noticed_and_changes_nothing_else),
        TEST(test_what_cannot_be_read_is_no_token),
        TEST(test_links_are_not_followed),
        TEST(test_a_curlrc_that_was_left_behind_is_mended),
    };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
