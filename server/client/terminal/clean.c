/* One question, which characters a terminal must not get, and the two answers to it. */
#include "server/client/terminal/clean.h"

#include "common/base/utf8.h"

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Unicode's Bidi_Control, and the separators that a terminal may take for an end of line. */
static bool turns(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

void clean_add(struct buf *to, const char *text, size_t len, enum clean_kind kind)
{
    for (size_t i = 0, n; i < len; i += n) {
        size_t whole = utf8_char(text + i, len - i);
        if (whole == 0) {
            buf_adds(to, "\xef\xbf\xbd");
            n = 1;
            continue;
        }
        uint32_t c = utf8_decode(text + i, len - i, &n);
        bool space = c == '\n' || c == '\t';
        if (space && kind == CLEAN_LINE)
            buf_addc(to, ' ');
        else if (space || (!is_control(c) && !turns(c)))
            buf_add(to, text + i, n);
    }
}

void clean_add_json(struct buf *to, const char *json, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        if (utf8_char(json + i, len - i) == 0) {
            buf_adds(to, "\xef\xbf\xbd");
            n = 1;
            continue;
        }
        uint32_t c = utf8_decode(json + i, len - i, &n);
        if ((c >= 0x7f && c <= 0x9f) || turns(c))
            buf_addf(to, "\\u%04x", (unsigned)c);
        else if (c >= 0x20 || c == '\n')
            buf_add(to, json + i, n);
    }
}
