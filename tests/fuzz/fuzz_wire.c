/* A line of a worker: refused as a breach of the protocol, or written again it decodes as the same
 * message. Files that a worker leaves in its attempt's folder are read by the same rule. */
#include "common/json/jsonx_dump.h"
#include "common/wire/launch.h"
#include "common/wire/wire.h"
#include "tests/fuzz/fuzz.h"

/* As written: 2.0 and 2 are one number. */
static bool same(const json_t *a, const json_t *b)
{
    struct buf one, other;
    buf_init(&one, 0);
    buf_init(&other, 0);
    jsonx_dump(a, JSONX_CANONICAL, &one);
    jsonx_dump(b, JSONX_CANONICAL, &other);
    bool equal = !one.failed && one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
    buf_done(&one);
    buf_done(&other);
    return equal;
}

static void decode_again(const struct wire_message *message)
{
    struct wire_message again = { 0 };
    struct err err = { 0 };
    struct buf line;
    json_t *body = json_deep_copy(message->body);
    buf_init(&line, 0);
    json_object_del(body, "type");
    json_object_del(body, "seq");
    wire_encode_event(message->type, message->seq, body, &line);
    if (!line.failed && line.len <= WIRE_LINE_MAX) {
        FUZZ_CHECK(wire_decode(line.data, line.len, &again, &err) == 0);
        FUZZ_CHECK(again.type == message->type && again.seq == message->seq);
        FUZZ_CHECK(same(again.body, message->body));
        wire_message_done(&again);
    }
    buf_done(&line);
}

static void try_line(const char *text, size_t size)
{
    struct wire_message message = { 0 };
    struct wire_hello hello;
    struct err err = { 0 };
    int status = wire_decode(text, size, &message, &err);
    if (status != 0) {
        fuzz_refused(status, &err);
        return;
    }
    FUZZ_CHECK((message.seq >= 1) == (wire_type_is_event(message.type) != 0));
    if (wire_type_is_event(message.type))
        decode_again(&message);
    else if (message.type == WIRE_HELLO && (status = wire_hello_from(&message, &hello, &err)) != 0)
        fuzz_refused(status, &err);
    wire_message_done(&message);
}

static void try_files(const uint8_t *data, size_t size)
{
    struct launch launch;
    struct launch_exit ended;
    struct err err = { 0 };
    fuzz_file("launch.json", data, size);
    fuzz_file("exit.json", data, size);
    int status = launch_read(fuzz_folder, &launch, &err);
    if (status != 0)
        fuzz_refused(status, &err);
    status = launch_exit_read(fuzz_folder, &ended, &err);
    if (status != 0)
        fuzz_refused(status, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    try_line(text, size);
    if (size > 0 && data[0] == '{')
        try_files(data, size);
    free(text);
    return 0;
}
