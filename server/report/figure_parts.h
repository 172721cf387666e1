/* figure_parts: what the figure's panels are written with: text and numbers as gnuplot's script has
 * them, and how arms look. */
#ifndef ABLATE_SERVER_FIGURE_PARTS_H
#define ABLATE_SERVER_FIGURE_PARTS_H

#include "common/base/buf.h"

#include <stddef.h>

/* Colour, point type and dash type of an arm, by its place among the report's arms. */
struct figure_look {
    const char *color; /* six hex digits */
    int point, dash;
};
struct figure_look figure_look(size_t arm);

/* Text in single quotes, without what gnuplot could take for more than text. */
void figure_quoted(const char *text, struct buf *to);
/* Text, of so many characters at most; a longer one ends in "…". */
void figure_clip(const char *text, size_t most, struct buf *to);
/* A space and the value; gnuplot's NaN for what isn't there or isn't finite. */
void figure_number(double value, struct buf *to);

/* Puts U+FFFD for each character that no font on this machine has, from byte `from` on: cairo draws
 * a box with its number instead, and gnuplot makes that box as large as the page. */
void figure_only_drawable(struct buf *script, size_t from);

#endif
