/* Whatever is read can be written, and what was written reads as the same and writes as the same.
 */
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "tests/fuzz/fuzz.h"

static void write_and_read(const json_t *value, int flags)
{
    struct buf first, second;
    struct err err = { 0 };
    json_t *again = NULL;
    buf_init(&first, 0);
    buf_init(&second, 0);
    jsonx_dump(value, flags, &first);
    FUZZ_CHECK(!first.failed);
    FUZZ_CHECK(jsonx_load(first.data, first.len, &again, &err) == 0);
    jsonx_dump(again, flags, &second);
    FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    json_decref(again);
    buf_done(&first);
    buf_done(&second);
}

/* Bits, taken as a double: the shortest form reads back to the same. */
static void write_number(const uint8_t *data)
{
    double value;
    struct buf text;
    memcpy(&value, data, sizeof value);
    if (value != value || value - value != 0)
        return;
    buf_init(&text, 0);
    jsonx_dump_double(value, &text);
    FUZZ_CHECK(!text.failed && text.len <= 25 && strtod(text.data, NULL) == value);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int flags[] = { JSONX_CANONICAL, JSONX_KEEP_ORDER,
                                 JSONX_KEEP_ORDER | JSONX_INDENT };
    struct err err = { 0 };
    json_t *value = NULL;
    char *text = fuzz_text(data, size);
    if (size >= sizeof(double))
        write_number(data);
    int status = jsonx_load(text, size, &value, &err);
    if (status != 0)
        fuzz_refused(status, &err);
    for (size_t i = 0; status == 0 && i < sizeof flags / sizeof *flags; i++)
        write_and_read(value, flags[i]);
    json_decref(value);
    free(text);
    return 0;
}
