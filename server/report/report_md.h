/* report_md: the report as Markdown, from its JSON (report.h). */
#ifndef ABLATE_SERVER_REPORT_MD_H
#define ABLATE_SERVER_REPORT_MD_H

#include "common/base/buf.h"

#include <jansson.h>

void report_markdown(const json_t *report, struct buf *to);

#endif
