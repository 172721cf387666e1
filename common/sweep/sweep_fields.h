/* sweep_fields: the tables of the experiment's own keys, beside those of a run (spec_fields.h). */
#ifndef ABLATE_COMMON_SWEEP_FIELDS_H
#define ABLATE_COMMON_SWEEP_FIELDS_H

#include "common/names.h"
#include "common/spec/spec_fields.h"

struct sweep_in {
    char name[NAMES_BYTES];
    const char *notes, *hypothesis;
    int64_t priority, max_attempts;
    bool exclusive;
    json_t *tags, *data, *model, *train, *arms, *grid, *seeds, *compare, *artifacts;
};

extern const struct spec_table sweep_table;         /* struct sweep_in */
extern const struct spec_table sweep_compare_table; /* struct sweep_compare */
/* An element of "seeds", into an int64_t. */
extern const struct jsonx_field sweep_seed_row;
/* A tag's value, into a char[NAMES_BYTES]. */
extern const struct jsonx_field sweep_tag_row;

enum { SWEEP_MAX_TAGS = 32 };

#endif
