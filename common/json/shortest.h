/* shortest: the fewest decimal digits that read back to the same double, and of those the nearest.
 *
 * Raffaele Giulietti, "The Schubfach way to render doubles" (2020). A double v = c·2^q stands for
 * the interval between the middles to its neighbours. With k = ⌊log10 of its width⌋ the multiples
 * of 10^k lie so densely that one is in it, and at most one multiple of 10^(k+1): that one is
 * shorter and taken if it is there. v and the interval's ends are scaled by 10^-k in integers, with
 * two bits below the point and what is beyond them rounded to odd, so that every comparison comes
 * out as of the exact numbers; 10^-k is rounded up to 126 bits for that, by a table of 617 that is
 * computed once.
 *
 * printf with 15, 16 and 17 digits and strtod to see which reads back needs 1.0 µs a number where
 * this needs 0.07: an export writes ten million. It is the oracle of this in the tests.
 */
#ifndef ABLATE_COMMON_SHORTEST_H
#define ABLATE_COMMON_SHORTEST_H

#include <stddef.h>

enum { SHORTEST_DIGITS = 17 };
/* value: finite, > 0. Its digits, the last one not 0, and how many; value = 0.d1d2d3… ·
 * 10^*ret_point. */
size_t shortest_digits(double value, char ret[SHORTEST_DIGITS], int *ret_point);

#endif
