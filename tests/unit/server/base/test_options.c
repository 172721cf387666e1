/* Command lines and settings files: what they mean, and what is said of the wrong ones. */
#include "server/base/options.h"

#include "common/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS = 12 };
static struct options got;
static enum options_command command;
static struct err err;

static int parse(const char *const args[ARGS])
{
    char *argv[ARGS + 2] = { (char *)"ablated" };
    int argc = 1;
    for (; argc <= ARGS && args[argc - 1] != NULL; argc++)
        argv[argc] = (char *)args[argc - 1];
    got = (struct options){ 0 };
    err = (struct err){ 0 };
    return options_parse(argc, argv, &got, &command, &err);
}
#define PARSE(...) parse((const char *const[ARGS]){ __VA_ARGS__ })

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(PARSE("--data", "d"), 0);
    assert_int_equal(command, OPTIONS_SERVE);
    assert_string_equal(got.data, "d");
    assert_string_equal(got.host, "127.0.0.1");
    assert_int_equal(got.port, 8642);
    assert_true(got.slots >= 1 && got.memory_bytes >= 1 << 20);
    assert_int_equal(got.upload_limit, 1 << 30);
    assert_int_equal(got.log_level, LOG_INFO);
    assert_false(got.no_auth || got.rotate_all);
    assert_int_equal(got.proxies_n, 0);
    assert_int_equal(got.limits.connections, 0);
    assert_int_equal(got.limits.connections_per_address, 64);
    assert_int_equal(got.limits.header_bytes, 16384);
    assert_int_equal(got.limits.header_s, 20);
    assert_int_equal(got.limits.body_s, 30);
    assert_int_equal(got.limits.upload_s, 3600);
    assert_int_equal(got.access, ACCESS_ADMIN);
    assert_int_equal(got.rotate, ACCESS_PUBLIC);
    assert_string_equal(got.public_url, "");
    assert_int_equal(got.ballast_bytes, 32 << 20);
    assert_int_equal(got.keep_deleted_ms, (int64_t)30 * 86400000);
    assert_int_equal(got.keep_events_ms, (int64_t)7 * 86400000);
    assert_int_equal(got.keep_checkpoints_ms, (int64_t)7 * 86400000);
    assert_int_equal(PARSE("--data", "d", "--keep-deleted", "forever", "--keep-events=0",
                           "--keep-checkpoints", "2", "--ballast", "0"),
                     0);
    assert_true(got.keep_deleted_ms == INT64_MAX && got.keep_events_ms == 0 &&
                got.keep_checkpoints_ms == (int64_t)2 * 86400000 && got.ballast_bytes == 0);
    assert_non_null(strstr(got.worker, "ablate-worker"));
}

static void test_every_option_in_both_forms(void **state)
{
    (void)state;
    char url[300];
    assert_int_equal(PARSE("--data=d", "--listen=[::1]:0", "--slots=3", "--memory", "4g",
                           "--log-level=debug", "--public-url=https://a.example:8443/",
                           "--trusted-proxy=10.0.0.0/8,::1", "--upload-limit=10M", "--worker=/x/y"),
                     0);
    assert_string_equal(got.host, "::1");
    assert_int_equal(got.port, 0);
    assert_int_equal(got.slots, 3);
    assert_int_equal(got.memory_bytes, (int64_t)4 << 30);
    assert_int_equal(got.log_level, LOG_DEBUG);
    assert_string_equal(got.public_url, "https://a.example:8443");
    assert_int_equal(got.proxies_n, 2);
    assert_int_equal(got.proxies[0].bits, 104);
    assert_int_equal(got.proxies[1].bits, 128);
    assert_int_equal(got.upload_limit, 10 << 20);
    assert_string_equal(got.worker, "/x/y");
    assert_int_equal(PARSE("--data", "d", "--listen", "localhost:80", "--no-auth"), 0);
    assert_string_equal(got.host, "127.0.0.1");
    assert_true(got.no_auth);
    assert_int_equal(PARSE("--data=d", "--connections=100", "--connections-per-address=3",
                           "--header-limit=4K", "--header-time=1", "--body-time=2",
                           "--upload-time=3", "--public-url=https://a.example:443"),
                     0);
    assert_int_equal(got.limits.connections, 100);
    assert_int_equal(got.limits.connections_per_address, 3);
    assert_int_equal(got.limits.header_bytes, 4096);
    assert_int_equal(got.limits.header_s, 1);
    assert_int_equal(got.limits.body_s, 2);
    assert_int_equal(got.limits.upload_s, 3);
    assert_string_equal(got.public_url, "https://a.example");
    assert_int_equal(PARSE("--data=d", "--public-url=http://[::1]:8080"), 0);
    assert_string_equal(got.public_url, "http://[::1]:8080");
    assert_string_equal(got.public_path, "");
    assert_int_equal(PARSE("--data=d", "--public-url=https://a.example:443/ablate/"), 0);
    assert_string_equal(got.public_url, "https://a.example");
    assert_string_equal(got.public_path, "/ablate");
    assert_int_equal(PARSE("--data=d", "--public-url=https://hub/user/m.e@x_~1/proxy/8642"), 0);
    assert_string_equal(got.public_path, "/user/m.e@x_~1/proxy/8642");
    options_url(&got, 8642, url, sizeof url);
    assert_string_equal(url, "https://hub/user/m.e@x_~1/proxy/8642");
}

