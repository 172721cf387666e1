/* Names follow the paper: c, q, k, h, g; cb, vb: of the value and of the interval's ends, times 4. */
#include "common/json/shortest.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef unsigned __int128 u128;

/* g of 10^e, e from E_MIN: ⌊10^e / 2^r⌋ + 1 with such an r that 2^125 ≤ g < 2^126, in two halves. */
enum { E_MIN = -292, E_MAX = 324, POWERS = E_MAX - E_MIN + 1 };
static struct {
    uint64_t high, low; /* 63 bits each */
} powers[POWERS];

/* ⌊log2 10^e⌋ and ⌊log10 2^q⌋, ⌊log10 3/4·2^q⌋, for the exponents that there are. */
static int log2_of_power(int e)
{
    return (int)(((int64_t)e * 1741647) >> 19);
}

static int log10_of_power(int q, bool narrow)
{
    return (int)(((int64_t)q * 1262611 - (narrow ? 524031 : 0)) >> 22);
}

/* The table, by long numbers: 10^e itself, or a power of two divided by it. */

enum { WORDS = 40 }; /* of 32 bits, the lowest first: room for 10^325 and 2^1200 */

static void multiply(uint32_t *number, uint32_t by)
{
    uint64_t carry = 0;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint64_t)number[i] * by;
        number[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void divide(uint32_t *number, uint32_t by)
{
    uint64_t rest = 0;
    for (int i = WORDS; i-- > 0;) {
        rest = rest << 32 | number[i];
        number[i] = (uint32_t)(rest / by);
        rest %= by;
    }
}

static int bits_of(const uint32_t *number)
{
    int i = WORDS;
    while (number[i - 1] == 0)
        i--;
    return 32 * i - __builtin_clz(number[i - 1]);
}

/* Its highest 126 bits, and one more. */
static void keep(int e, const uint32_t *number)
{
    int bits = bits_of(number), drop = bits - 126;
    u128 g = 0;
    for (int bit = bits - 1; bit >= (drop > 0 ? drop : 0); bit--)
        g = g << 1 | (number[bit / 32] >> bit % 32 & 1);
    if (drop < 0)
        g <<= -drop;
    g++;
    powers[e - E_MIN].high = (uint64_t)(g >> 63);
    powers[e - E_MIN].low = (uint64_t)g & INT64_MAX;
}

/* 2^1200 / 10^292 still has 230 bits, and floors of floors are floors. */
static void make_powers(void)
{
    uint32_t number[WORDS] = { 1 };
    for (int e = 0; e <= E_MAX; e++) {
        keep(e, number);
        multiply(number, 10);
    }
    memset(number, 0, sizeof number);
    number[1200 / 32] = (uint32_t)1 << 1200 % 32;
    for (int e = -1; e >= E_MIN; e--) {
        divide(number, 10);
        keep(e, number);
    }
}

/* ⌊g·cp / 2^127⌋, with its last bit set if anything was dropped. What lies below the 64th bit of the
 * product is g's own rounding, and no part of that. */
static uint64_t round_to_odd(int e, uint64_t cp)
{
    u128 x = (u128)powers[e - E_MIN].low * cp, y = (u128)powers[e - E_MIN].high * cp;
    uint64_t z = ((uint64_t)y >> 1) + (uint64_t)(x >> 64);
    return ((uint64_t)(y >> 64) + (z >> 63)) | ((z & INT64_MAX) != 0);
}

struct decimal {
    uint64_t digits;
    int exponent;
};

static struct decimal nearest(uint64_t c, int q, bool narrow)
{
    bool even = c % 2 == 0;
    int k = log10_of_power(q, narrow), h = q + log2_of_power(-k) + 2;
    uint64_t cb = 4 * c, low = cb - 2 + narrow, high = cb + 2;
    uint64_t vb = round_to_odd(-k, cb << h), s = vb / 4;
    uint64_t lower = round_to_odd(-k, low << h) + !even;
    uint64_t upper = round_to_odd(-k, high << h) - !even;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = lower <= 40 * tens, above = 40 * tens + 40 <= upper;
        if (below != above)
            return (struct decimal){ tens + above, k + 1 };
    }
    bool below = lower <= 4 * s, above = 4 * s + 4 <= upper;
    if (below != above)
        return (struct decimal){ s + above, k };
    uint64_t middle = 4 * s + 2;
    bool up = vb > middle || (vb == middle && s % 2 == 1);
    return (struct decimal){ s + up, k };
}

size_t shortest_digits(double value, char ret[SHORTEST_DIGITS], int *ret_point)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint64_t bits;
    char text[24];
    size_t n = 0;
    pthread_once(&once, make_powers);
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1), exponent = bits >> 52;
    bool normal = exponent > 0;
    struct decimal d = nearest(fraction | (uint64_t)normal << 52,
                               (int)(normal ? exponent : 1) - 1075, fraction == 0 && exponent > 1);
    for (; d.digits % 10 == 0; d.digits /= 10)
        d.exponent++;
    for (; d.digits > 0; d.digits /= 10)
        text[n++] = (char)('0' + d.digits % 10);
    for (size_t i = 0; i < n; i++)
        ret[i] = text[n - 1 - i];
    *ret_point = d.exponent + (int)n;
    return n;
}
