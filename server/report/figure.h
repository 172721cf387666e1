/* figure: the report's panels, drawn by gnuplot: the deciding metric, accuracy and time a step
 * (of these the one that decides gives way to the loss) by the first numeric grid factor (L, if it
 * is one), and the compared metric by step at its greatest value. Without such a factor the first
 * three show a mark an arm. Below them, where there is something to compare, every pair's
 * difference (figure_pairs.h), for which the page grows.
 *
 * Pure: makes gnuplot's script, data included, from the report's JSON (plot.h runs it). Names and
 * values enter it only in single quotes and without what gnuplot could take for more than text.
 *
 * Error bars are ± one standard deviation over seeds, the bands of the curves reach from the least
 * to the greatest seed; the figure says so. Arms differ by colour (Okabe and Ito's, safe for the
 * colour-blind), by mark and by dashes, so that a grey print is read as well. An arm that an audit
 * found invalid says so in the legend.
 */
#ifndef ABLATE_SERVER_REPORT_FIGURE_H
#define ABLATE_SERVER_REPORT_FIGURE_H

#include "common/base/buf.h"

#include <jansson.h>

enum figure_format { FIGURE_SVG, FIGURE_PNG, FIGURE_FORMATS };
extern const char *const figure_format_names[]; /* "svg", "png" */

/* The script; the picture goes to gnuplot's standard output. to->failed when memory runs out. */
void figure_script(const json_t *report, enum figure_format format, struct buf *to);

#endif
