/* Addresses, ranges of them, and who stands behind proxies. */
#include "server/base/network.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct network address(const char *text)
{
    struct network network = { 0 };
    if (!network_parse(text, &network))
        fail_msg("\"%s\" is no address", text);
    return network;
}

static void test_what_is_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int bits; /* 0: none */
    } cases[] = {
        { "192.0.2.7", 128 },
        { "::1", 128 },
        { "10.0.0.0/8", 104 },
        { "10.0.0.0/32", 128 },
        { "fd00::/8", 8 },
        { "2001:db8::/127", 127 },
        { "10.0.0.1/8", 0 },
        { "10.0.0.0/33", 0 },
        { "fd00::/129", 0 },
        { "10.0.0.0/", 0 },
        { "10.0.0.0/-1", 0 },
        { "10.0.0.0/8x", 0 },
        { "10.0.0.0/ 8", 0 },
        { "10.0.0", 0 },
        { "", 0 },
        { "/8", 0 },
        { "localhost", 0 },
        { "[::1]", 0 },
        { "0x7f.0.0.1", 0 },
        { "10.0.0.0/99999999999999999999", 0 },
        { "::1%lo", 0 },
        { "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network got = { .bits = 0 };
        if (network_parse(cases[i].text, &got) != (cases[i].bits > 0) || got.bits != cases[i].bits)
            fail_msg("\"%s\": %d bits", cases[i].text, got.bits);
    }
    struct network everything = { .bits = -1 };
    assert_true(network_parse("::/0", &everything));
    assert_int_equal(everything.bits, 0);
}

static void test_ranges_hold_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *range, *address;
        bool holds;
    } cases[] = {
        { "10.0.0.0/8", "10.255.1.2", true },      { "10.0.0.0/8", "11.0.0.0", false },
        { "192.0.2.128/25", "192.0.2.128", true }, { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.7", "192.0.2.7", true },        { "192.0.2.7", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.9", true },      { "0.0.0.0/0", "::1", false },
        { "::/0", "203.0.113.9", true },           { "fd00::/8", "fdff::1", true },
        { "fd00::/8", "fe00::1", false },          { "10.0.0.0/8", "::ffff:10.1.1.1", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network range = address(cases[i].range), one = address(cases[i].address);
        if (network_holds(&range, &one) != cases[i].holds)
            fail_msg("%s in %s", cases[i].address, cases[i].range);
    }
}

static void test_loopback(void **state)
{
    (void)state;
    static const char *const inside[] = { "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1" };
    static const char *const outside[] = { "128.0.0.1", "126.255.255.255", "::2", "::", "fe80::1" };
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        struct network one = address(inside[i]);
        assert_true(network_is_loopback(&one));
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct network one = address(outside[i]);
        assert_false(network_is_loopback(&one));
    }
}

static void test_sockets(void **state)
{
    (void)state;
    const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = { htonl(0xc0000207) } };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const struct sockaddr other = { .sa_family = AF_UNIX };
    struct network got;
    char text[NETWORK_TEXT];
    assert_true(network_of((const struct sockaddr *)&v4, &got));
    network_print(&got, text);
    assert_string_equal(text, "192.0.2.7");
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr), 1);
    assert_true(network_of((const struct sockaddr *)&v6, &got));
    network_print(&got, text);
    assert_string_equal(text, "2001:db8::7");
    assert_false(network_of(&other, &got));
}

static void test_the_client_is_the_rightmost_that_is_not_trusted(void **state)
{
    (void)state;
    const struct network trusted[] = { address("127.0.0.1"), address("10.0.0.0/8"),
                                       address("fd00::/8") };
    static const struct {
        const char *peer, *forwarded, *client;
    } cases[] = {
        { "192.0.2.7", NULL, "192.0.2.7" },
        { "192.0.2.7", "203.0.113.9", "192.0.2.7" }, /* nobody of ours: not believed */
        { "127.0.0.1", NULL, "127.0.0.1" },
        { "127.0.0.1", "", "127.0.0.1" },
        { "127.0.0.1", "203.0.113.9", "203.0.113.9" },
        { "127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9" }, /* it says so itself */
        { "127.0.0.1", "203.0.113.9, 10.1.1.1", "203.0.113.9" },
        { "127.0.0.1", "198.51.100.1,203.0.113.9,10.1.1.1,10.2.2.2", "203.0.113.9" },
        { "127.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1" },
        { "127.0.0.1", " 203.0.113.9\t", "203.0.113.9" },
        { "127.0.0.1", "203.0.113.9:51000", "203.0.113.9" },
        { "127.0.0.1", "2001:db8::9", "2001:db8::9" },
        { "127.0.0.1", "[2001:db8::9]", "2001:db8::9" },
        { "127.0.0.1", "[2001:db8::9]:443", "2001:db8::9" },
        { "127.0.0.1", "203.0.113.9, unknown", "127.0.0.1" },
        { "127.0.0.1", "203.0.113.9,", "127.0.0.1" },
        { "127.0.0.1", ",", "127.0.0.1" },
        { "127.0.0.1", "203.0.113.9, garbage, 10.1.1.1", "10.1.1.1" },
        { "127.0.0.1", "[::1", "127.0.0.1" },
        { "127.0.0.1", "]", "127.0.0.1" },
        { "fd00::1", "::ffff:203.0.113.9", "203.0.113.9" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NETWORK_TEXT];
        struct network peer = address(cases[i].peer);
        struct network client =
            network_client(&peer, cases[i].forwarded, trusted, sizeof trusted / sizeof *trusted);
        network_print(&client, text);
        if (strcmp(text, cases[i].client) != 0)
            fail_msg("%s, \"%s\": %s, not %s", cases[i].peer,
                     cases[i].forwarded != NULL ? cases[i].forwarded : "-", text, cases[i].client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_an_address),
        cmocka_unit_test(test_ranges_hold_addresses),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_the_client_is_the_rightmost_that_is_not_trusted),
    };
    return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
