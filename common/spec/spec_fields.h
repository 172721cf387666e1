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

/* Decodes the value of "attention" by its kind's table. */
int spec_attention_decode(const json_t *obj, const char *pointer, struct spec_attention *ret,
                          struct err *err);
/* Decodes the value of "attention_layers" (NULL: none) into ret's. */
int spec_layers_decode(const json_t *list, const char *pointer, struct spec_model *ret,
                       struct err *err);
/* Decodes an array of artifacts' names (NULL = the default, final) into a bit set. */
int spec_artifacts_decode(const json_t *names, const char *pointer, unsigned *ret, struct err *err);
json_t *spec_artifacts_encode(unsigned artifacts);
/* Derives data.kind from data.dataset. Errors: INVALID_VALUE. */
int spec_dataset_classify(struct spec_data *data, const char *pointer, struct err *err);

/* Resolves what a submitted spec may leave open (batch_tokens, ratios, flops, the synthetic tasks'
 * sizes) and checks the rules that involve several fields. Resolving a resolved spec changes
 * nothing. */
int spec_resolve(struct run_spec *spec, const char *pointer, struct err *err);

#endif
