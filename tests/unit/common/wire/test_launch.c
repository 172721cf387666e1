/* What one side writes the other reads; files that are unsound are refused. */
#include "common/base/files.h"
#include "common/wire/launch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/ablate-test-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static void put(const char *name, const char *text)
{
    char path[128];
    struct err err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(files_write(path, text, strlen(text), 0600, &err), 0);
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = { "launch.json", "exit.json", "lock" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static void test_launch_goes_and_comes(void **state)
{
    (void)state;
    static struct launch launch = { .run = 17,
                                    .attempt = 2,
                                    .threads = 3,
                                    .memory_bytes = 1 << 30,
                                    .steps = 1000,
                                    .audits = true,
                                    .replays = true,
                                    .socket = "/data/wor\"ker.sock",
                                    .spec = "/data/runs/17/spec.json",
                                    .dataset = "",
                                    .out = "/data/\xc3\xa4" };
    static struct launch back;
    struct err err;
    char *text;
    memset(launch.token, 'a', 64);
    assert_int_equal(launch_encode(&launch, &text, &err), 0);
    put("launch.json", text);
    free(text);
    assert_int_equal(launch_read(dir, &back, &err), 0);
    assert_memory_equal(&back, &launch, sizeof launch);
}

static void test_unsound_launches(void **state)
{
    (void)state;
    static struct launch back, untouched;
    struct err err;
    assert_true(launch_read(dir, &back, &err) < 0);
    put("launch.json", "{\"audits\":true,\"run\":1}");
    assert_int_equal(launch_read(dir, &back, &err), -ERR_BAD_DATA);
    assert_memory_equal(&back, &untouched, sizeof back);
    put("launch.json", "{\"run\":");
    assert_int_equal(launch_read(dir, &back, &err), -ERR_BAD_DATA);
    assert_non_null(strstr(err.message, "launch.json is not sound"));
}

static void test_exit(void **state)
{
    (void)state;
    struct launch_exit info = { 0, 9, 1, 2.5, 123456789, "" };
    struct launch_exit back;
    struct err err;
    char *text;
    assert_int_equal(launch_exit_read(dir, &back, &err), -ERR_NOT_FOUND);
    assert_int_equal(launch_exit_encode(&info, &text, &err), 0);
    put("exit.json", text);
    assert_null(strstr(text, "ended"));
    free(text);
    assert_int_equal(launch_exit_read(dir, &back, &err), 0);
    assert_int_equal(back.exited, 0);
    assert_int_equal(back.status, 9);
    assert_int_equal(back.oom, 1);
    assert_true(back.seconds == 2.5);
    assert_int_equal(back.max_rss_bytes, 123456789);
    assert_string_equal(back.ended, "");
    memset(info.ended, 'x', sizeof info.ended - 1);
    assert_int_equal(launch_exit_encode(&info, &text, &err), 0);
    put("exit.json", text);
    free(text);
    assert_int_equal(launch_exit_read(dir, &back, &err), 0);
    assert_string_equal(back.ended, info.ended);
    put("exit.json", "");
    assert_int_equal(launch_exit_read(dir, &back, NULL), -ERR_BAD_DATA);
    put("exit.json", "{\"exited\":1,\"status\":256,\"oom\":0,\"seconds\":1,\"max_rss_bytes\":1}");
    assert_int_equal(launch_exit_read(dir, &back, &err), -ERR_BAD_DATA);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { UNIT(test_launch_goes_and_comes),
                                        UNIT(test_unsound_launches), UNIT(test_exit) };
    return cmocka_run_group_tests_name("launch", tests, NULL, NULL);
}
