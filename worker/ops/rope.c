/* The tables of angles, and a rotation for each way to pair a row's numbers. */
#include "worker/ops/rope.h"

#include <math.h>

void rope_tables(size_t t, size_t d, real *cos_out, real *sin_out)
{
    for (size_t p = 0; p < t; p++)
        for (size_t i = 0; i < d / 2; i++) {
            double angle = (double)p * pow(10000.0, -2.0 * (double)i / (double)d);
            cos_out[p * (d / 2) + i] = (real)cos(angle);
            sin_out[p * (d / 2) + i] = (real)sin(angle);
        }
}

void rope_turn(real *x, size_t d, const real *cos_row, const real *sin_row, int inverse)
{
    for (size_t i = 0; i < d / 2; i++) {
        real even = x[2 * i], odd = x[2 * i + 1], s = inverse ? -sin_row[i] : sin_row[i];
        x[2 * i] = even * cos_row[i] - odd * s;
        x[2 * i + 1] = even * s + odd * cos_row[i];
    }
}

void rope_turn_halves(real *x, size_t d, const real *cos_row, const real *sin_row, int inverse)
{
    for (size_t i = 0; i < d / 2; i++) {
        real low = x[i], high = x[i + d / 2], s = inverse ? -sin_row[i] : sin_row[i];
        x[i] = low * cos_row[i] - high * s;
        x[i + d / 2] = low * s + high * cos_row[i];
    }
}
