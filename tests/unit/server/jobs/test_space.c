/* When the disk counts as full, and when it has room again. */
#include "server/jobs/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MIB = 1 << 20, BALLAST = 32 * MIB };

static void test_what_follows(void **state)
{
    (void)state;
    static const struct {
        enum space_state from;
        int64_t free_mib;
        bool ballast, failed;
        enum space_state next;
    } cases[] = {
        { SPACE_AMPLE, 1000, true, false, SPACE_AMPLE },
        { SPACE_AMPLE, 32, true, false, SPACE_AMPLE },
        { SPACE_AMPLE, 31, true, false, SPACE_LOW },
        /* None is laid down yet: there must be room for it, and as much again. */
        { SPACE_AMPLE, 64, false, false, SPACE_AMPLE },
        { SPACE_AMPLE, 63, false, false, SPACE_LOW },
        /* A write that failed is believed, whatever the disk says of itself. */
        { SPACE_AMPLE, 1000, true, true, SPACE_FULL },
        { SPACE_LOW, 20, true, true, SPACE_FULL },
        { SPACE_FULL, 1000, false, true, SPACE_FULL },
        /* Before one has to fail. */
        { SPACE_LOW, 4, true, false, SPACE_LOW },
        { SPACE_LOW, 3, true, false, SPACE_FULL },
        /* Back with something to spare. */
        { SPACE_LOW, 33, true, false, SPACE_LOW },
        { SPACE_LOW, 40, true, false, SPACE_AMPLE },
        { SPACE_FULL, 63, false, false, SPACE_FULL },
        { SPACE_FULL, 64, false, false, SPACE_AMPLE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct space_seen seen = { .state = cases[i].from,
                                         .free_bytes = cases[i].free_mib * MIB,
                                         .ballast_bytes = cases[i].ballast ? BALLAST : 0 };
        if (space_next(&seen, BALLAST, cases[i].failed) != cases[i].next)
            fail_msg("case %zu", i);
    }
}

static void test_without_ballast(void **state)
{
    (void)state;
    struct space_seen seen = { .state = SPACE_AMPLE, .free_bytes = 0 };
    assert_int_equal(space_next(&seen, 0, false),
                     SPACE_AMPLE); /* nothing is said before it fails */
    assert_int_equal(space_next(&seen, 0, true), SPACE_FULL);
    seen = (struct space_seen){ .state = SPACE_FULL, .free_bytes = MIB - 1 };
    assert_int_equal(space_next(&seen, 0, false), SPACE_FULL);
    seen.free_bytes = MIB;
    assert_int_equal(space_next(&seen, 0, false), SPACE_AMPLE);
    assert_int_equal(space_check(NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows),
        cmocka_unit_test(test_without_ballast),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
