/* How many connections an address may have, and what is said of those turned away. */
#include "common/base/clock.h"
#include "common/base/err.h"
#include "server/base/options.h"
#include "server/http/peers.h"
#include "server/http/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct options options;
static struct peers peers;

static int set_up(void **state)
{
    (void)state;
    options = (struct options){ .limits = { .connections_per_address = 3 }, .proxies_n = 1 };
    peers = (struct peers){ .options = &options };
    return network_parse("10.0.0.0/8", &options.proxies[0]) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    while (peers.first != NULL)
        peers_remove(&peers, peers.first);
    return 0;
}

static struct peer *add(const char *text)
{
    struct network address;
    assert_true(network_parse(text, &address));
    if (!peers_welcome(&peers, &address))
        return NULL;
    struct peer *peer = peers_add(&peers, &address, NULL, -1);
    assert_non_null(peer);
    return peer;
}

static void test_one_too_many_is_heard_and_twice_as_many_are_not(void **state)
{
    (void)state;
    struct peer *first = add("192.0.2.7");
    for (int i = 1; i < 6; i++)
        assert_int_equal(add("192.0.2.7")->over, i >= 3);
    assert_null(add("192.0.2.7"));
    assert_false(add("192.0.2.8")->over); /* another address has its own */
    assert_int_equal(peers.n, 7);
    peers_remove(&peers, first);
    assert_true(add("192.0.2.7")->over);
    assert_null(add("192.0.2.7"));
}

static void test_places_come_free_again(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_false(add("192.0.2.7")->over);
        while (peers.first != NULL)
            peers_remove(&peers, peers.first);
        assert_int_equal(peers.n, 0);
    }
}

static void test_loopback_and_proxies_are_exempt(void **state)
{
    (void)state;
    static const char *const exempt[] = { "127.0.0.1", "::1", "10.1.2.3" };
    for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
        for (int n = 0; n < 20; n++)
            assert_false(add(exempt[i])->over);
}

static void test_an_ipv6_network_counts_as_one(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        char text[NETWORK_TEXT];
        snprintf(text, sizeof text, "2001:db8:0:1::%d", i);
        assert_int_equal(add(text)->over, i >= 3);
    }
    assert_null(add("2001:db8:0:1:ffff::9"));
    assert_false(add("2001:db8:0:2::1")->over);
}

static void test_an_hour_of_waiting(void **state)
{
    (void)state;
    struct peer *peer = add("192.0.2.7");
    assert_false(peer_is_late(peer));
    peer_wait(peer, 1000);
    assert_false(peer_is_late(peer));
    clock_shift(0, 1001);
    assert_true(peer_is_late(peer));
    peer_wait(peer, 0);
    clock_shift(0, 3600000);
    assert_false(peer_is_late(peer));
    peer_wait(NULL, 1);
}

static uint64_t counted(const struct refusals *refusals, const char *name)
{
    const char *reason;
    uint64_t n;
    for (size_t i = 0; refusals_get(refusals, i, &reason, &n); i++)
        if (strcmp(reason, name) == 0)
            return n;
    fail_msg("%s isn't counted", name);
    return 0;
}

/* What is written to standard error meanwhile. */
static char *logged(struct refusals *refusals, int n, const char *what)
{
    static char text[16384];
    int copy = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    assert_true(copy >= 0 && file != NULL);
    dup2(fileno(file), STDERR_FILENO);
    for (int i = 0; i < n; i++)
        refusals_note(refusals, ERR_UNAUTHORIZED, "192.0.2.7", what);
    refusals_sum_up(refusals);
    dup2(copy, STDERR_FILENO);
    close(copy);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static int lines(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void test_refusals_are_counted_and_the_log_has_an_end(void **state)
{
    (void)state;
    struct refusals refusals = { .window_ms = clock_mono_ms() };
    const char *text = logged(&refusals, 25, "GET /x");
    assert_int_equal(lines(text), REFUSALS_SHOWN);
    assert_non_null(
        strstr(text, "msg=\"refused: GET /x\" code=\"unauthorized\" client=\"192.0.2.7\""));
    assert_int_equal(counted(&refusals, "unauthorized"), 25);
    assert_int_equal(counted(&refusals, "forbidden"), 0);
    refusals_note(&refusals, ERR_NOT_FOUND, "192.0.2.7", "GET /"); /* of no concern */
    clock_shift(0, REFUSALS_WINDOW_MS);
    text = logged(&refusals, 0, "");
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "msg=\"refused: 15 more\" code=\"unauthorized\""));
    assert_int_equal(lines(logged(&refusals, 1, "GET /")), 1);
    assert_int_equal(counted(&refusals, "unauthorized"), 26);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_one_too_many_is_heard_and_twice_as_many_are_not),
        TEST(test_places_come_free_again),
        TEST(test_loopback_and_proxies_are_exempt),
        TEST(test_an_ipv6_network_counts_as_one),
        TEST(test_an_hour_of_waiting),
        cmocka_unit_test(test_refusals_are_counted_and_the_log_has_an_end),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
