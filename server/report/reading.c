/* The report's JSON, read by key, and texts made safe for where they stand. */
#include "server/report/reading.h"

#include "common/json/jsonx.h"
#include "common/spec/point.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

const char *reading_text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

double reading_number(const json_t *object, const char *key)
{
    double value;
    return jsonx_to_double(json_object_get(object, key), &value) == 0 ? value : NAN;
}

bool reading_known(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

void reading_grid(const json_t *grid, struct buf *to)
{
    if (json_object_size(grid) > 0)
        point_say(grid, "", to);
    else
        buf_adds(to, "all");
}

const char *reading_judged(const json_t *report)
{
    const json_t *tuning = json_object_get(report, "tuning");
    const json_t *compare = json_object_get(json_object_get(report, "experiment"), "compare");
    return json_is_object(tuning) ? reading_text(tuning, "compared")
                                  : reading_text(compare, "metric");
}

void reading_arm(const json_t *report, const char *arm, struct buf *to)
{
    const json_t *valid =
        json_object_get(json_object_get(json_object_get(report, "arms"), arm), "valid");
    reading_name(arm, to);
    buf_adds(to, json_is_false(valid) ? " (invalid)" : "");
}

/* Whether a tag of HTML may begin at `at`, which is a `<`: "p < 0.05" begins none. */
static bool opens_tag(const char *at)
{
    return isalpha((unsigned char)at[1]) || (at[1] != '\0' && strchr("/!?", at[1]) != NULL);
}

static void add_escaped(const char *text, const char *signs, struct buf *to)
{
    for (; *text != '\0'; text++) {
        if (strchr(signs, *text) != NULL || (*text == '<' && opens_tag(text)))
            buf_addc(to, '\\');
        buf_addc(to, *text == '\n' || *text == '\r' ? ' ' : *text);
    }
}

void reading_cell(const char *value, struct buf *to)
{
    add_escaped(value, "|\\`*", to);
}

void reading_name(const char *name, struct buf *to)
{
    add_escaped(name, "|\\`*[]&~$", to);
}
