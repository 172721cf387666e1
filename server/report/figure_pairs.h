/* figure_pairs: the figure's panel of differences, as the page shows them (web/charts/pairs.js): a row a
 * claim, primary ones first, and in it a dot a seed, the mean as a stroke, the 95 % interval as a
 * bar; over all rows 0 as a hairline and what lies within the margin as a band. What diverged
 * stands at the end, as a cross. Beside a row stand its verdict and what became of its pairs.
 *
 * Dots of a row stand in the seeds' order from top to bottom, so that equal ones don't hide each
 * other. The panel is as high as it has rows, FIGURE_PAIRS_MAX at most; it says how many claims it
 * doesn't show.
 */
#ifndef ABLATE_SERVER_FIGURE_PAIRS_H
#define ABLATE_SERVER_FIGURE_PAIRS_H

#include "common/base/buf.h"

#include <jansson.h>

enum { FIGURE_PAIRS_MAX = 32 };

/* In pixels, on a page of 1000; 0: nothing stands beside the baseline, and there is no panel. */
int figure_pairs_height(const json_t *report);
/* The panel, at the foot of a page of that height. Appends to a script that has begun its
 * multiplot. */
void figure_pairs(const json_t *report, int page, struct buf *to);

#endif
