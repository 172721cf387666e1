/* The digits of doubles against printf's: as few as read back, and of those the nearest. */
#include "common/json/shortest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Adds one to the last digit of "d.ddd", unless all are nines. */
static void count_up(char *text, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        if (text[i] == '.')
            continue;
        if (text[i] < '9') {
            text[i]++;
            return;
        }
        if (i > 0)
            text[i] = '0';
    }
}

/* Every decimal of up to 15 digits survives a normal double; subnormals hold fewer. Below a power of
 * two doubles lie twice as dense as above: the nearest 16 digits may read back to the neighbour
 * below while the next ones up still read back to the value. */
static void by_printf(double value, char *ret, size_t size)
{
    int precision = value < 2.2250738585072014e-308 ? 1 : 15;
    for (; precision < 17; precision++) {
        snprintf(ret, size, "%.*e", precision - 1, value);
        if (strtod(ret, NULL) == value)
            break;
    }
    if (precision == 17) {
        snprintf(ret, size, "%.15e", value);
        count_up(ret, strcspn(ret, "e"));
        if (strtod(ret, NULL) != value)
            snprintf(ret, size, "%.16e", value);
    }
    char exponent[16];
    size_t end = strcspn(ret, "e");
    snprintf(exponent, sizeof exponent, "e%d", atoi(ret + end + 1));
    while (ret[end - 1] == '0')
        end--;
    end -= ret[end - 1] == '.';
    snprintf(ret + end, size - end, "%s", exponent);
}

static void compare(double value)
{
    char want[48], got[48], digits[SHORTEST_DIGITS];
    int point;
    if (!(value > 0) || !isfinite(value))
        return;
    size_t n = shortest_digits(value, digits, &point);
    assert_in_range(n, 1, SHORTEST_DIGITS);
    snprintf(got, sizeof got, "%c%s%.*se%d", digits[0], n > 1 ? "." : "", (int)n - 1, digits + 1,
             point - 1);
    by_printf(value, want, sizeof want);
    assert_string_equal(got, want);
}

static void with_neighbours(double value)
{
    compare(nextafter(value, 0));
    compare(value);
    compare(nextafter(value, INFINITY));
}

static void test_powers_of_two(void **state)
{
    (void)state;
    for (int e = -1074; e < 1024; e++) {
        with_neighbours(ldexp(1, e));
        with_neighbours(ldexp(3, e));
    }
}

static void test_short_decimals(void **state)
{
    (void)state;
    for (int e = -323; e <= 308; e++)
        for (int d = 1; d <= 99; d += d < 10 ? 1 : 7) {
            char text[20];
            snprintf(text, sizeof text, "%de%d", d, e);
            with_neighbours(strtod(text, NULL));
        }
}

static void test_any(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 50000; i++) {
        double value;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t bits = random & INT64_MAX, small = random >> (12 + i % 52);
        memcpy(&value, &bits, sizeof value);
        compare(value);
        memcpy(&value, &small, sizeof value);
        compare(value);
        compare((double)(random >> 11) * 0x1p-53);
        compare((double)(float)((double)(random >> 11) * 0x1p-53));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_powers_of_two),
                                        cmocka_unit_test(test_short_decimals),
                                        cmocka_unit_test(test_any) };
    return cmocka_run_group_tests_name("shortest", tests, NULL, NULL);
}
