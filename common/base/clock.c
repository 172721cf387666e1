/* The system's two clocks, each with a shift that only tests set. */
#include "common/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_int_fast64_t wall_shift_ms, mono_shift_ms; /* a test moves them, threads read */

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME) + wall_shift_ms;
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC) + mono_shift_ms;
}

double clock_mono_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9 + (double)mono_shift_ms * 1e-3;
}

void clock_shift(int64_t wall_ms, int64_t mono_ms)
{
    wall_shift_ms += wall_ms;
    mono_shift_ms += mono_ms;
}

void clock_iso(int64_t wall_ms, char ret[CLOCK_ISO_BYTES])
{
    int64_t ms = wall_ms % 1000;
    int64_t s = wall_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        s -= 1;
    }
    time_t seconds = (time_t)s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char day[20];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(ret, CLOCK_ISO_BYTES, "%.19s.%03uZ", day, (unsigned)ms % 1000);
}

void clock_http(int64_t wall_ms, char ret[CLOCK_HTTP_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(ret, CLOCK_HTTP_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}
