/* Hosts, sessions in memory, cookies. What needs a connection is in tests/e2e/api/http.test.mjs. */
#include "common/base/clock.h"
#include "common/base/files.h"
#include "server/http/auth.h"

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

static struct options options;
static struct datadir datadir = { .lock_fd = -1 }; /* none: whatever is at its path is it */

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

static void test_the_cookie_says_who_may_have_it(void **state)
{
    (void)state;
    char cookie[400], name[40];
    struct auth *auth = make("");
    auth_cookie_make(auth, "secret", cookie, sizeof cookie);
    snprintf(name, sizeof name, "ablate_%s=", datadir.tokens.instance);
    assert_int_equal(strlen(name), 24);
    assert_ptr_equal(strstr(cookie, name), cookie);
    assert_non_null(strstr(cookie, "; HttpOnly; SameSite=Strict"));
    assert_null(strstr(cookie, "Secure"));
    auth_cookie_make(auth, "", cookie, sizeof cookie);
    strcat(name, "; ");
    assert_ptr_equal(strstr(cookie, name), cookie);
    assert_non_null(strstr(cookie, "Max-Age=0"));
    auth_free(auth);
    auth = make("https://ablate.example");
    auth_cookie_make(auth, "secret", cookie, sizeof cookie);
    assert_non_null(strstr(cookie, "; Secure"));
    auth_free(auth);
}

static struct pass make_session(enum access access)
{
    char secret[PASS_SECRET_HEX + 1];
    struct pass pass;
    assert_int_equal(
        passes_make(datadir.path, PASS_SESSION, &datadir.tokens, access, secret, &pass, NULL), 0);
    return pass;
}

static struct auth_grant grant_of(const struct pass *session)
{
    struct auth_grant grant = { .access = session->access };
    memcpy(grant.session, session->digest, sizeof grant.session);
    return grant;
}

static void test_a_session_is_what_is_known(void **state)
{
    (void)state;
    struct pass before = make_session(ACCESS_ADMIN);
    struct auth *auth = make("");
    struct pass after = make_session(ACCESS_READ);
    struct auth_grant by_before = grant_of(&before), by_after = grant_of(&after);
    assert_true(auth_grant_holds(auth, &by_before));
    assert_false(auth_grant_holds(auth, &by_after));
    assert_int_equal(auth_session_begin(auth, &after, NULL), 0);
    assert_true(auth_grant_holds(auth, &by_after));
    auth_session_end(auth, &after);
    assert_false(auth_grant_holds(auth, &by_after));
    auth_free(auth);
}

/* The clock that ends a session doesn't bring it back. */
static void test_a_session_ends_by_the_clock_for_good(void **state)
{
    (void)state;
    static const int64_t jumps_s[] = { PASS_SESSION_S, -2 * PASS_SLACK_S };
    for (size_t i = 0; i < sizeof jumps_s / sizeof *jumps_s; i++) {
        struct pass session = make_session(ACCESS_ADMIN);
        struct auth_grant grant = grant_of(&session);
        struct auth *auth = make("");
        assert_true(auth_grant_holds(auth, &grant));
        clock_shift(jumps_s[i] * 1000, 0);
        assert_false(auth_grant_holds(auth, &grant));
        clock_shift(-jumps_s[i] * 1000, 0);
        assert_false(auth_grant_holds(auth, &grant));
        auth_free(auth);
        auth = make("");
        assert_false(auth_grant_holds(auth, &grant));
        auth_free(auth);
    }
}

/* Between the code's use and the session's beginning the token may be replaced. */
static void test_a_session_of_a_replaced_token_does_not_begin(void **state)
{
    (void)state;
    struct auth *auth = make("");
    struct pass session = make_session(ACCESS_SUBMIT);
    struct auth_grant grant = grant_of(&session);
    assert_int_equal(tokens_rotate(datadir.path, ACCESS_SUBMIT, NULL), 0);
    assert_int_equal(auth_session_begin(auth, &session, NULL), -ERR_UNAUTHORIZED);
    assert_false(auth_grant_holds(auth, &grant));
    auth_free(auth);
}