static void test_commands(void **state)
{
    (void)state;
    assert_int_equal(PARSE("link", "--data", "d"), 0);
    assert_int_equal(command, OPTIONS_LINK);
    assert_int_equal(PARSE("link", "--data", "d", "--access", "read"), 0);
    assert_int_equal(got.access, ACCESS_READ);
    assert_int_equal(PARSE("token", "--data", "d", "--rotate", "submit"), 0);
    assert_int_equal(command, OPTIONS_TOKEN);
    assert_int_equal(got.rotate, ACCESS_SUBMIT);
    assert_int_equal(PARSE("token", "--data", "d", "--rotate", "all"), 0);
    assert_true(got.rotate_all);
    assert_int_equal(PARSE("backup", "to", "--data", "d"), 0);
    assert_int_equal(command, OPTIONS_BACKUP);
    assert_string_equal(got.operand, "to");
    assert_int_equal(PARSE("restore", "--data", "d", "from"), 0);
    assert_int_equal(command, OPTIONS_RESTORE);
    assert_string_equal(got.operand, "from");
    assert_int_equal(PARSE("purge", "--data", "d"), 0);
    assert_int_equal(command, OPTIONS_PURGE);
    assert_int_equal(PARSE("backup", "--data", "d"), -ERR_USAGE);
    assert_non_null(strstr(err.message, "needs TO"));
    assert_int_equal(PARSE("backup", "--data", "d", "a", "b"), -ERR_USAGE);
    assert_int_equal(PARSE("--data", "d", "--keep-deleted", "-1"), -ERR_USAGE);
    assert_non_null(strstr(err.message, "or forever"));
    assert_int_equal(PARSE("link", "--data", "d", "a"), -ERR_USAGE);
    assert_int_equal(PARSE("--slots", "x", "--help"), 0);
    assert_int_equal(command, OPTIONS_HELP);
    assert_int_equal(PARSE("--version"), 0);
    assert_int_equal(command, OPTIONS_VERSION);
}

