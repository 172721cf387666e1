/* A scanner over one cursor; what it reads gets finer as it goes. */
#include "server/filter/times.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* n digits, as a number from least to most. */
static bool number(const char **at, int n, int least, int most, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (!isdigit((unsigned char)**at))
            return false;
        value = 10 * value + (**at - '0');
    }
    *ret = value;
    return value >= least && value <= most;
}

static bool sign(const char **at, char c)
{
    *at += **at == c;
    return (*at)[-1] == c;
}

static bool day(const char **at, struct tm *ret)
{
    static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int y, m, d;
    if (!number(at, 4, 1970, 9999, &y) || !sign(at, '-') || !number(at, 2, 1, 12, &m) ||
        !sign(at, '-') || !number(at, 2, 1, 31, &d))
        return false;
    bool leap = m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    *ret = (struct tm){ .tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d };
    return d <= days[m - 1] + leap;
}

/* Digits behind a point: at most ms are kept. */
static bool fraction(const char **at, int64_t *ms, int64_t *span)
{
    if (!isdigit((unsigned char)**at))
        return false;
    for (int64_t unit = 100; isdigit((unsigned char)**at); (*at)++, unit /= 10) {
        *ms += unit * (**at - '0');
        *span = unit > 0 ? unit : 1;
    }
    return true;
}

/* Hours, and whatever of minutes, seconds and fraction follows. */
static bool clock_of_day(const char **at, int64_t *ms, int64_t *span)
{
    int h, m = 0, s = 0;
    if (!number(at, 2, 0, 23, &h))
        return false;
    *span = 3600000;
    if (**at == ':') {
        (*at)++;
        if (!number(at, 2, 0, 59, &m))
            return false;
        *span = 60000;
        if (**at == ':') {
            (*at)++;
            if (!number(at, 2, 0, 59, &s))
                return false;
            *span = 1000;
        }
    }
    *ms += ((h * 60LL + m) * 60 + s) * 1000;
    if (*span == 1000 && **at == '.') {
        (*at)++;
        return fraction(at, ms, span);
    }
    return true;
}

static bool zone(const char **at, int64_t *ms)
{
    int h, m = 0;
    char c = **at;
    if (c == 'Z' || c == 'z')
        (*at)++;
    if (c != '+' && c != '-')
        return true;
    (*at)++;
    if (!number(at, 2, 0, 23, &h))
        return false;
    *at += **at == ':';
    if (**at != '\0' && !number(at, 2, 0, 59, &m))
        return false;
    *ms -= (c == '-' ? -1 : 1) * (h * 60LL + m) * 60000;
    return (*at)[-1] != ':';
}

bool filter_time(const char *text, int64_t *ret_from, int64_t *ret_to)
{
    struct tm date;
    const char *at = text;
    int64_t ms = 0, span = 86400000;
    if (!day(&at, &date))
        return false;
    if (*at == 'T' || *at == 't' || *at == ' ') {
        at++;
        if (!clock_of_day(&at, &ms, &span) || !zone(&at, &ms))
            return false;
    }
    if (*at != '\0')
        return false;
    *ret_from = (int64_t)timegm(&date) * 1000 + ms;
    *ret_to = *ret_from + span;
    return true;
}
