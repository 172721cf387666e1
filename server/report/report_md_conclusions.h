/* report_md_conclusions: the sections of the Markdown (report_md.h) behind the tables of what was
 * measured. Each appends to a text.
 */
#ifndef ABLATE_SERVER_REPORT_MD_CONCLUSIONS_H
#define ABLATE_SERVER_REPORT_MD_CONCLUSIONS_H

#include "common/base/buf.h"

#include <jansson.h>

void markdown_tuning(const json_t *report, struct buf *to);
void markdown_audits(const json_t *report, struct buf *to);
void markdown_positions(const json_t *report, struct buf *to);

#endif
