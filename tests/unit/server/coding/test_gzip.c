/* gzip: what is packed comes back, whole or in parts; who takes it. */
#include "server/coding/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static void test_accepted(void **state)
{
    static const struct {
        const char *header;
        bool taken;
    } rows[] = {
        { NULL, false },
        { "", false },
        { "gzip", true },
        { "GZip", true },
        { "x-gzip", true },
        { "deflate, gzip;q=1.0, *;q=0.5", true },
        { "br;q=1.0,gzip;q=0.001", true },
        { "gzip;q=0", false },
        { "gzip;q=0.000", false },
        { "gzip ; q=0 , br", false },
        { "*;q=0", false },
        { "*", true },
        { "gzip;q=0, *", false },
        { "*;q=0, gzip", true },
        { "identity", false },
        { "gzipped", false },
        { "not-gzip", false },
        { ", ,gzip", true },
        { "identity;q=0, br", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (gzip_accepted(rows[i].header) != rows[i].taken)
            fail_msg("%s", rows[i].header);
}

static void test_suits(void **state)
{
    (void)state;
    assert_true(gzip_suits("application/json"));
    assert_true(gzip_suits("text/javascript; charset=utf-8"));
    assert_false(gzip_suits("text/event-stream"));
    assert_false(gzip_suits("application/x-tar"));
    assert_false(gzip_suits("image/png"));
}

/* Unpacks a member, and checks that nothing follows it. */
static void assert_unpacks(const struct buf *packed, const struct buf *text)
{
    z_stream z = { .next_in = (unsigned char *)packed->data, .avail_in = (uInt)packed->len };
    unsigned char *to = malloc(text->len + 1);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = to;
    z.avail_out = (uInt)text->len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, text->len);
    assert_memory_equal(to, text->data, text->len);
    inflateEnd(&z);
    free(to);
}

static void fill(struct buf *text, size_t lines)
{
    buf_init(text, 0);
    for (size_t i = 0; i < lines; i++)
        buf_addf(text, "%zu,%.17g\n", i, 1.0 / (double)(i + 1));
}

static void test_whole(void **state)
{
    static const size_t lines[] = { 1000, 50000 };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buf text, packed;
        fill(&text, lines[i]);
        fill(&packed, lines[i]);
        assert_true(gzip_buf(&packed));
        assert_true(packed.len < text.len);
        assert_unpacks(&packed, &text);
        buf_done(&text);
        buf_done(&packed);
    }
    struct buf noise; /* doesn't get shorter, and stays */
    uint32_t random = 1;
    buf_init(&noise, 0);
    assert_false(gzip_buf(&noise));
    for (int i = 0; i < 4000; i++)
        buf_addc(&noise, (char)((random = random * 1664525 + 1013904223) >> 24));
    assert_false(gzip_buf(&noise));
    assert_int_equal(noise.len, 4000);
    buf_done(&noise);
}

static void test_parts(void **state)
{
    struct buf text, packed;
    struct gzip *gzip = NULL;
    struct err err;
    (void)state;
    fill(&text, 100000);
    buf_init(&packed, 0);
    assert_int_equal(gzip_new(&gzip, &err), 0);
    for (size_t at = 0, n; at < text.len; at += n) {
        n = at % 7 == 0 ? 100000 : 1;
        n = n < text.len - at ? n : text.len - at;
        gzip_add(gzip, text.data + at, n, false, &packed);
    }
    gzip_add(gzip, "", 0, true, &packed);
    assert_unpacks(&packed, &text);
    gzip_free(gzip);
    gzip_free(NULL);
    buf_done(&text);
    buf_done(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_suits),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
