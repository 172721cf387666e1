/* filter: the search language of the lists of runs and of experiments: one grammar for the API, the
 * page and the command line (EBNF and meaning: schema/api.md).
 *
 * A text becomes tokens (lexer.h), these a tree of tests (parse.c), each bound to a row of the table
 * of fields (fields.c) and checked against its type, and the tree becomes SQL (sql.c) in which
 * nothing stands but text of those tables: whatever the caller wrote is bound. Every test is true or
 * false of a row, never NULL, so that "not" means what it says: a test of a value that isn't there
 * is false. "!=", "not in", "not like" and "is null" are the opposites of "=", "in", "like" and "is
 * not null", and are kept as those, negated.
 *
 * All of it lives in a struct without pointers into the caller's text, about 30 KiB.
 */
#ifndef ABLATE_SERVER_FILTER_H
#define ABLATE_SERVER_FILTER_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FILTER_MAX_BYTES = 2000,
    FILTER_MAX_TESTS = 64,
    FILTER_MAX_VALUES = 256,
    FILTER_MAX_DEPTH = 16,
    FILTER_MAX_KEYS = 5, /* of an order, without id, which always comes last */
    FILTER_TEXTS = 2 * FILTER_MAX_BYTES + 2 * FILTER_MAX_VALUES
};

enum filter_of { FILTER_RUNS, FILTER_EXPERIMENTS };
struct filter_field; /* fields.h */

/* A field as it was written: its row, and of a family's the member. */
struct filter_ref {
    const struct filter_field *field;
    const char *const *choices; /* words that it may have, NULL-terminated; NULL: any */
    int type;                   /* enum filter_type (fields.h) */
    const char *member;         /* what the row's SQL binds; NULL: nothing */
    const char *name;           /* as it was written */
    size_t at, len;             /* where, in bytes */
};

/* A value as it was written. */
struct filter_literal {
    const char *text;
    bool quoted, number, integral; /* a number; one without fraction, exactly kept */
    double real;
    int64_t integer;
    int64_t from, to; /* of a time: [from, to) in ms */
};

enum filter_op {
    FILTER_EQUAL,
    FILTER_LESS,
    FILTER_LESS_EQUAL,
    FILTER_GREATER,
    FILTER_GREATER_EQUAL,
    FILTER_CONTAINS,
    FILTER_LIKE,
    FILTER_IN,
    FILTER_EXISTS
};

enum filter_kind { FILTER_TEST, FILTER_AND, FILTER_OR };

struct filter_node {
    enum filter_kind kind;
    bool negated;
    int left, right; /* nodes, of AND and OR */
    /* of TEST */
    enum filter_op op;
    struct filter_ref ref;
    size_t first, n; /* literals */
};

struct filter {
    enum filter_of of;
    int root; /* -1: everything passes */
    struct filter_node nodes[2 * FILTER_MAX_TESTS];
    int nodes_n;
    size_t tests_n;
    struct filter_literal literals[FILTER_MAX_VALUES];
    size_t literals_n;
    char texts[FILTER_TEXTS]; /* what names and literals point to */
    size_t texts_n;
};

struct filter_key {
    struct filter_ref ref;
    bool descending;
};
struct filter_order {
    struct filter_key keys[FILTER_MAX_KEYS];
    size_t n;        /* without id, which always comes last */
    bool descending; /* id's direction */
    char texts[FILTER_TEXTS];
    size_t texts_n;
};

#endif
