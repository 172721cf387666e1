/* A message is built from the inside out: its fields are appended to a buffer, which then becomes a
 * field of the message around it. A scalar, of which there are millions, is written without. */
#include "server/export/tfevents.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <pthread.h>
#include <string.h>

/* The kinds of a field on the wire. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum { RECORD_BYTES = 8 + 4 + 4, MASK = 0xa282ead8 };

/* CRC-32C, a byte at a time, by the table of all bytes. */

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        table[i] = crc;
    }
}

uint32_t tfevents_crc32c(const void *bytes, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;
    pthread_once(&once, make_table);
    for (size_t i = 0; i < len; i++)
        crc = crc >> 8 ^ table[(crc ^ at[i]) & 0xff];
    return ~crc;
}

/* numbers */

static void add_little(uint64_t value, int bytes, struct buf *to)
{
    char text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * i));
    buf_add(to, text, (size_t)bytes);
}

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

static void add_varint(uint64_t value, struct buf *to)
{
    char text[10];
    size_t n = 0;
    for (; value >= 128; value >>= 7)
        text[n++] = (char)(value | 128);
    text[n++] = (char)value;
    buf_add(to, text, n);
}

static void add_key(unsigned field, unsigned kind, struct buf *to)
{
    add_varint(field << 3 | kind, to);
}

/* fields */

static void add_number(unsigned field, uint64_t value, struct buf *to)
{
    add_key(field, VARINT, to);
    add_varint(value, to);
}

static void add_double(unsigned field, double value, struct buf *to)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(field, FIXED64, to);
    add_little(bits, 8, to);
}

static void add_text(unsigned field, const char *text, struct buf *to)
{
    size_t len = strlen(text);
    add_key(field, BYTES, to);
    add_varint(len, to);
    buf_add(to, text, len);
}

/* Consumes the message. */
static void add_message(unsigned field, struct buf *take_message, struct buf *to)
{
    add_key(field, BYTES, to);
    add_varint(take_message->len, to);
    buf_add(to, take_message->data, take_message->len);
    to->failed |= take_message->failed;
    buf_done(take_message);
}

/* records */

static uint32_t masked(const void *bytes, size_t len)
{
    uint32_t crc = tfevents_crc32c(bytes, len);
    return (crc >> 15 | crc << 17) + MASK;
}

static void begin_record(size_t len, struct buf *to)
{
    char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (char)((uint64_t)len >> (8 * i));
    buf_add(to, length, sizeof length);
    add_little(masked(length, sizeof length), 4, to);
}

/* Of the len bytes that `to` ends with. */
static void end_record(size_t len, struct buf *to)
{
    if (!to->failed)
        add_little(masked(to->data + to->len - len, len), 4, to);
}

static void add_record(struct buf *take_event, struct buf *to)
{
    size_t len = take_event->len;
    begin_record(len, to);
    buf_add(to, take_event->data, len);
    to->failed |= take_event->failed;
    end_record(len, to);
    buf_done(take_event);
}

/* Event: wall_time 1, step 2, file_version 3, summary 5. */

static void begin_event(double wall_s, struct buf *event)
{
    buf_init(event, 0);
    add_double(1, wall_s, event);
}

void tfevents_version(double wall_s, struct buf *to)
{
    struct buf event;
    begin_event(wall_s, &event);
    add_text(3, "brain.Event:2", &event);
    add_record(&event, to);
}

/* Summary: value 1. Summary.Value: tag 1, simple_value 2, metadata 9. */

struct sizes {
    size_t value, summary, event;
};

static struct sizes sizes_of(int64_t step, size_t tag)
{
    struct sizes s;
    s.value = 1 + varint_bytes(tag) + tag + 5;
    s.summary = 1 + varint_bytes(s.value) + s.value;
    s.event = 9 + 1 + varint_bytes((uint64_t)step) + 1 + varint_bytes(s.summary) + s.summary;
    return s;
}

size_t tfevents_scalar_bytes(int64_t step, const char *tag)
{
    return RECORD_BYTES + sizes_of(step, strlen(tag)).event;
}

void tfevents_scalar(double wall_s, int64_t step, const char *tag, float value, struct buf *to)
{
    const struct sizes s = sizes_of(step, strlen(tag));
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    begin_record(s.event, to);
    add_double(1, wall_s, to);
    add_number(2, (uint64_t)step, to);
    add_key(5, BYTES, to);
    add_varint(s.summary, to);
    add_key(1, BYTES, to);
    add_varint(s.value, to);
    add_text(1, tag, to);
    add_key(2, FIXED32, to);
    add_little(bits, 4, to);
    end_record(s.event, to);
}

