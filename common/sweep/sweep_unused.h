/* sweep_unused: what of a submission would have no effect. */
#ifndef ABLATE_COMMON_SWEEP_UNUSED_H
#define ABLATE_COMMON_SWEEP_UNUSED_H

#include "common/sweep/sweep.h"

/* Refuses fields of a stored corpus (split, tokens …) where every run that they reach is a
 * synthetic task. submission: as it came, before its preset, whose own values may stand. Errors:
 * INCONSISTENT. */
int sweep_unused_check(const struct sweep *sweep, const json_t *submission, struct err *err);

#endif
