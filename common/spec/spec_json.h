/* spec_json: a run's specification and the sections of an experiment, from JSON and back.
 *
 * Run spec JSON: {"data":{…}, "model":{…,"attention":{…}}, "train":{…}, "seed":n, "artifacts":[…]};
 * model has attention_layers only if there are any, train has steps in the place of flops.
 * Digest: SHA-256 of the canonical JSON (RFC 8785) without train.threads.
 */
#ifndef ABLATE_COMMON_SPEC_JSON_H
#define ABLATE_COMMON_SPEC_JSON_H

#include "common/base/digest.h"
#include "common/spec/spec.h"

#include <jansson.h>

/* Decodes {data, model, train, seed, artifacts}, fills defaults, resolves batch_tokens,
 * eval_tokens, flops and ratios, and checks every rule that needs no corpus (heads divide d_model,
 * head size even, K ≤ T, …). Errors: as jsonx_decode, and INCONSISTENT; pointers are absolute
 * (pointer + "/model/heads"). */
int run_spec_decode(const json_t *obj, const char *pointer, struct run_spec *ret, struct err *err);
/* The frozen form, every field present. New reference. */
json_t *run_spec_encode(const struct run_spec *spec);
/* SHA-256 of the canonical JSON without train.threads. */
int run_spec_digest(const struct run_spec *spec, char ret[DIGEST_HEX], struct err *err);

/* The same of the frozen form without what distinguishes repetitions, or decides nothing: seed,
 * artifacts, train.checkpoint_every, train.threads. */
int run_spec_cell(const json_t *frozen, char ret[DIGEST_HEX], struct err *err);

/* What is submitted without data.split is split by families where its dataset is a stored corpus. Of
 * a run's specification without one it is "documents", as it was when such were frozen. Does nothing
 * without a dataset. */
void spec_fill_split(json_t *data);

/* Field by field checks and defaults for the sections of an experiment (each may be NULL), without
 * the rules that need a whole run: {"data", "model", "train"}, a new reference. data.dataset may be
 * absent, and then so may data.split, and attention gets no defaults but its kind, since overrides may still change them; steps
 * are absent beside flops. */
int spec_fill(const json_t *data, const json_t *model, const json_t *train, json_t **ret,
              struct err *err);
/* Steps and flops (above 0) decide the same: before one of them is put into `train`, this removes
 * the other. Does nothing when both are to be put there, or neither. */
void spec_budget_yield(json_t *train, bool steps, bool flops);
/* Decodes an array of artifacts' names (NULL = the default, final) into a bit set. */
int spec_artifacts_decode(const json_t *names, const char *pointer, unsigned *ret, struct err *err);

#endif
