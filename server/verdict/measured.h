/* measured: what was measured, before anything is concluded from it. New references. */
#ifndef ABLATE_SERVER_MEASURED_H
#define ABLATE_SERVER_MEASURED_H

#include "server/verdict/findings.h"

/* The table: a row a cell. */
json_t *measured_table(const struct findings *findings);
/* The compared metric step by step, for each grid point. */
json_t *measured_dynamics(const struct study *study);
/* Every configuration that was tried for tuning; null without tuning. */
json_t *measured_tuning(const struct study *study);
/* The tuned paths' values of a cell; null without tuning. */
json_t *measured_chosen(const struct study *study, const struct cell *cell);

#endif
