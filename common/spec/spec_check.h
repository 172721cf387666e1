/* spec_check: the rules of a run's specification that involve several fields. */
#ifndef ABLATE_COMMON_SPEC_CHECK_H
#define ABLATE_COMMON_SPEC_CHECK_H

#include "common/spec/spec.h"

/* Resolves what a submitted spec may leave open (batch_tokens, ratios, flops, the synthetic tasks'
 * sizes) and checks the rules that involve several fields. Resolving a resolved spec changes
 * nothing. Errors: INCONSISTENT, below pointer, which is the whole spec's; some of it is resolved
 * then. */
int spec_resolve(struct run_spec *spec, const char *pointer, struct err *err);

#endif
