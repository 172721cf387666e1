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

struct filter_node {
    enum { FILTER_TEST, FILTER_AND, FILTER_OR } kind;
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

/* The filter of a text; an empty one lets everything pass. Errors, with the place of the culprit:
 * BAD_PARAMETER (the grammar, an unknown field or word, a bound), all of them naming what would do.
 * On an error *ret is undefined. */
int filter_parse(struct filter *ret, enum filter_of of, const char *text, struct err *err);
/* Appends the filter as text from which the same filter comes. */
void filter_print(const struct filter *filter, struct buf *to);

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
/* "-metrics.val/loss, created_at, id": fields, each with "-" before or " desc" or " asc" behind it.
 * Without id that decides last, ascending when nothing else is said; of experiments without any
 * order it is descending, the newest first. Errors: as filter_parse. */
int filter_order_parse(struct filter_order *ret, enum filter_of of, const char *text,
                       struct err *err);

/* SQL */

struct filter_value {
    enum { FILTER_VALUE_TEXT, FILTER_VALUE_INTEGER, FILTER_VALUE_REAL } type;
    const char *text; /* borrowed of the filter or the order */
    int64_t integer;
    double real;
};
/* A statement that grows, and the values of its question marks, in order. */
struct filter_sql {
    struct buf text;
    struct filter_value values[2 * FILTER_MAX_VALUES];
    size_t values_n;
    bool full;
};
void filter_sql_init(struct filter_sql *sql);
void filter_sql_done(struct filter_sql *sql);
void filter_sql_bind_text(struct filter_sql *sql, const char *text);
void filter_sql_bind_integer(struct filter_sql *sql, int64_t value);
void filter_sql_bind_real(struct filter_sql *sql, double value);
/* Whether all that was appended is there. Errors: BAD_PARAMETER (too long), NO_MEMORY. */
int filter_sql_check(const struct filter_sql *sql, struct err *err);

/* Appends the filter as an expression over r (a row of runs) or e (of experiments). */
void filter_compile(const struct filter *filter, struct filter_sql *to);
/* Appends the value that a key sorts by, NULL where there is none; texts are cut to their first
 * FILTER_KEY_CHARACTERS. */
enum { FILTER_KEY_CHARACTERS = 40 };
void filter_compile_key(const struct filter_key *key, struct filter_sql *to);
/* Whether that is NULL for some rows. */
bool filter_key_nullable(const struct filter_key *key);

/* What every row that passes must pass: the parts of the conjunction at the top, one by one. The
 * node that follows `after` (-1: the first), -1 at the end. */
int filter_must(const struct filter *filter, int after);
/* Appends a SELECT of the ids of the rows that pass such a node, if indexes find them. false: they
 * don't, and nothing is appended. */
bool filter_driver(const struct filter *filter, int node, struct filter_sql *to);

/* The metric that a reference is about; NULL: none. last: only where it is its last value. */
const char *filter_metric(const struct filter_ref *ref, bool last);
/* Whether a node of filter_must is a comparison of that value with a number, and then appends it as
 * a condition on s (a row of series). */
bool filter_compile_metric(const struct filter *filter, int node, const char *metric,
                           struct filter_sql *to);

#endif
