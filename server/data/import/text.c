/* Plain text. A line is written as it comes, and taken back when it turns out to separate documents
 * or to be blank; blank lines at a document's end are taken back when it ends. */

#include "server/data/import/text.h"

#include "server/data/import/sink.h"

#include <string.h>

void text_init(struct text *text, struct sink *sink, bool percent)
{
    *text = (struct text){ .sink = sink, .percent = percent, .at = sink->now };
}

static int end_document(struct text *text, struct err *err)
{
    int status = 0;
    if (text->open)
        status = sink_rollback(text->sink, &text->end, err);
    if (status == 0 && text->open)
        status = sink_end(text->sink, err);
    text->open = false;
    return status;
}

static int end_line(struct text *text, struct err *err)
{
    int status = 0;
    if (text->line == LINE_CONTENT) {
        text->open = true;
        text->end = text->sink->now;
    } else {
        status = sink_rollback(text->sink, &text->at, err);
    }
    bool separates = text->percent ? text->line == LINE_PERCENT : text->line == LINE_BLANK;
    if (status == 0 && separates)
        status = end_document(text, err);
    else if (status == 0 && text->open)
        status = sink_add(text->sink, "\n", 1, err);
    text->at = text->sink->now;
    text->line = LINE_BLANK;
    text->begun = false;
    return status;
}

static int add(struct text *text, const char *bytes, size_t n, struct err *err)
{
    for (size_t i = 0; i < n && text->line != LINE_CONTENT; i++) {
        if (!text->begun && text->percent && bytes[i] == '%')
            text->line = LINE_PERCENT;
        else if (text->line == LINE_PERCENT || strchr(" \t\f\v", bytes[i]) == NULL)
            text->line = LINE_CONTENT;
        text->begun = true;
    }
    return sink_add(text->sink, bytes, n, err);
}

int text_take(void *self, const char *bytes, size_t n, struct err *err)
{
    struct text *text = self;
    int status = 0;
    while (n > 0 && status == 0) {
        const char *lf = memchr(bytes, '\n', n);
        size_t length = lf != NULL ? (size_t)(lf - bytes) : n;
        status = add(text, bytes, length, err);
        if (status == 0 && lf != NULL)
            status = end_line(text, err);
        length += lf != NULL;
        bytes += length;
        n -= length;
    }
    return status;
}

int text_end(struct text *text, struct err *err)
{
    int status = end_line(text, err);
    return status == 0 ? end_document(text, err) : status;
}
