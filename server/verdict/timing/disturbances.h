/* disturbances: whether the times of a cell's runs may be compared (timing.h), and the sentences about
 * it. */
#ifndef ABLATE_SERVER_DISTURBANCES_H
#define ABLATE_SERVER_DISTURBANCES_H

#include "server/verdict/study.h"

/* {clean, reasons: [{reason, runs, detail}]} of a cell's runs that succeeded; null without any. New
 * reference. */
json_t *disturbances_json(const struct study *study, const struct cell *cell);
/* Appends a sentence about each disturbance to a list, saying whose times it concerns. */
void disturbances_remark(const struct study *study, json_t *list);

#endif