static void test_a_grant_ends_with_its_token_or_session(void **state)
{
    (void)state;
    struct pass session = make_session(ACCESS_ADMIN);
    struct auth *auth = make("");
    const struct auth_grant by_read = { .access = ACCESS_READ },
                            by_admin = { .access = ACCESS_ADMIN }, by_nobody = { 0 };
    struct auth_grant by_session = grant_of(&session);
    assert_true(auth_grant_holds(auth, &by_nobody) && auth_grant_holds(auth, &by_session));
    auth_session_end(auth, &session);
    assert_false(auth_grant_holds(auth, &by_session));
    assert_int_equal(tokens_rotate(datadir.path, ACCESS_READ, NULL), 0);
    assert_true(auth_grant_holds(auth, &by_read));
    assert_int_equal(auth_refresh(auth, NULL), 0);
    assert_false(auth_grant_holds(auth, &by_read));
    assert_true(auth_grant_holds(auth, &by_admin) && auth_grant_holds(auth, &by_nobody));
    auth_free(auth);
}

/* As passes_make leaves one, without its wait for the disk. */
static struct pass put_session(enum access access, int64_t expiry_s)
{
    static int made;
    char path[PATH_MAX];
    struct pass pass = { .access = access, .expiry_s = expiry_s };
    digest_of_hex(&made, sizeof made, pass.digest);
    made++;
    memcpy(pass.mark, datadir.tokens.of[access].mark, sizeof pass.mark);
    datadir_path(&datadir, path, "sessions/%s.%s.%s.%lld", pass.digest, access_names[access],
                 pass.mark, (long long)expiry_s);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    return pass;
}

/* Of sessions that end together memory may give up another than the folder does: it began them in
 * another order. Neither is a session any more once the daemon has started again. */
static void test_what_made_room_never_comes_back(void **state)
{
    (void)state;
    static struct passes files;
    struct auth_grant before[PASS_SESSIONS_MAX + 1];
    bool held[PASS_SESSIONS_MAX + 1];
    size_t n = PASS_SESSIONS_MAX, ended = 0;
    int64_t expiry_s = clock_wall_ms() / 1000 + 3600;
    char path[PATH_MAX];
    struct auth *auth = make("");
    datadir_path(&datadir, path, "sessions");
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < n; i++)
        put_session(ACCESS_READ, expiry_s);
    assert_int_equal(passes_load(datadir.path, PASS_SESSION, &datadir.tokens, &files, NULL), 0);
    for (size_t i = 0; i < n; i++) { /* the folder's last is memory's first */
        const struct pass *one = &files.of[ACCESS_READ][n - 1 - i];
        assert_int_equal(auth_session_begin(auth, one, NULL), 0);
        before[i] = grant_of(one);
    }
    struct pass last = make_session(ACCESS_READ);
    before[n] = grant_of(&last);
    assert_int_equal(auth_session_begin(auth, &last, NULL), 0);
    for (size_t i = 0; i <= n; i++) {
        held[i] = auth_grant_holds(auth, &before[i]);
        ended += !held[i];
    }
    assert_true(ended == 1 && !held[0] && held[n]);
    auth_free(auth);
    auth = make("");
    for (size_t i = 0; i <= n; i++)
        if (auth_grant_holds(auth, &before[i]) && !held[i])
            fail_msg("the session that made room opens the daemon again");
    assert_true(auth_grant_holds(auth, &before[n]));
    auth_free(auth);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_hosts),
        TEST(test_the_cookie_says_who_may_have_it),
        TEST(test_a_session_is_what_is_known),
        TEST(test_a_session_ends_by_the_clock_for_good),
        TEST(test_a_session_of_a_replaced_token_does_not_begin),
        TEST(test_a_grant_ends_with_its_token_or_session),
        TEST(test_what_made_room_never_comes_back),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
