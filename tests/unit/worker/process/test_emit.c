/* An events file that can't be made: the error says so, and the process loses nothing else. */
#include "worker/process/emit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_no_folder(void **state)
{
    (void)state;
    const struct emit_config config = { .file = "/nonexistent/events.ndjson" };
    struct emit *emit = NULL;
    struct err err = { 0 };
    int input = open("/dev/null", O_RDONLY);
    assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(emit_new(&config, &emit, &err), -ERR_STORAGE);
    assert_null(emit);
    assert_non_null(strstr(err.message, config.file));
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
    close(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_folder) };
    return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
