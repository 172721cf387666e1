/* reading: what is read of the report's JSON, for what is made from it. */
#ifndef ABLATE_SERVER_READING_H
#define ABLATE_SERVER_READING_H

#include "common/base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* "" when it isn't there. */
const char *reading_text(const json_t *object, const char *key);
/* NaN when it isn't there. */
double reading_number(const json_t *object, const char *key);
bool reading_known(const json_t *object, const char *key);
/* "seq_len 64, lr 0.001"; "all" without a grid. */
void reading_grid(const json_t *grid, struct buf *to);
/* The metric that decides: compare.metric, after tuning that of the test. */
const char *reading_judged(const json_t *report);
/* An arm's name, marked where an audit found the arm invalid at some grid point. */
void reading_arm(const json_t *report, const char *arm, struct buf *to);
/* A name of somebody's choice in Markdown: what would have a meaning there stands for itself. */
void reading_name(const char *name, struct buf *to);
/* Text from elsewhere inside a cell of a Markdown table. */
void reading_cell(const char *value, struct buf *to);

#endif
