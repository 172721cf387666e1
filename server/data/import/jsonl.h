/* jsonl: finds the documents of lines of JSON; a part of an import (import.c). */
#ifndef ABLATE_SERVER_JSONL_H
#define ABLATE_SERVER_JSONL_H

#include "common/base/buf.h"
#include "server/data/import/sink.h"

enum { JSONL_FIRST = 1 }; /* a status: the first object is sound, and no more was asked for */
struct jsonl {
    struct sink *sink;                /* in; NULL: only the first object is read */
    struct buf beside;                /* the line without its text */
    size_t line, column, cut_at, cut; /* cut characters were left out behind column cut_at */
    enum { JSONL_PLAIN, JSONL_STRING, JSONL_TEXT } state;
    size_t depth, string_at;   /* in beside */
    bool object, colon, named; /* of the outermost level; the key is "text" */
    bool escaped;
    int digits;          /* of \uXXXX that are still to come */
    unsigned code, high; /* what they spell so far; a high surrogate before them */
    int64_t text_bytes;
};
void jsonl_init(struct jsonl *jsonl, struct sink *sink);
int jsonl_take(void *jsonl, const char *bytes, size_t n, struct err *err);
int jsonl_end(struct jsonl *jsonl, struct err *err);
void jsonl_done(struct jsonl *jsonl);

#endif
