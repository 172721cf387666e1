/* spec_fields: the tables of the spec, a row a field (key, type, range, default).
 *
 * Everything that knows the spec's fields reads them here, those of an attention in attention.h:
 * decoding, encoding, the paths that arms and grids may name, and the test that holds
 * schema/experiment.schema.json against them.
 */
#ifndef ABLATE_COMMON_SPEC_FIELDS_H
#define ABLATE_COMMON_SPEC_FIELDS_H

#include "common/spec/spec.h"

enum { SPEC_STEPS_MAX = 10000000 };
static const double spec_momentum = 0.9; /* its default */

struct spec_table {
    const char *name; /* the key under which such an object stands */
    const struct jsonx_field *rows;
    size_t n;
};

/* Three tables have rows for nested values, which the public structs hold decoded. */
struct spec_model_in {
    struct spec_model model; /* first, so that the rows fit both structs */
    json_t *attention, *attention_layers;
};
struct spec_layer_range_in {
    json_t *layers, *attention;
};
struct spec_run_in {
    int64_t seed;
    json_t *data, *model, *train, *artifacts;
};

extern const struct spec_table spec_run_table;         /* struct spec_run_in */
extern const struct spec_table spec_data_table;        /* struct spec_data */
extern const struct spec_table spec_model_table;       /* struct spec_model_in */
extern const struct spec_table spec_train_table;       /* struct spec_train */
extern const struct spec_table spec_layer_range_table; /* struct spec_layer_range_in */
extern const struct jsonx_field spec_layer_row;        /* either end of a range */

extern const char *const artifact_names[]; /* "init", "batches", … NULL at the end */

/* Whether an override may name path: "data.seq_len", "model.attention", "model.attention.top_k" …
 */
bool spec_path_known(const char *path);

#endif
