/* What kind of file it is, by its lines: those of just "%", gaps of blank ones, and braces. */

#include "server/data/import/look.h"

#include <string.h>

void look_init(struct look *look)
{
    *look = (struct look){ .braces = true, .bare = true };
}

static void end_line(struct look *look)
{
    bool percent = look->bare && look->length == 1 && look->first == '%', blank = look->first == 0;
    if (percent) {
        look->percents++;
    } else if (!blank) {
        look->contents++;
        look->gaps += look->in_gap && look->after_content;
        look->braces &= look->first == '{' && look->last == '}';
        look->closing = look->last;
    }
    if (!blank)
        look->after_content = !percent;
    look->in_gap = blank;
    look->first = look->last = 0;
    look->length = 0;
    look->bare = true;
}

static void add(struct look *look, char c)
{
    if (strchr(" \t\f\v", c) != NULL) {
        look->bare = false;
        return;
    }
    if (look->first == 0)
        look->first = c;
    look->last = c;
    look->length += look->length < 2;
    if (look->opening[0] == 0)
        look->opening[0] = c;
    else if (look->opening[1] == 0)
        look->opening[1] = c;
}

/* Of a stretch only both ends tell anything. */
static void add_stretch(struct look *look, const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && look->length < 2)
        add(look, bytes[i++]);
    while (n > i && strchr(" \t\f\v", bytes[n - 1]) != NULL)
        n--;
    if (n > i)
        look->last = bytes[n - 1];
}

int look_take(void *self, const char *bytes, size_t n, struct err *err)
{
    struct look *look = self;
    (void)err;
    while (n > 0) {
        const char *lf = memchr(bytes, '\n', n);
        size_t length = lf != NULL ? (size_t)(lf - bytes) : n;
        add_stretch(look, bytes, length);
        if (lf != NULL)
            end_line(look);
        length += lf != NULL;
        bytes += length;
        n -= length;
    }
    return 0;
}

void look_end(struct look *look)
{
    end_line(look);
    look->braces &= look->contents > 0 && look->percents == 0;
}

bool look_percent_separates(const struct look *look)
{
    double n = (double)look->percents;
    return n > 0 && (double)look->gaps <= 2 * n * n;
}

bool look_brackets(const struct look *look)
{
    char first = look->opening[0], second = look->opening[1];
    return second != 0 && strchr("{[\"", second) != NULL &&
           ((first == '[' && look->closing == ']') || (first == '{' && look->closing == '}'));
}
