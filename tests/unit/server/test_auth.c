/* Hosts, log-in codes and their time. What needs a connection is in tests/e2e/http.test.mjs. */
#include "common/clock.h"
#include "common/files.h"
#include "server/http/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct options options;
static struct datadir datadir;
static const struct token *const admin = &datadir.tokens.of[ACCESS_ADMIN];

/* A folder with tokens; every auth of a test is made from it. */
static int set_up(void **state)
{
    (void)state;
    strcpy(datadir.path, "/tmp/ablate-auth-XXXXXX");
    return mkdtemp(datadir.path) == NULL || tokens_open(datadir.path, &datadir.tokens, NULL) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_folder(datadir.path);
    return 0;
}

static struct auth *make(const char *public_url)
{
    struct auth *auth = NULL;
    snprintf(options.public_url, sizeof options.public_url, "%s", public_url);
    assert_int_equal(auth_new(&datadir, &options, &auth, NULL), 0);
    return auth;
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool plain, public;
    } cases[] = {
        { "127.0.0.1", true, true },
        { "127.0.0.1:8642", true, true },
        { "10.1.2.3:1", true, true },
        { "[::1]", true, true },
        { "[::1]:8642", true, true },
        { "[fe80::1]:80", true, true },
        { "localhost", true, true },
        { "LocalHost:80", true, true },
        { "ablate.example", false, true },
        { "Ablate.Example", false, true },
        { "ablate.example:443", false, false },
        { "x.ablate.example", false, false },
        { "ablate.example.", false, false },
        { "localhost.", false, false },
        { "localhost.example", false, false },
        { "127.0.0.1.example", false, false },
        { "127.0.0.1 ", false, false },
        { " localhost", false, false },
        { "localhost:", false, false },
        { "localhost:8a", false, false },
        { "localhost:1:2", false, false },
        { "[::1", false, false },
        { "[localhost]", false, false },
        { "0x7f.1", false, false },
        { "2130706433", false, false },
        { "", false, false },
        { ":80", false, false },
    };
    struct auth *plain = make("");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (auth_host_allowed(plain, cases[i].host) != cases[i].plain)
            fail_msg("\"%s\"", cases[i].host);
    auth_free(plain);
    struct auth *public = make("https://ablate.example");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (auth_host_allowed(public, cases[i].host) != cases[i].public)
            fail_msg("\"%s\" with a public name", cases[i].host);
    auth_free(public);
}

static void test_a_code_is_good_for_ten_minutes(void **state)
{
    (void)state;
    struct auth *auth = make("");
    struct auth_nonce nonce = { 0 }, other = { 0 };
    struct err err = { 0 };
    char code[AUTH_CODE_BYTES], second[AUTH_CODE_BYTES];
    auth_code_make(admin, code);
    auth_code_make(admin, second);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), 0);
    assert_int_equal(auth_code_check(auth, second, &other, &err), 0);
    assert_string_not_equal(nonce.text, other.text);
    assert_int_equal(nonce.expiry_s - clock_wall_ms() / 1000, AUTH_CODE_S);
    clock_shift((AUTH_CODE_S - 2) * 1000, 0);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), 0);
    clock_shift(2000, 0);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), -ERR_UNAUTHORIZED);
    clock_shift(-AUTH_CODE_S * 1000, 0);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), 0);
    auth_free(auth);
}

static void test_a_changed_code_is_none(void **state)
{
    (void)state;
    struct auth *auth = make("");
    struct auth_nonce nonce;
    struct err err;
    char code[AUTH_CODE_BYTES];
    auth_code_make(admin, code);
    size_t len = strlen(code);
    for (size_t i = 0; i < len; i++) {
        char before = code[i];
        static const char others[] = "019af-. ";
        for (const char *c = others; *c != '\0'; c++) {
            if (*c == before)
                continue;
            code[i] = *c;
            if (auth_code_check(auth, code, &nonce, &err) != -ERR_UNAUTHORIZED)
                fail_msg("'%c' for '%c' at %zu", *c, before, i);
        }
        code[i] = '\0';
        assert_int_equal(auth_code_check(auth, code, &nonce, &err), -ERR_UNAUTHORIZED);
        code[i] = before;
    }
    struct token elsewhere = *admin;
    elsewhere.key[0] ^= 1;
    auth_code_make(&elsewhere, code);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), -ERR_UNAUTHORIZED);
    auth_free(auth);
}

