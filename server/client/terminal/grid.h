/* grid: rows of text under a head, aligned. */
#ifndef ABLATE_CLIENT_GRID_H
#define ABLATE_CLIENT_GRID_H

#include <stddef.h>

enum { GRID_COLUMNS = 12 };
struct grid {
    size_t columns;
    const char *head[GRID_COLUMNS]; /* one that begins with '>' is aligned to the right */
    char **cells;                   /* owned, row by row */
    size_t n, size;                 /* cells */
};

/* The heads are borrowed, NULL at the end. */
void grid_init(struct grid *grid, const char *const *head);
/* The next cell; texts are the server's: they are cleaned here. NULL is an empty one. */
void grid_add(struct grid *grid, const char *text);
void grid_addf(struct grid *grid, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says it, the head only when there are rows; columns that are empty throughout are left out. */
void grid_say(const struct grid *grid);
void grid_done(struct grid *grid);

#endif
