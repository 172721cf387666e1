/* fields: what a filter may ask for, a row a field. */
#ifndef ABLATE_SERVER_FILTER_FIELDS_H
#define ABLATE_SERVER_FILTER_FIELDS_H

#include "server/filter/filter.h"
#include "server/filter/near.h"

/* What a field's values are compared with, and how. */
enum filter_type {
    TYPE_TEXT,   /* a text as it is written, also a number: arm = 1e3 */
    TYPE_NUMBER, /* a number */
    TYPE_BOOL,   /* true, false; 1 and 0 stand for them */
    TYPE_WORD,   /* one of its choices */
    TYPE_TIME,   /* ISO 8601 (times.h) */
    TYPE_TAG,    /* a text, and a number where both are one */
    TYPE_METRIC, /* a number, nan, inf or -inf */
    TYPE_JSON    /* an array's or object's canonical text */
};

/* `before`, a condition on `value`, `after` make a test. Where there is no row, or the value is
 * NULL, the test must come out false: what has no `before` says whether it may be NULL. */
struct filter_field {
    const char *name; /* a family's ends with a dot */
    enum filter_type type;
    const char *before, *value, *after; /* of a family, one ? in before binds the member */
    const char *key; /* the value to sort by, with one ? of a family; NULL: it has no order */
    const char
        *driver; /* the beginning of a SELECT of ids, up to the condition and `after`; one ? as
                           in before; NULL: no index finds them */
    const char *const *choices; /* TYPE_WORD */
    bool nullable;              /* value and key may be NULL */
};

/* The row of a name, which stays the caller's. member: what of it ret->member may need, at least as
 * large as the name and NEAR_BYTES more. Errors: BAD_PARAMETER without a place: *ret says what. */
bool fields_find(enum filter_of of, const char *name, char *member, struct filter_ref *ret);
/* What is known, for a person. */
const char *fields_known(enum filter_of of);
/* Every name there is, where that is a list, for near_add. */
void fields_near(enum filter_of of, struct near *near);

/* The metric that a reference is about; NULL: none. last: only where it is its last value. */
const char *filter_metric(const struct filter_ref *ref, bool last);

#endif
