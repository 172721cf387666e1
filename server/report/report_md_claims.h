/* report_md_claims: the section of the Markdown (report_md.h) that has the claims, pair by pair and
 * in full. It is appended to a text.
 */
#ifndef ABLATE_SERVER_REPORT_MD_CLAIMS_H
#define ABLATE_SERVER_REPORT_MD_CLAIMS_H

#include "common/base/buf.h"

#include <jansson.h>

void markdown_differences(const json_t *report, struct buf *to);

#endif
