/* text: finds the documents of a text; a part of an import (import.c). */
#ifndef ABLATE_SERVER_TEXT_H
#define ABLATE_SERVER_TEXT_H

#include "server/data/import/sink.h"

struct text {
    struct sink *sink;                                    /* in */
    bool percent;                                         /* in: "%" separates, not blank lines */
    enum { LINE_BLANK, LINE_PERCENT, LINE_CONTENT } line; /* what it is as far as it goes */
    bool begun;                                           /* a byte of the line was seen */
    bool open;                                            /* the document has a line with content */
    struct sink_mark at, end; /* where the line begins; where the last one with content ends */
};
void text_init(struct text *text, struct sink *sink, bool percent);
int text_take(void *text, const char *bytes, size_t n, struct err *err);
int text_end(struct text *text, struct err *err);

#endif
