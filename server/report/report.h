/* report: an experiment's verdict, table, differences, dynamics and audits, computed from what the
 * store holds.
 *
 * Pure: the same input gives the same bytes. The JSON is made first (report.c, from what
 * server/verdict/ finds out); everything else is made from it, so that no two of them can say
 * different things: Markdown in report_md.h, CSV in report_csv.h, pictures in figure.h.
 */
#ifndef ABLATE_SERVER_REPORT_H
#define ABLATE_SERVER_REPORT_H

#include "server/verdict/input.h"

#include <jansson.h>

/* New reference; NULL when memory runs out. */
json_t *report_json(const struct study_input *in);

#endif
