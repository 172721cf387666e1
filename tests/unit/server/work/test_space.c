/* When the disk counts as full, and when it has room again. */
#include "server/work/space.h"

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
        enum room_state from;
        int64_t free_mib;
        bool ballast, failed;
        enum room_state next;
    } cases[] = {
        { ROOM_AMPLE, 1000, true, false, ROOM_AMPLE },
        { ROOM_AMPLE, 32, true, false, ROOM_AMPLE },
        { ROOM_AMPLE, 31, true, false, ROOM_LOW },
        /* None is laid down yet: there must be room for it, and as much again. */
        { ROOM_AMPLE, 64, false, false, ROOM_AMPLE },
        { ROOM_AMPLE, 63, false, false, ROOM_LOW },
        /* A write that failed is believed, whatever the disk says of itself. */
        { ROOM_AMPLE, 1000, true, true, ROOM_FULL },
        { ROOM_LOW, 20, true, true, ROOM_FULL },
        { ROOM_FULL, 1000, false, true, ROOM_FULL },
        /* Before one has to fail. */
        { ROOM_LOW, 4, true, false, ROOM_LOW },
        { ROOM_LOW, 3, true, false, ROOM_FULL },
        /* Back with something to spare. */
        { ROOM_LOW, 33, true, false, ROOM_LOW },
        { ROOM_LOW, 40, true, false, ROOM_AMPLE },
        { ROOM_FULL, 63, false, false, ROOM_FULL },
        { ROOM_FULL, 64, false, false, ROOM_AMPLE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct room_facts seen = { .state = cases[i].from,
                                         .free_bytes = cases[i].free_mib * MIB,
                                         .ballast_bytes = cases[i].ballast ? BALLAST : 0 };
        if (room_next(&seen, BALLAST, cases[i].failed) != cases[i].next)
            fail_msg("case %zu", i);
    }
}

static void test_without_ballast(void **state)
{
    (void)state;
    struct room_facts seen = { .state = ROOM_AMPLE, .free_bytes = 0 };
    assert_int_equal(room_next(&seen, 0, false), ROOM_AMPLE); /* nothing is said before it fails */
    assert_int_equal(room_next(&seen, 0, true), ROOM_FULL);
    seen = (struct room_facts){ .state = ROOM_FULL, .free_bytes = MIB - 1 };
    assert_int_equal(room_next(&seen, 0, false), ROOM_FULL);
    seen.free_bytes = MIB;
    assert_int_equal(room_next(&seen, 0, false), ROOM_AMPLE);
    assert_int_equal(room_check(NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_follows),
        cmocka_unit_test(test_without_ballast),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