static void test_each_mistake_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } cases[] = {
        { "--slots", "0", "--slots must be an integer from 1 to 1024, not \"0\"" },
        { "--slots", "1025", "1 to 1024" },
        { "--slots", "2x", "\"2x\"" },
        { "--slots", "", "--slots" },
        { "--memory", "0", "--memory" },
        { "--memory", "-4G", "--memory" },
        { "--memory", "4GB", "--memory" },
        { "--memory", "9000000000000T", "--memory" },
        { "--listen", "8642", "--listen must be ADDRESS:PORT" },
        { "--listen", ":8642", "--listen" },
        { "--listen", "example.org:80", "IP address" },
        { "--listen", "127.0.0.1:", "--listen" },
        { "--listen", "127.0.0.1:65536", "0 to 65535" },
        { "--log-level", "loud", "debug, info, warn or error" },
        { "--public-url", "example.org", "--public-url" },
        { "--public-url", "ftp://example.org", "--public-url" },
        { "--public-url", "https://", "--public-url" },
        { "--public-url", "https:///x", "--public-url" },
        { "--public-url", "https://me@a", "perhaps a path" },
        { "--public-url", "https://a b", "perhaps a path" },
        { "--public-url", "https://a/b c", "such as /ablate/" },
        { "--public-url", "https://a//", "such as /ablate/" },
        { "--public-url", "https://a/b//c", "such as /ablate/" },
        { "--public-url", "https://a/../b", "such as /ablate/" },
        { "--public-url", "https://a/b/.", "such as /ablate/" },
        { "--public-url", "https://a/b?c", "such as /ablate/" },
        { "--public-url", "https://a/%41", "such as /ablate/" },
        { "--public-url", "https://a/b;c", "such as /ablate/" },
        { "--trusted-proxy", "localhost", "--trusted-proxy must be addresses" },
        { "--trusted-proxy", "10.0.0.1/8", "--trusted-proxy must be" },
        { "--trusted-proxy", "10.0.0.0/33", "--trusted-proxy must be" },
        { "--trusted-proxy", "::1,", "--trusted-proxy must be" },
        { "--trusted-proxy", "true", "--trusted-proxy must be" },
        { "--connections", "0", "1 to 65536" },
        { "--connections-per-address", "0", "1 to 65536" },
        { "--header-limit", "512", "1K to 64K" },
        { "--header-limit", "65K", "1K to 64K" },
        { "--header-time", "0", "1 to 3600" },
        { "--body-time", "x", "--body-time" },
        { "--upload-time", "86401", "1 to 86400" },
        { "--access", "public", "read, submit or admin" },
        { "--rotate", "everything", "read, submit or admin" },
        { "--nope", "1", "no option --nope" },
        { "--worker", "", "--worker needs a path" },
        { "stray", "--slots=1", "\"stray\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(PARSE("--data", "d", cases[i].name, cases[i].value), -ERR_USAGE);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s %s: %s", cases[i].name, cases[i].value, err.message);
    }
    assert_int_equal(PARSE("--slots", "1"), -ERR_USAGE);
    assert_non_null(strstr(err.message, "--data DIR is needed"));
    assert_int_equal(PARSE("--data", "d", "--slots"), -ERR_USAGE);
    assert_non_null(strstr(err.message, "--slots needs a value: N"));
    assert_int_equal(PARSE("--data", "d", "--no-auth", "--listen", "0.0.0.0:1"), -ERR_USAGE);
    assert_int_equal(PARSE("--data", "d", "--no-auth", "--public-url", "http://a"), -ERR_USAGE);
}

static void write_settings(char path[32], const char *text)
{
    strcpy(path, "/tmp/ablate-options-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_the_command_line_wins_over_the_file(void **state)
{
    (void)state;
    char path[32];
    write_settings(path, "# settings\n\n  data = from file # where\nslots=5\nno-auth = true\n"
                         "trusted-proxy = 10.0.0.0/8, ::1\nmemory = 1G");
    assert_int_equal(PARSE("--slots", "7", "--config", path, "--trusted-proxy", "::1"), 0);
    assert_int_equal(got.proxies_n, 1);
    assert_string_equal(got.data, "from file");
    assert_int_equal(got.slots, 7);
    assert_int_equal(got.memory_bytes, 1 << 30);
    assert_true(got.no_auth);
    unlink(path);
}

static void test_a_mistake_in_the_file_has_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "slots = 2\nslots\n", "line 2: a line must be name = value" },
        { "\n\nnope = 2\n", "line 3: there is no setting \"nope\"" },
        { "slots = many\n", "line 1: --slots must be" },
        { "no-auth = yes\n", "must be true or false" },
        { "config = other\n", "no setting \"config\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[32];
        write_settings(path, cases[i].text);
        assert_int_equal(PARSE("--data", "d", "--config", path), -ERR_USAGE);
        if (strstr(err.message, cases[i].says) == NULL || strstr(err.message, path) == NULL)
            fail_msg("%s", err.message);
        unlink(path);
    }
    assert_int_equal(PARSE("--data", "d", "--config", "/nowhere/at/all"), -ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
}

static void test_addresses_that_a_browser_can_open(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *url;
    } cases[] = {
        { "127.0.0.1:0", "http://127.0.0.1:99" },
        { "0.0.0.0:0", "http://127.0.0.1:99" },
        { "[::]:0", "http://[::1]:99" },
        { "[::1]:0", "http://[::1]:99" },
    };
    char url[300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(PARSE("--data", "d", "--listen", cases[i].listen), 0);
        options_url(&got, 99, url, sizeof url);
        assert_string_equal(url, cases[i].url);
    }
    assert_int_equal(PARSE("--data", "d", "--public-url", "https://a.example/"), 0);
    options_url(&got, 99, url, sizeof url);
    assert_string_equal(url, "https://a.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_option_in_both_forms),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_each_mistake_is_named),
        cmocka_unit_test(test_the_command_line_wins_over_the_file),
        cmocka_unit_test(test_a_mistake_in_the_file_has_its_line),
        cmocka_unit_test(test_addresses_that_a_browser_can_open),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