/* The HParams plugin: a value without a number, whose metadata are the message. SummaryMetadata:
 * plugin_data 1. PluginData: plugin_name 1, content 2. */

static void add_hparams(double wall_s, const char *tag, struct buf *take_data, struct buf *to)
{
    struct buf plugin, metadata, value, summary, event;
    buf_init(&plugin, 0);
    add_text(1, "hparams", &plugin);
    add_message(2, take_data, &plugin);
    buf_init(&metadata, 0);
    add_message(1, &plugin, &metadata);
    buf_init(&value, 0);
    add_text(1, tag, &value);
    add_message(9, &metadata, &value);
    buf_init(&summary, 0);
    add_message(1, &value, &summary);
    begin_event(wall_s, &event);
    add_message(5, &summary, &event);
    add_record(&event, to);
}

/* DataType of api.proto. */
static unsigned type_of(const json_t *value)
{
    enum { STRING = 1, BOOL, FLOAT64 };
    return json_is_number(value) ? FLOAT64 : json_is_boolean(value) ? BOOL : STRING;
}

/* HParamsPluginData: experiment 2. Experiment: description 1, time_created_secs 3, hparam_infos 4,
 * metric_infos 5, name 6. HParamInfo: name 1, type 4. MetricInfo: name 1. MetricName: tag 2. */
void tfevents_experiment(double wall_s, const char *name, const char *about, const json_t *hparams,
                         const char *metric, struct buf *to)
{
    struct buf experiment, data, info, metric_name;
    const char *key;
    json_t *value;
    buf_init(&experiment, 0);
    add_text(1, about, &experiment);
    add_double(3, wall_s, &experiment);
    json_object_foreach((json_t *)(uintptr_t)hparams, key, value)
    {
        buf_init(&info, 0);
        add_text(1, key, &info);
        add_number(4, type_of(value), &info);
        add_message(4, &info, &experiment);
    }
    buf_init(&metric_name, 0);
    add_text(2, metric, &metric_name);
    buf_init(&info, 0);
    add_message(1, &metric_name, &info);
    add_message(5, &info, &experiment);
    add_text(6, name, &experiment);
    buf_init(&data, 0);
    add_message(2, &experiment, &data);
    add_hparams(wall_s, "_hparams_/experiment", &data, to);
}

/* google.protobuf.Value: number_value 2, string_value 3, bool_value 4. */
static void add_value(unsigned field, const json_t *value, struct buf *to)
{
    struct buf message;
    buf_init(&message, 0);
    if (json_is_number(value)) {
        add_double(2, json_number_value(value), &message);
    } else if (json_is_boolean(value)) {
        add_number(4, json_is_true(value), &message);
    } else if (json_is_string(value)) {
        add_text(3, json_string_value(value), &message);
    } else {
        struct buf text;
        buf_init(&text, 0);
        jsonx_dump(value, JSONX_CANONICAL, &text);
        add_text(3, text.data != NULL ? text.data : "", &message);
        buf_done(&text);
    }
    add_message(field, &message, to);
}

/* SessionStartInfo, 3: hparams 1 (a map: entries of key 1 and value 2), start_time_secs 5. */
void tfevents_session_start(double wall_s, const json_t *hparams, struct buf *to)
{
    struct buf info, data, entry;
    const char *key;
    json_t *value;
    buf_init(&info, 0);
    json_object_foreach((json_t *)(uintptr_t)hparams, key, value)
    {
        buf_init(&entry, 0);
        add_text(1, key, &entry);
        add_value(2, value, &entry);
        add_message(1, &entry, &info);
    }
    add_double(5, wall_s, &info);
    buf_init(&data, 0);
    add_message(3, &info, &data);
    add_hparams(wall_s, "_hparams_/session_start_info", &data, to);
}

/* SessionEndInfo, 4: status 1, end_time_secs 2. */
void tfevents_session_end(double wall_s, enum tfevents_status status, struct buf *to)
{
    struct buf info, data;
    buf_init(&info, 0);
    add_number(1, status, &info);
    add_double(2, wall_s, &info);
    buf_init(&data, 0);
    add_message(4, &info, &data);
    add_hparams(wall_s, "_hparams_/session_end_info", &data, to);
}
