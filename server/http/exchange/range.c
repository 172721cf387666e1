/* bytes=FIRST-LAST, bytes=FIRST-, bytes=-COUNT, with blanks around; nothing else is understood. */
#include "server/http/exchange/range.h"

#include <string.h>
#include <strings.h>

/* A number of digits, as large as there are; false where there is none. */
static bool take_number(const char **at, uint64_t *ret)
{
    uint64_t value = 0;
    const char *begin = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            value = UINT64_MAX / 10;
    *ret = value;
    return *at > begin;
}

static void skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

enum range range_of(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_len)
{
    uint64_t first = 0, last = 0;
    if (text == NULL || strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_WHOLE;
    text += 6;
    skip_blanks(&text);
    bool has_first = take_number(&text, &first);
    if (*text++ != '-')
        return RANGE_WHOLE;
    bool has_last = take_number(&text, &last);
    skip_blanks(&text);
    if (*text != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return RANGE_WHOLE;
    if (!has_first) {
        first = last < size ? size - last : 0;
        if (last == 0)
            return RANGE_NOWHERE;
    }
    if (first >= size)
        return RANGE_NOWHERE;
    if (!has_first || !has_last || last >= size)
        last = size - 1;
    *ret_from = first;
    *ret_len = last - first + 1;
    return RANGE_PART;
}

bool range_holds(const char *if_range, const char *etag, const char *modified)
{
    if (if_range == NULL)
        return true;
    const char *known = *if_range == '"' ? etag : modified;
    return known != NULL && strcmp(if_range, known) == 0;
}
