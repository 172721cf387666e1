/* The rows of an experiment's own keys and of its comparison. */
#include "common/sweep/sweep_fields.h"

#include "common/spec/metrics.h"
#include "common/spec/spec_row_macros.h"
#include "common/sweep/sweep.h"

#define NESTED(m)     OBJECT(sweep_in, m)
#define TEXT(m, most) AT(sweep_in, m), .type = JSONX_TEXT, .max = most

static const char *const goals[] = { "min", "max", NULL };
static const char *const ats[] = { "last", "best", NULL };

static const struct jsonx_field rows[] = {
    { AT(sweep_in, name), .type = JSONX_NAME, .preset = "\"untitled\"" },
    { TEXT(notes, 65536) },
    { TEXT(hypothesis, 65536) },
    { NESTED(tags) },
    { AT(sweep_in, priority), .type = JSONX_INT, .min = -1000, .max = 1000, .preset = "0" },
    { AT(sweep_in, max_attempts), .type = JSONX_INT, .min = 1, .max = 100, .preset = "3" },
    { AT(sweep_in, exclusive), .type = JSONX_BOOL, .preset = "false" },
    { NESTED(data) },
    { NESTED(model) },
    { NESTED(train) },
    { NESTED(arms) },
    { NESTED(grid) },
    { ARRAY(sweep_in, seeds) },
    { NESTED(compare) },
    { ARRAY(sweep_in, artifacts) },
};

/* An empty baseline stands for the first arm; the stored spec has its name. */
static const struct jsonx_field compare_rows[] = {
    { AT(sweep_compare, metric), .type = JSONX_ENUM, .choices = metric_names,
      .preset = "\"val/loss\"" },
    { AT(sweep_compare, goal), .type = JSONX_ENUM, .choices = goals, .preset = "\"min\"" },
    { AT(sweep_compare, at), .type = JSONX_ENUM, .choices = ats, .preset = "\"last\"" },
    { AT(sweep_compare, baseline), .type = JSONX_STRING, .size = NAMES_BYTES,
      .max = NAMES_BYTES - 1, .preset = "\"\"" },
    { AT(sweep_compare, margin), .type = JSONX_DOUBLE, .max = 1e9, .preset = "0.01" },
    { ARRAY(sweep_compare, tune) },
    { ARRAY(sweep_compare, looks), LATER },
    { ARRAY(sweep_compare, allow), LATER },
};

const struct spec_table sweep_table = { "", rows, COUNT(rows), NULL };
const struct spec_table sweep_compare_table = { "compare", compare_rows, COUNT(compare_rows),
                                                NULL };
const struct jsonx_field sweep_seed_row = { .key = "seeds", .type = JSONX_INT, .max = MAX_SAFE };
const struct jsonx_field sweep_tag_row = { .key = "tags", .type = JSONX_NAME };
