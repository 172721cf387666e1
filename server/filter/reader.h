/* reader: what reading a filter and reading an order share (filter/ only): the next token, where
 * texts are kept, references to fields, and errors that say where the culprit stands.
 *
 * Functions that return an int return 0, or fail with BAD_PARAMETER.
 */
#ifndef ABLATE_SERVER_FILTER_READER_H
#define ABLATE_SERVER_FILTER_READER_H

#include "common/base/err.h"
#include "server/filter/filter.h"
#include "server/filter/lexer.h"

struct reader {
    const char *what; /* "filter", "order" */
    const char *text; /* the whole of it */
    enum filter_of of;
    struct token token; /* the next one */
    struct filter *filter;
    char *texts; /* where names and values are kept */
    size_t *texts_n;
    int depth;
    struct err *err;
};

void reader_advance(struct reader *r);
/* Fails for what is wrong with a token. */
int reader_fail(struct reader *r, const struct token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails since the next token isn't what is expected. */
int reader_expected(struct reader *r, const char *expected);
/* The content of a token, kept; NULL: there is no room, which the bound on the text prevents. */
char *reader_keep(struct reader *r, const struct token *token);
/* Fails since there is no room. */
int reader_full(struct reader *r, const struct token *token);
/* Takes a field's name: *ret is its row, and of a family's the member. */
int reader_ref(struct reader *r, struct filter_ref *ret);

#endif
