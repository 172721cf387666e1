/* Records byte for byte; what they mean is read by another decoder (tests/e2e/api/export.test.mjs). */
#include "server/export/tfevents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, B.4. */
static void test_crc32c(void **state)
{
    (void)state;
    uint8_t bytes[32] = { 0 };
    assert_int_equal(tfevents_crc32c("", 0), 0);
    assert_int_equal(tfevents_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(tfevents_crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(tfevents_crc32c(bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(tfevents_crc32c(bytes, 32), 0x46dd794e);
}

/* An empty message's masked check is 0xa282ead8, as crc is 0; of a length of eight bytes it is what
 * TensorFlow's writer gives. */
static void test_version(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        24,   0,  0,   0,   0,   0,   0,   0,    0xa3, 0x7f, 0x4b, 0x22, /* 24 bytes; their check */
        0x09, 0,  0,   0,   0,   0,   0,   0xf0, 0x3f,                   /* wall_time: 1 */
        0x1a, 13, 'b', 'r', 'a', 'i', 'n', '.',  'E',  'v',  'e',  'n',  't', ':', '2',
    };
    struct buf to;
    buf_init(&to, 0);
    tfevents_version(1, &to);
    assert_int_equal(to.len, sizeof want + 4);
    assert_memory_equal(to.data, want, sizeof want);
    buf_done(&to);
}

/* The size that is told before the record is the record's, whatever the step and the tag. */
static void test_sizes(void **state)
{
    (void)state;
    static const int64_t steps[] = { 0,       1,       127,     128,       16383, 16384,
                                     2097151, 2097152, 1 << 28, INT64_MAX, -1 };
    char tag[300];
    for (size_t len = 0; len < sizeof tag; len += len < 8 ? 1 : 29) {
        memset(tag, 't', len);
        tag[len] = '\0';
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            struct buf to;
            buf_init(&to, 0);
            tfevents_scalar(1e9, steps[i], tag, 0.5F, &to);
            assert_int_equal(to.len, tfevents_scalar_bytes(steps[i], tag));
            assert_int_equal((uint8_t)to.data[0] | (size_t)(uint8_t)to.data[1] << 8, to.len - 16);
            buf_done(&to);
        }
    }
}

static void test_scalar(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x09, 0,    0,    0,    0,    0, 0, 0xf0, 0x3f, /* wall_time: 1 */
        0x10, 0xac, 0x02,                               /* step: 300 */
        0x2a, 10,   0x0a, 8,                            /* summary, value */
        0x0a, 1,    'x',                                /* tag */
        0x15, 0,    0,    0x20, 0x40,                   /* simple_value: 2.5 */
    };
    struct buf to;
    buf_init(&to, 0);
    tfevents_scalar(1, 300, "x", 2.5F, &to);
    assert_int_equal(to.len, sizeof want + 16);
    assert_memory_equal(to.data + 12, want, sizeof want);
    buf_done(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_crc32c),
                                        cmocka_unit_test(test_version),
                                        cmocka_unit_test(test_sizes),
                                        cmocka_unit_test(test_scalar) };
    return cmocka_run_group_tests_name("tfevents", tests, NULL, NULL);
}
