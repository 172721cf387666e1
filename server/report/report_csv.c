/* The report's table as CSV, from its JSON: a row a grid point, arm and metric. */
#include "server/report/text.h"

#include "common/jsonx.h"
#include "common/recompute.h"

#include <string.h>

/* RFC 4180: fields with a comma, a quote or a line break are quoted. */
static void add_field(const char *value, size_t len, struct buf *to)
{
    if (memchr(value, ',', len) == NULL && memchr(value, '"', len) == NULL &&
        memchr(value, '\n', len) == NULL) {
        buf_add(to, value, len);
        return;
    }
    buf_addc(to, '"');
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '"')
            buf_addc(to, '"');
        buf_addc(to, value[i]);
    }
    buf_addc(to, '"');
}

static void add_number(const json_t *object, const char *key, struct buf *to)
{
    buf_addc(to, ',');
    if (text_known(object, key))
        jsonx_dump_double(text_number(object, key), to);
}

void report_csv(const json_t *report, struct buf *to)
{
    static const char *const figures[] = { "n", "mean", "sd", "best", "last" };
    size_t i;
    json_t *row, *value;
    const char *metric;
    buf_adds(to, "grid,arm,metric,n,mean,sd,best,last,clean\r\n");
    json_array_foreach(json_object_get(report, "table"), i, row)
    {
        struct buf grid;
        buf_init(&grid, 0);
        jsonx_dump(json_object_get(row, "grid"), JSONX_CANONICAL, &grid);
        json_object_foreach(json_object_get(row, "metrics"), metric, value)
        {
            add_field(grid.data, grid.len, to);
            buf_addc(to, ',');
            add_field(text_of(row, "arm"), strlen(text_of(row, "arm")), to);
            buf_addf(to, ",%s", metric);
            for (size_t c = 0; c < sizeof figures / sizeof *figures; c++)
                add_number(value, figures[c], to);
            /* of times: whether nothing disturbed them */
            const json_t *clean = json_object_get(json_object_get(row, "timing"), "clean");
            bool timed = recompute_exempts(metric) && clean != NULL;
            buf_addf(to, ",%s\r\n", !timed ? "" : json_is_true(clean) ? "true" : "false");
        }
        buf_done(&grid);
    }
}
