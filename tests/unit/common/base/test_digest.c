/* FIPS 180-4's and RFC 4231's examples. */
#include "common/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char hex[DIGEST_HEX];
        struct digest digest;
        digest_of_hex(cases[i].text, strlen(cases[i].text), hex);
        assert_string_equal(hex, cases[i].hex);
        digest_init(&digest);
        for (const char *c = cases[i].text; *c != '\0'; c++)
            digest_add(&digest, c, 1);
        digest_end_hex(&digest, hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

static void test_hmac(void **state)
{
    (void)state;
    uint8_t mac[DIGEST_BYTES];
    char hex[DIGEST_HEX];
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
    digest_hex(mac, sizeof mac, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0xaa, sizeof key); /* longer than a block */
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    digest_hmac(key, sizeof key, text, strlen(text), mac);
    digest_hex(mac, sizeof mac, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/ablate-test-XXXXXX", hex[DIGEST_HEX], expected[DIGEST_HEX], chunk[1000];
    struct err err;
    struct digest digest;
    FILE *file = fdopen(mkstemp(path), "w");
    digest_init(&digest);
    for (int i = 0; i < 300; i++) {
        memset(chunk, i, sizeof chunk);
        fwrite(chunk, 1, sizeof chunk, file);
        digest_add(&digest, chunk, sizeof chunk);
    }
    fclose(file);
    digest_end_hex(&digest, expected);
    assert_int_equal(digest_file(path, hex, &err), 0);
    assert_string_equal(hex, expected);
    unlink(path);
    assert_int_equal(digest_file(path, hex, &err), -ERR_STORAGE);
    assert_string_equal(hex, expected); /* untouched */
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(digest_equal("abc", "abc", 3));
    assert_false(digest_equal("abc", "abd", 3));
    assert_true(digest_equal("abc", "abd", 2));
}

static void test_base64(void **state)
{
    (void)state;
    char hex[DIGEST_HEX], base64[DIGEST_BASE64];
    digest_of_hex("abc", 3, hex);
    digest_base64(hex, base64); /* as `openssl dgst -sha256 -binary | base64` prints it */
    assert_string_equal(base64, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_equal),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
