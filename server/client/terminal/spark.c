/* Eight heights, of Unicode's blocks or of ASCII. */
#include "server/client/terminal/spark.h"

#include <math.h>

enum { HEIGHTS = 8 };
static const char *const blocks[HEIGHTS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const letters[HEIGHTS] = { "_", ".", ",", "-", "~", "=", "+", "#" };

/* The mean of a column's values; NaN as soon as one of them isn't finite. */
static double column(const double *values, size_t n, size_t width, size_t i)
{
    size_t from = i * n / width, to = (i + 1) * n / width;
    double sum = 0;
    for (size_t k = from; k < to; k++)
        sum += isfinite(values[k]) ? values[k] / (double)(to - from) : (double)NAN;
    return sum;
}

void spark_line(struct buf *to, const double *values, size_t n, size_t width, bool ascii)
{
    double least = INFINITY, greatest = -INFINITY;
    width = width < n ? width : n;
    for (size_t i = 0; i < width; i++) {
        double value = column(values, n, width, i);
        least = fmin(least, value);
        greatest = fmax(greatest, value);
    }
    for (size_t i = 0; i < width; i++) {
        double value = column(values, n, width, i), range = greatest - least;
        if (!isfinite(value)) {
            buf_adds(to, "x");
            continue;
        }
        double share = range > 0 && isfinite(range) ? (value - least) / range : 0.5;
        int height = (int)(share * HEIGHTS);
        buf_adds(to, (ascii ? letters : blocks)[height < HEIGHTS ? height : HEIGHTS - 1]);
    }
}

void spark_bar(struct buf *to, double share, size_t width, bool ascii)
{
    double whole = share > 0 ? fmin(share, 1) * (double)width : 0;
    size_t full = (size_t)whole;
    for (size_t i = 0; i < width; i++)
        buf_adds(to, i < full ? (ascii ? "#" : "█") : (ascii ? "." : "░"));
}
