/* report_md: the sections of the Markdown behind the tables of what was measured
 * (report_md_claims.c, report_md_conclusions.c), for report_markdown (report.h). Each appends to a
 * text.
 */
#ifndef ABLATE_SERVER_REPORT_MD_H
#define ABLATE_SERVER_REPORT_MD_H

#include "common/base/buf.h"

#include <jansson.h>

void markdown_differences(const json_t *report, struct buf *to);
void markdown_tuning(const json_t *report, struct buf *to);
void markdown_audits(const json_t *report, struct buf *to);
void markdown_positions(const json_t *report, struct buf *to);

#endif
