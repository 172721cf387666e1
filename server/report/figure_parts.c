/* Nothing that people have named leaves its single quotes. */
#include "server/report/figure_parts.h"

#include "common/base/utf8.h"

#include <math.h>
#include <string.h>

struct figure_look figure_look(size_t arm)
{
    static const struct figure_look looks[] = {
        { "0072B2", 7, 1 },  { "D55E00", 5, 2 }, { "009E73", 9, 4 }, { "CC79A7", 13, 5 },
        { "B58900", 11, 3 }, { "56B4E9", 6, 1 }, { "6B5FB5", 4, 2 }, { "5F666D", 8, 4 },
    };
    return looks[arm % (sizeof looks / sizeof *looks)]; /* then they repeat */
}

void figure_quoted(const char *text, struct buf *to)
{
    buf_addc(to, '\'');
    for (const char *c = text; *c != '\0'; c++)
        buf_addc(to, *c == '\'' || *c == '`' || *c == '\\' || (unsigned char)*c < 32 ? ' ' : *c);
    buf_addc(to, '\'');
}

void figure_clip(const char *text, size_t most, struct buf *to)
{
    size_t len = strlen(text), at = 0, end = 0, chars = 0, bytes;
    while ((bytes = utf8_char(text + at, len - at)) > 0) {
        at += bytes;
        end = ++chars < most ? at : end;
    }
    buf_add(to, text, chars > most ? end : at);
    buf_adds(to, chars > most ? "…" : "");
}

void figure_number(double value, struct buf *to)
{
    buf_addc(to, ' ');
    if (isfinite(value))
        buf_addf(to, "%.9g", value);
    else
        buf_adds(to, "NaN");
}
