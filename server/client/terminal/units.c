/* No figure here is read back by a program: --json has the numbers. */
#include "server/client/terminal/units.h"

#include "common/json/jsonx.h"

#include <math.h>
#include <stdio.h>

const char *units_bytes(double bytes, char ret[UNITS_TEXT])
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    size_t i = 0;
    for (; bytes >= 1024 && i < 4; i++)
        bytes /= 1024;
    snprintf(ret, UNITS_TEXT, i == 0 ? "%.0f %s" : "%.1f %s", bytes, names[i]);
    return ret;
}

const char *units_seconds(double s, char ret[UNITS_TEXT])
{
    if (s < 10)
        snprintf(ret, UNITS_TEXT, "%.1f s", s);
    else if (s < 60)
        snprintf(ret, UNITS_TEXT, "%.0f s", s);
    else if (s < 3600)
        snprintf(ret, UNITS_TEXT, "%.0f min %.0f s", floor(s / 60), floor(fmod(s, 60)));
    else if (s < 86400)
        snprintf(ret, UNITS_TEXT, "%.0f h %.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
    else
        snprintf(ret, UNITS_TEXT, "%.0f d %.0f h", floor(s / 86400), floor(fmod(s, 86400) / 3600));
    return ret;
}

const char *units_si(double value, char ret[UNITS_TEXT])
{
    static const char *const names[] = { "", " k", " M", " G", " T", " P", " E" };
    size_t i = 0;
    for (; value >= 999.5 && i < 6; i++)
        value /= 1000;
    snprintf(ret, UNITS_TEXT, i == 0 ? "%.0f%s" : "%.3g%s", value, names[i]);
    return ret;
}

const char *units_value(const json_t *value, char ret[UNITS_TEXT])
{
    double number;
    if (json_is_string(value) || value == NULL || jsonx_to_double(value, &number) != 0)
        snprintf(ret, UNITS_TEXT, "%.20s", json_is_string(value) ? json_string_value(value) : "–");
    else
        snprintf(ret, UNITS_TEXT, "%.4f", number);
    return ret;
}
