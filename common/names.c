/* What Unicode says of characters is utf8proc's; which of them are fit for a name is the table's. */
#include "common/names.h"

#include "common/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* By general category; NULL: it may stand in a name. */
static const char *const unfit[] = {
    [UTF8PROC_CATEGORY_CN] = "which no version of Unicode that is known here has assigned",
    [UTF8PROC_CATEGORY_ZL] = "a line separator",
    [UTF8PROC_CATEGORY_ZP] = "a paragraph separator",
    [UTF8PROC_CATEGORY_CC] = "a control character",
    [UTF8PROC_CATEGORY_CF] = "which isn't seen",
    [UTF8PROC_CATEGORY_CS] = "half a character",
    [UTF8PROC_CATEGORY_CO] = "a private character, which looks different everywhere",
};

static bool is_joiner(uint32_t c)
{
    return c == 0x200c || c == 0x200d;
}

/* Unicode's Variation_Selector. */
static bool is_selector(uint32_t c)
{
    return (c >= 0x180b && c <= 0x180d) || c == 0x180f || (c >= 0xfe00 && c <= 0xfe0f) ||
           (c >= 0xe0100 && c <= 0xe01ef);
}

/* Unicode's Bidi_Control. */
static bool turns(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static bool is_space(utf8proc_category_t category)
{
    return category == UTF8PROC_CATEGORY_ZS;
}

static bool is_mark(utf8proc_category_t category)
{
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
           category == UTF8PROC_CATEGORY_ME;
}

/* What is wrong with a character between the one before (0: it is the first) and the one behind (0:
 * it is the last); NULL: nothing. */
static const char *wrong(uint32_t before, uint32_t c, uint32_t behind)
{
    const utf8proc_property_t *is = utf8proc_get_property((utf8proc_int32_t)c);
    utf8proc_category_t category = (utf8proc_category_t)is->category;
    if (turns(c))
        return "which turns the direction of text";
    if (is_joiner(c))
        return before == 0 || behind == 0 || is_joiner(behind)
                   ? "a joiner, which must stand between two other characters"
                   : NULL;
    if (unfit[category] != NULL)
        return unfit[category];
    if (is->ignorable && !is_selector(c))
        return "which isn't seen";
    if (is_space(category) && before == 0)
        return "a space; a name begins with something else";
    if (is_space(category) && behind == 0)
        return "a space; a name ends with something else";
    if (is_mark(category) && before == 0)
        return "a mark, which must stand behind what it marks";
    return NULL;
}

static bool is_blank(const char *text)
{
    for (size_t at = 0, n, len = strlen(text); at < len; at += n)
        if (!is_space(utf8proc_category((utf8proc_int32_t)utf8_decode(text + at, len - at, &n))))
            return false;
    return true;
}

/* Whether text is composed; the first character that isn't is told, and what it would be. */
static int check_composed(const char *text, const char *what, const char *pointer, struct err *err)
{
    char *composed = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
    size_t at = 0;
    if (composed == NULL)
        return err_no_memory(err, "a name");
    while (text[at] != '\0' && text[at] == composed[at])
        at++;
    int status = text[at] == composed[at]
                     ? 0
                     : err_set_at(err, ERR_INVALID_VALUE, pointer,
                                  "%s must be in Unicode's composed form (NFC), which differs at "
                                  "character %d: \"%s\"",
                                  what, err_character(text, at), composed);
    free(composed);
    return status;
}

int names_check(const char *text, const char *what, const char *pointer, struct err *err)
{
    size_t len = strlen(text);
    uint32_t before = 0;
    int chars = err_character(text, len) - 1;
    if (len == 0)
        return err_set_at(err, ERR_INVALID_VALUE, pointer, "%s must have 1 to %d characters", what,
                          NAMES_MAX);
    if (is_blank(text))
        return err_set_at(err, ERR_INVALID_VALUE, pointer, "%s must not be blank", what);
    if (chars > NAMES_MAX)
        return err_set_at(err, ERR_INVALID_VALUE, pointer,
                          "%s must have 1 to %d characters, not %d", what, NAMES_MAX, chars);
    for (size_t at = 0, n, next; at < len; at += n) {
        uint32_t c = utf8_decode(text + at, len - at, &n), behind = 0;
        if (at + n < len)
            behind = utf8_decode(text + at + n, len - at - n, &next);
        const char *why = wrong(before, c, behind);
        if (why != NULL)
            return err_set_at(err, ERR_INVALID_VALUE, pointer,
                              "%s can't have U+%04X as character %d, %s", what, (unsigned)c,
                              err_character(text, at), why);
        before = c;
    }
    return check_composed(text, what, pointer, err);
}

bool names_is_plain(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-");
    return text[len] == '\0' && len >= 1 && len <= NAMES_MAX;
}

bool names_is_stored(const char *text)
{
    return names_is_plain(text) ||
           (utf8_valid(text, strlen(text), NULL) && names_check(text, "", NULL, NULL) == 0);
}

static bool fits_file(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._-", c) != NULL);
}

void names_flatten(char *text)
{
    size_t n = 0;
    bool beyond = false; /* ASCII, as the byte before was */
    for (const char *at = text; *at != '\0'; at++) {
        bool was = beyond;
        beyond = (unsigned char)*at >= 0x80;
        if (!(beyond && was))
            text[n++] = fits_file(*at) ? *at : '-';
    }
    text[n] = '\0';
}

void names_for_file(const char *name, int64_t id, char *ret, size_t size)
{
    char plain[NAMES_BYTES];
    snprintf(plain, sizeof plain, "%s", name);
    names_flatten(plain);
    if (plain[0] == '.' || plain[0] == '-')
        plain[0] = '_';
    snprintf(ret, size, "%.64s-%lld", plain, (long long)id);
}
