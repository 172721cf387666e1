/* report_csv: the report as CSV, from its JSON (report.h). */
#ifndef ABLATE_SERVER_REPORT_CSV_H
#define ABLATE_SERVER_REPORT_CSV_H

#include "common/base/buf.h"

#include <jansson.h>

/* The table; the claims, primary ones first. */
void report_csv(const json_t *report, struct buf *to);
void report_csv_claims(const json_t *report, struct buf *to);

#endif
