/* A row that lacks memory loses cells, not the program. */
#include "server/client/terminal/grid.h"

#include "server/client/terminal/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void grid_init(struct grid *grid, const char *const *head)
{
    *grid = (struct grid){ 0 };
    for (; head[grid->columns] != NULL; grid->columns++)
        grid->head[grid->columns] = head[grid->columns];
}

void grid_add(struct grid *grid, const char *text)
{
    if (grid->n == grid->size) {
        size_t size = grid->size == 0 ? 64 : grid->size * 2;
        char **cells = reallocarray(grid->cells, size, sizeof *cells);
        if (cells == NULL)
            return;
        grid->cells = cells;
        grid->size = size;
    }
    grid->cells[grid->n++] = say_name(text);
}

void grid_addf(struct grid *grid, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    grid_add(grid, len >= 0 ? text : NULL);
    if (len >= 0)
        free(text);
}

static const char *cell(const struct grid *grid, size_t row, size_t column)
{
    const char *text = grid->cells[row * grid->columns + column];
    return text != NULL ? text : "";
}

static void say_cell(const char *text, size_t width, bool right, bool last)
{
    size_t has = say_width(text), pad = width > has ? width - has : 0;
    if (right)
        say("%*s%s%s", (int)pad, "", text, last ? "\n" : "  ");
    else
        say("%s%*s%s", text, last ? 0 : (int)pad, "", last ? "\n" : "  ");
}

void grid_say(const struct grid *grid)
{
    size_t rows = grid->n / grid->columns, width[GRID_COLUMNS] = { 0 }, last = 0;
    for (size_t c = 0; c < grid->columns; c++) {
        for (size_t r = 0; r < rows; r++) {
            size_t one = say_width(cell(grid, r, c));
            width[c] = one > width[c] ? one : width[c];
        }
        if (width[c] == 0)
            continue;
        size_t head = say_width(grid->head[c] + (grid->head[c][0] == '>'));
        width[c] = head > width[c] ? head : width[c];
        last = c;
    }
    for (size_t r = 0; rows > 0 && r <= rows; r++)
        for (size_t c = 0; c < grid->columns; c++) {
            bool right = grid->head[c][0] == '>';
            if (width[c] > 0)
                say_cell(r == 0 ? grid->head[c] + right : cell(grid, r - 1, c), width[c], right,
                         c == last);
        }
}

void grid_done(struct grid *grid)
{
    for (size_t i = 0; i < grid->n; i++)
        free(grid->cells[i]);
    free(grid->cells);
}
