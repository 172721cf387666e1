/* One table of the forms that a character may have; runs of ASCII are passed over eight bytes at a
 * time. */
#include "common/base/utf8.h"

#include <string.h>

/* Unicode 15, table 3-7: what the second byte may be depends on the first; later ones are 80–BF. */
static const struct {
    unsigned char first, last, low, high;
    size_t len;
} forms[] = {
    { 0x00, 0x7F, 0x00, 0x00, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
    { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
    { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
};

size_t utf8_char(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;
    for (size_t i = 0; len > 0 && i < sizeof forms / sizeof *forms; i++) {
        if (c[0] < forms[i].first || c[0] > forms[i].last)
            continue;
        if (forms[i].len > len ||
            (forms[i].len > 1 && (c[1] < forms[i].low || c[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((c[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

/* Bytes at the beginning that are ASCII, eight at a time. */
static size_t ascii(const char *text, size_t len)
{
    size_t at = 0;
    for (uint64_t eight; at + sizeof eight <= len; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if ((eight & 0x8080808080808080u) != 0)
            break;
    }
    return at;
}

bool utf8_valid(const char *text, size_t len, size_t *ret_at)
{
    size_t at = ascii(text, len);
    for (size_t n; at < len && (n = utf8_char(text + at, len - at)) > 0;) {
        at += n;
        at += ascii(text + at, len - at);
    }
    if (ret_at != NULL)
        *ret_at = at;
    return at == len;
}

uint32_t utf8_decode(const char *text, size_t len, size_t *ret_len)
{
    static const unsigned char masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    const unsigned char *c = (const unsigned char *)text;
    size_t n = utf8_char(text, len);
    uint32_t code = c[0] & masks[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (c[i] & 0x3F);
    *ret_len = n > 0 ? n : 1;
    return code;
}

size_t utf8_encode(uint32_t code, char ret[4])
{
    static const unsigned char leads[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3F));
    ret[0] = (char)(leads[n] | code);
    return n;
}
