/* sql: filters and orders as SQL. */
#ifndef ABLATE_SERVER_FILTER_SQL_H
#define ABLATE_SERVER_FILTER_SQL_H

#include "server/filter/filter.h"

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

/* Whether a node of filter_must is a comparison of that value with a number, and then appends it as
 * a condition on s (a row of series). */
bool filter_compile_metric(const struct filter *filter, int node, const char *metric,
                           struct filter_sql *to);

#endif
