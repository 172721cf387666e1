/* spec_fields: the tables of the spec, a row a field (key, type, range, default).
 *
 * Everything that knows the spec's fields reads them here, those of an attention in attention.h:
 * decoding, encoding, the paths that arms and grids may name, and the test that holds
 * schema/experiment.schema.json against them.
 */
#ifndef ABLATE_COMMON_SPEC_FIELDS_H
#define ABLATE_COMMON_SPEC_FIELDS_H

#include "common/json/jsonx_fields.h"
#include "common/spec/spec.h"

#include <jansson.h>

enum { SPEC_STEPS_MAX = 10000000 };
static const double spec_momentum = 0.9; /* its default */

/* What a field is about, as people think of a change: arms that differ in two of these have two
 * explanations (schema/numerics.md §7, one_change). */
#define CONCERN_LIST(X)                                                                            \
    X(NONE, "none")                                                                                \
    X(ATTENTION, "attention")                                                                      \
    X(MODEL_SIZE, "model_size")                                                                    \
    X(REGULARISATION, "regularisation")                                                            \
    X(OPTIMISER, "optimiser")                                                                      \
    X(DATA, "data")                                                                                \
    X(BUDGET, "budget")                                                                            \
    X(PRECISION, "precision")
#define CONCERN_ENUMERATOR(id, name) CONCERN_##id,
enum concern { CONCERN_LIST(CONCERN_ENUMERATOR) CONCERNS };
#undef CONCERN_ENUMERATOR
extern const char *const concern_names[]; /* NULL at the end */
/* By name; NONE when there is none of that name. */
enum concern concern_of(const char *name);

struct spec_table {
    const char *name; /* the key under which such an object stands */
    const struct jsonx_field *rows;
    size_t n;
    const enum concern *concerns; /* [n]; NULL: arms have no say in these */
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
/* Its row and what it is about; NULL when there is none. Of a field that several kinds of attention
 * have it is one kind's. */
const struct jsonx_field *spec_path_find(const char *path, enum concern *ret_concern);

#endif
