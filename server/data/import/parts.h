/* The parts of an import, in the order in which a piece of the upload passes them:
 *
 *   source       reads the upload, in pieces of whole characters, and checks them
 *   lines        makes every line end with LF; drops byte order marks that lines begin with
 *   look         tells what kind of file it is (a pass before the one that stores)
 *   text, jsonl  find the documents
 *   sink         writes them, and takes back what turns out to be none
 *
 * A part is handed pieces of any size and keeps no more than it needs to go on, so that neither a
 * line nor a document has to fit into memory.
 */
#ifndef ABLATE_SERVER_IMPORT_PARTS_H
#define ABLATE_SERVER_IMPORT_PARTS_H

#include "server/data/import/import.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

/* A part that is handed pieces. A status other than 0 ends the pass with it. */
struct taker {
    int (*take)(void *self, const char *bytes, size_t n, struct err *err);
    void *self;
};

/* source */
struct source {
    int fd;
    const atomic_bool *stop;
    int64_t lf, cr; /* so many of them in the last pass */
};
/* Errors: BAD_CORPUS (there is no byte), STORAGE. */
int source_open(struct source *source, const char *path, struct err *err);
/* One pass from the beginning. to may be NULL: only checks. */
int source_read(struct source *source, const struct taker *to, struct err *err);
void source_done(struct source *source);

/* lines */
struct lines {
    bool cr_ends;                            /* in: CR alone ends a line */
    struct taker to;                         /* in */
    bool inside;                             /* a line has begun */
    int64_t crs;                             /* seen, not yet handed on */
    int64_t ends, crcrlf, marks, marks_kept; /* byte order marks: dropped, and inside of lines */
};
int lines_take(void *lines, const char *bytes, size_t n, struct err *err);
/* After the last piece. */
int lines_end(struct lines *lines, struct err *err);

/* look */
struct look {
    int64_t percents, gaps; /* lone "%" lines; blank lines between two others that aren't "%" */
    int64_t contents;       /* lines that are neither blank nor "%" */
    bool braces;            /* each of them begins with { and ends with } */
    char opening[2];        /* the first two characters but blanks */
    char closing;           /* the last one of those lines */
    bool in_gap, after_content;
    char first, last; /* of the line at hand, but blanks; 0 = there is none */
    int64_t length;   /* of the line at hand, up to 2 */
    bool bare;        /* no blank in it */
};
void look_init(struct look *look);
int look_take(void *look, const char *bytes, size_t n, struct err *err);
void look_end(struct look *look);
bool look_percent_separates(const struct look *look);
/* Whether it begins and ends as a JSON array or object does. */
bool look_brackets(const struct look *look);

/* sink */
struct copies; /* digests of the documents that were kept */
int copies_new(struct copies **ret, struct err *err);
void copies_free(struct copies *copies);
/* 1 when it is new, 0 when it isn't. Errors: NO_MEMORY, BAD_CORPUS (too many). */
int copies_add(struct copies *copies, const struct digest *digest, struct err *err);

enum { SINK_BYTES = 65536 };
/* A place in what was written; what came after it can be taken back. */
struct sink_mark {
    int64_t at; /* in the text */
    struct digest digest;
    bool visible;
};
struct sink {
    char dir[PATH_MAX]; /* where the corpus grows; "" = it was taken */
    int fd;             /* text */
    FILE *index;
    char bytes[SINK_BYTES];
    size_t held;          /* bytes that aren't written yet; in the end, that were read */
    size_t read_at;       /* of those */
    int64_t start;        /* where the document at hand begins */
    struct sink_mark now; /* the end of what was added */
    struct copies *copies;
    bool keeps_unseen; /* in: documents without a visible character stay */
    int64_t documents, duplicates, unseen, visible;
};
int sink_open(struct sink *sink, const struct datadir *datadir, struct err *err);
/* To the document at hand. */
int sink_add(struct sink *sink, const char *bytes, size_t n, struct err *err);
int sink_rollback(struct sink *sink, const struct sink_mark *to, struct err *err);
/* The document at hand is whole: it stays, or goes as a copy or as nothing visible. */
int sink_end(struct sink *sink, struct err *err);
/* All of them are here: digest and families. */
int sink_complete(struct sink *sink, const atomic_bool *stop, char ret_digest[DIGEST_HEX],
                  struct err *err);
/* The folder is the caller's from now on; its name, without the way there. */
void sink_take(struct sink *sink, char *ret_name, size_t size);
void sink_done(struct sink *sink);

/* text */
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

/* jsonl */
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
