/* Grid points in words: the symbols of the field, and loops over a point's paths. */
#include "common/spec/point.h"

#include "common/json/jsonx_dump.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *path, *symbol;
} symbols[] = {
    { "data.seq_len", "L" },      { "train.lr", "lr" },     { "train.batch_size", "B" },
    { "model.layers", "layers" }, { "model.d_model", "d" },
};

const char *point_factor(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot + 1 : path;
}

const char *point_symbol(const char *path)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (strcmp(symbols[i].path, path) == 0)
            return symbols[i].symbol;
    return point_factor(path);
}

static void say(const json_t *point, const char *before, const char *(*word)(const char *path),
                const char *between, struct buf *to)
{
    const char *path;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)point, path, value)
    {
        buf_addf(to, "%s%s%s", before, word(path), between);
        jsonx_dump(value, JSONX_CANONICAL, to);
        before = ", ";
    }
}

void point_say(const json_t *point, const char *before, struct buf *to)
{
    say(point, before, point_factor, " ", to);
}

void point_say_symbols(const json_t *point, const char *before, struct buf *to)
{
    say(point, before, point_symbol, " = ", to);
}
