/* claim_fields: what a report says of each claim in numbers and words, a row a field: where it
 * stands in the JSON, its columns in the CSV, its heading in the Markdown. The sentence, the grid
 * point and what was chosen aren't among them: they have columns of another kind.
 */
#ifndef ABLATE_SERVER_CLAIM_FIELDS_H
#define ABLATE_SERVER_CLAIM_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* How the Markdown writes it. */
enum claim_kind {
    CLAIM_TEXT,
    CLAIM_FLAG,
    CLAIM_COUNT,
    CLAIM_DIFFERENCE, /* in the metric's unit, of shares in points; with its sign */
    CLAIM_SPREAD,     /* in the same unit */
    CLAIM_RELATIVE,   /* a share of 1, in percent, with its sign */
    CLAIM_CHANCE      /* a p, a power, a level */
};

/* What its key is a member of. */
enum claim_home {
    CLAIM_ITSELF,
    CLAIM_PAIRS,   /* the claim's `pairs` */
    CLAIM_LOOKS,   /* the report's `looks` */
    CLAIM_COMPARE, /* the experiment's `compare` */
};

struct claim_field {
    const char *key;
    enum claim_home home;
    enum claim_kind kind;
    const char *heading; /* in the table of claims in full; NULL: not there */
    bool ends;           /* a list of two, in columns key_low and key_high … */
    const char *column;  /* … of this name instead of the key; NULL: the key */
    bool later;          /* it came after the sentence had been the last column, and stands there */
};

extern const struct claim_field claim_fields[];
extern const size_t claim_fields_n;

/* The field's value, borrowed; NULL or null where there is none. */
const json_t *claim_field_value(const struct claim_field *field, const json_t *report,
                                const json_t *claim);

#endif
