/* Lines, whatever ended them. CRs are held back until what follows tells what they are: with an LF
 * an end, alone a character, or each an end where the file has no LF at all. */

#include "server/data/import/lines.h"

#include <string.h>

static int hand_on(struct lines *lines, const char *bytes, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    lines->inside = bytes[n - 1] != '\n';
    return lines->to.take(lines->to.self, bytes, n, err);
}

static int end_line(struct lines *lines, struct err *err)
{
    lines->ends++;
    return hand_on(lines, "\n", 1, err);
}

/* What they are when no LF follows. */
static int let_go(struct lines *lines, struct err *err)
{
    int status = 0;
    for (; lines->crs > 0 && status == 0; lines->crs--)
        status = lines->cr_ends ? end_line(lines, err) : hand_on(lines, "\r", 1, err);
    return status;
}

static int at_lf(struct lines *lines, struct err *err)
{
    lines->crcrlf += lines->crs > 1;
    lines->crs = 0;
    return end_line(lines, err);
}

/* A stretch without CR and LF. */
static int plain(struct lines *lines, const char *bytes, size_t n, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    int status = n > 0 ? let_go(lines, err) : 0;
    while (status == 0 && n > 0) {
        const char *found = memmem(bytes, n, mark, 3);
        size_t before = found != NULL ? (size_t)(found - bytes) : n, skip = found != NULL ? 3 : 0;
        bool stays = found != NULL && (before > 0 || lines->inside);
        lines->marks += found != NULL && !stays;
        lines->marks_kept += stays;
        status = hand_on(lines, bytes, stays ? before + 3 : before, err);
        bytes += before + skip;
        n -= before + skip;
    }
    return status;
}

int lines_take(void *self, const char *bytes, size_t n, struct err *err)
{
    struct lines *lines = self;
    int status = 0;
    while (n > 0 && status == 0) {
        const char *lf = memchr(bytes, '\n', n);
        size_t to_lf = lf != NULL ? (size_t)(lf - bytes) : n;
        const char *cr = memchr(bytes, '\r', to_lf);
        size_t length = cr != NULL ? (size_t)(cr - bytes) : to_lf;
        status = plain(lines, bytes, length, err);
        if (status == 0 && cr != NULL)
            lines->crs++;
        else if (status == 0 && lf != NULL)
            status = at_lf(lines, err);
        length += cr != NULL || lf != NULL;
        bytes += length;
        n -= length;
    }
    return status;
}

int lines_end(struct lines *lines, struct err *err)
{
    if (lines->crs == 0 || lines->cr_ends)
        return let_go(lines, err);
    lines->crs = 0; /* an end that lost its LF */
    return end_line(lines, err);
}
