/* text: reading the report's JSON, for what is made from it. */
#ifndef ABLATE_SERVER_REPORT_TEXT_H
#define ABLATE_SERVER_REPORT_TEXT_H

#include "server/report/report.h"

#include <stdbool.h>

/* "" when it isn't there. */
const char *text_of(const json_t *object, const char *key);
/* NaN when it isn't there. */
double text_number(const json_t *object, const char *key);
bool text_known(const json_t *object, const char *key);
/* "seq_len 64, lr 0.001"; "all" without a grid. */
void text_grid(const json_t *grid, struct buf *to);
/* The metric that decides: compare.metric, after tuning that of the test. */
const char *text_judged(const json_t *report);
/* An arm's name, marked where an audit found the arm invalid at some grid point. */
void text_arm(const json_t *report, const char *arm, struct buf *to);
/* Text from elsewhere inside a cell of a Markdown table. */
void text_cell(const char *value, struct buf *to);

#endif