static void test_the_cookie_says_who_may_have_it(void **state)
{
    (void)state;
    char cookie[400], name[40];
    struct auth *auth = make("");
    auth_cookie_make(auth, ACCESS_ADMIN, cookie, sizeof cookie);
    snprintf(name, sizeof name, "ablate_%s=", datadir.tokens.instance);
    assert_int_equal(strlen(name), 24);
    assert_ptr_equal(strstr(cookie, name), cookie);
    assert_non_null(strstr(cookie, "; HttpOnly; SameSite=Strict"));
    assert_null(strstr(cookie, "Secure"));
    auth_cookie_make(auth, ACCESS_PUBLIC, cookie, sizeof cookie);
    strcat(name, "; ");
    assert_ptr_equal(strstr(cookie, name), cookie);
    assert_non_null(strstr(cookie, "Max-Age=0"));
    auth_free(auth);
    auth = make("https://ablate.example");
    auth_cookie_make(auth, ACCESS_ADMIN, cookie, sizeof cookie);
    assert_non_null(strstr(cookie, "; Secure"));
    auth_free(auth);
}

/* A code is no cookie and a cookie no code, though the same key signs both. */
static void test_a_cookie_is_no_code(void **state)
{
    (void)state;
    char cookie[400];
    struct auth *auth = make("");
    struct auth_nonce nonce;
    struct err err;
    auth_cookie_make(auth, ACCESS_ADMIN, cookie, sizeof cookie);
    char *value = strchr(cookie, '=') + 1;
    value[strcspn(value, ";")] = '\0';
    assert_int_equal(auth_code_check(auth, value, &nonce, &err), -ERR_UNAUTHORIZED);
    for (char *c = value; *c != '\0'; c++)
        *c = *c == '.' ? '-' : *c;
    assert_int_equal(auth_code_check(auth, value, &nonce, &err), -ERR_UNAUTHORIZED);
    auth_free(auth);
}

/* A code gives what the token gives that signed it, and dies with that token alone. */
static void test_a_code_has_the_access_of_its_token(void **state)
{
    (void)state;
    struct auth *auth = make("");
    struct auth_nonce nonce;
    struct err err;
    char codes[ACCESS_KINDS][AUTH_CODE_BYTES];
    for (enum access access = ACCESS_READ; access < ACCESS_KINDS; access++) {
        auth_code_make(&datadir.tokens.of[access], codes[access]);
        assert_int_equal(auth_code_check(auth, codes[access], &nonce, &err), 0);
        assert_int_equal(nonce.access, access);
    }
    assert_int_equal(tokens_rotate(datadir.path, ACCESS_SUBMIT, &err), 0);
    assert_int_equal(auth_code_check(auth, codes[ACCESS_READ], &nonce, &err), 0);
    assert_int_equal(auth_code_check(auth, codes[ACCESS_SUBMIT], &nonce, &err), -ERR_UNAUTHORIZED);
    assert_int_equal(auth_code_check(auth, codes[ACCESS_ADMIN], &nonce, &err), 0);
    auth_free(auth);
}

static void test_a_missing_token_signs_nothing(void **state)
{
    (void)state;
    struct auth *auth = make("");
    struct auth_nonce nonce;
    struct err err;
    const struct token none = { 0 };
    char code[AUTH_CODE_BYTES], path[PATH_MAX];
    auth_code_make(&none, code);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), -ERR_UNAUTHORIZED);
    datadir_path(&datadir, path, "token.read");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(auth_code_check(auth, code, &nonce, &err), -ERR_UNAUTHORIZED);
    auth_free(auth);
}

static void test_a_grant_ends_with_its_token_or_session(void **state)
{
    (void)state;
    struct auth *auth = make("");
    const struct auth_grant by_read = { .access = ACCESS_READ },
                            by_admin = { .access = ACCESS_ADMIN }, by_nobody = { 0 };
    struct auth_grant by_session = { .access = ACCESS_ADMIN,
                                     .session = { .text = "0123456789abcdef",
                                                  .expiry_s = clock_wall_ms() / 1000 + 60 } };
    assert_true(auth_grant_holds(auth, &by_nobody) && auth_grant_holds(auth, &by_session));
    clock_shift(61000, 0);
    assert_false(auth_grant_holds(auth, &by_session));
    clock_shift(-61000, 0);
    auth_session_end(auth, &by_session.session);
    assert_false(auth_grant_holds(auth, &by_session));
    assert_int_equal(tokens_rotate(datadir.path, ACCESS_READ, NULL), 0);
    assert_true(auth_grant_holds(auth, &by_read));
    auth_refresh(auth);
    assert_false(auth_grant_holds(auth, &by_read));
    assert_true(auth_grant_holds(auth, &by_admin) && auth_grant_holds(auth, &by_nobody));
    auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_code_is_good_for_ten_minutes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_changed_code_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_cookie_says_who_may_have_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cookie_is_no_code, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_code_has_the_access_of_its_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_token_signs_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_grant_ends_with_its_token_or_session, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
