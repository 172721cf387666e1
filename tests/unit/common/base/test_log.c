/* Lines as they come out of standard error: their fields, escapes and bounds. */
#include "common/base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char got[8192];

/* What was written to standard error since `begin`. */
static int begin(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    dup2(ends[0], 100);
    close(ends[0]);
    return before;
}

static void end(int before)
{
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t n = read(100, got, sizeof got - 1);
    close(100);
    got[n > 0 ? n : 0] = '\0';
}

/* got, behind its time. */
static const char *after_time(void)
{
    assert_memory_equal(got, "ts=20", 5);
    assert_non_null(strchr(got, ' '));
    return strchr(got, ' ');
}

static void test_line(void **state)
{
    (void)state;
    int before = begin();
    log_info("run %d: \"x\"\n\t\\ \x01 é", 7);
    end(before);
    assert_string_equal(after_time(), " level=info msg=\"run 7: \\\"x\\\"\\n\\t\\\\ \\x01 é\"\n");
}

static void test_about(void **state)
{
    (void)state;
    int before = begin();
    log_write(LOG_WARN, &(struct log_about){ .run = 17, .attempt = 2 }, "killed");
    end(before);
    assert_string_equal(after_time(), " level=warn msg=\"killed\" run=17 attempt=2\n");
    before = begin();
    log_write(LOG_ERROR,
              &(struct log_about){ .experiment = INT64_MIN, .code = "a b", .client = "\"\n" }, "x");
    end(before);
    assert_string_equal(after_time(), " level=error msg=\"x\" experiment=-9223372036854775808 "
                                      "code=\"a b\" client=\"\\\"\\n\"\n");
}

/* However long the message and the texts are, a line is a line, and its fields are whole. */
static void test_bounds(void **state)
{
    (void)state;
    char text[5000];
    memset(text, '"', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    int before = begin();
    log_write(LOG_ERROR,
              &(struct log_about){ .experiment = INT64_MIN,
                                   .run = INT64_MIN,
                                   .attempt = INT64_MIN,
                                   .code = text,
                                   .client = text },
              "%s", text);
    end(before);
    size_t len = strlen(got);
    assert_in_range(len, 3700, 4096);
    assert_non_null(strstr(got, "\" experiment=-9223372036854775808 run=-9223372036854775808 "));
    assert_non_null(strstr(got, " client=\"\\\""));
    assert_ptr_equal(strchr(got, '\n'), got + len - 1);
}

static void test_levels(void **state)
{
    (void)state;
    int before = begin();
    errno = ENOSPC;
    log_debug("no");
    log_set_level(LOG_ERROR);
    log_warn("no");
    log_error("yes");
    log_set_level(LOG_INFO);
    assert_int_equal(errno, ENOSPC);
    end(before);
    assert_string_equal(after_time(), " level=error msg=\"yes\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_about),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
