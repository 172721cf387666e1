/* Decoding checks a line against the rows of `fields`: which members each type needs and of what
 * shape. Members beyond them pass, so that a newer trainer may say more than an older daemon reads.
 */
#include "common/wire/wire.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const struct {
    const char *name;
    int event;
} types[WIRE_TYPES] = {
#define WIRE_ROW(symbol, name, event) [WIRE_##symbol] = { name, event },
    WIRE_TABLE(WIRE_ROW)
#undef WIRE_ROW
};

const char *wire_type_name(enum wire_type type)
{
    return types[type].name;
}

int wire_type_is_event(enum wire_type type)
{
    return types[type].event;
}

/* At most 2^53 − 1: every reader of JSON holds such integers exactly. */
static bool is_count(const json_t *value)
{
    json_int_t count = json_integer_value(value);
    return json_is_integer(value) && count >= 0 && count <= 9007199254740991;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static bool is_audit_status(const json_t *value)
{
    static const char *const words[] = { "pass", "fail", "warn", "skipped" };
    for (size_t i = 0; is_text(value) && i < sizeof words / sizeof *words; i++)
        if (strcmp(json_string_value(value), words[i]) == 0)
            return true;
    return false;
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

/* A metric's name: letters, digits and _ - . /, 1 to 64 of them. */
static bool is_metric_name(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./");
    return text[len] == '\0' && len >= 1 && len <= NAMES_MAX;
}

static bool is_names(const json_t *value)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *name = json_array_get(value, i);
        if (!json_is_string(name) || !is_metric_name(json_string_value(name)))
            return false;
    }
    return true;
}

/* [[step, value, …], …] by ascending steps, as wide as each other; their width is held against
 * names afterwards. */
static bool is_rows(const json_t *value)
{
    double ignored;
    json_int_t last = -1;
    if (!json_is_array(value) || json_array_size(value) == 0)
        return false;
    size_t width = json_array_size(json_array_get(value, 0));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *row = json_array_get(value, i);
        if (!json_is_array(row) || json_array_size(row) != width || width < 2 ||
            !json_is_integer(json_array_get(row, 0)) ||
            json_integer_value(json_array_get(row, 0)) <= last)
            return false;
        last = json_integer_value(json_array_get(row, 0));
        for (size_t j = 1; j < width; j++)
            if (jsonx_to_double(json_array_get(row, j), &ignored) < 0)
                return false;
    }
    return true;
}

static bool is_values(const json_t *value)
{
    double ignored;
    const char *name;
    json_t *number;
    if (!json_is_object(value))
        return false;
    json_object_foreach((json_t *)(uintptr_t)value, name, number)
    {
        if (!is_metric_name(name) || jsonx_to_double(number, &ignored) < 0)
            return false;
    }
    return true;
}

/* Members that an older trainer doesn't send may be absent. */
static bool may_be_text(const json_t *value)
{
    return value == NULL || is_text(value);
}

static bool may_be_texts(const json_t *value)
{
    const char *name;
    json_t *text;
    if (!json_is_object(value))
        return value == NULL;
    json_object_foreach((json_t *)(uintptr_t)value, name, text)
    {
        if (!is_text(text))
            return false;
    }
    return true;
}

static bool is_amount(const json_t *value)
{
    return json_is_null(value) || (json_is_number(value) && json_number_value(value) >= 0);
}

static bool may_be_interference(const json_t *value)
{
    return value == NULL ||
           (json_is_object(value) && is_amount(json_object_get(value, "steal_share")) &&
            is_amount(json_object_get(value, "other_cores")));
}

static bool may_be_guess(const json_t *value)
{
    return value == NULL ||
           (json_is_object(value) && is_amount(json_object_get(value, "unigram")) &&
            is_amount(json_object_get(value, "bigram")));
}

static bool is_artifacts(const json_t *value)
{
    if (!json_is_array(value))
        return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (!is_text(json_object_get(one, "name")) || !is_count(json_object_get(one, "bytes")) ||
            !is_text(json_object_get(one, "sha256")))
            return false;
    }
    return true;
}

static bool may_be_artifacts(const json_t *value)
{
    return value == NULL || is_artifacts(value);
}

static const struct {
    enum wire_type type;
    const char *key;
    bool (*accepts)(const json_t *value);
    const char *wanted;
} fields[] = {
    { WIRE_HELLO, "protocol", is_count, "a count" },
    { WIRE_HELLO, "run", is_count, "a count" },
    { WIRE_HELLO, "attempt", is_count, "a count" },
    { WIRE_HELLO, "token", is_text, "a string" },
    { WIRE_HELLO, "pid", is_count, "a count" },
    { WIRE_WELCOME, "acked", is_count, "a count" },
    { WIRE_ACK, "seq", is_count, "a count" },
    { WIRE_STOP, "reason", is_text, "a string" },
    { WIRE_STARTED, "step", is_count, "a count" },
    { WIRE_STARTED, "environment", is_object, "an object" },
    { WIRE_STARTED, "init", may_be_texts, "an object of strings" },
    { WIRE_STARTED, "guess", may_be_guess, "unigram and bigram, each a number or null" },
    { WIRE_METRICS, "names", is_names, "an array of metric names" },
    { WIRE_METRICS, "rows", is_rows, "an array of [step, value, …] by step, alike in length" },
    { WIRE_EVAL, "step", is_count, "a count" },
    { WIRE_EVAL, "values", is_values, "an object of metrics" },
    { WIRE_EVAL, "artifacts", may_be_artifacts, "an array of {name, bytes, sha256}" },
    { WIRE_AUDIT, "name", is_text, "a string" },
    { WIRE_AUDIT, "status", is_audit_status, "pass, fail, warn or skipped" },
    { WIRE_AUDIT, "detail", is_text, "a string" },
    { WIRE_AUDIT, "evidence", is_object, "an object" },
    { WIRE_CHECKPOINT, "step", is_count, "a count" },
    { WIRE_CHECKPOINT, "file", is_text, "a string" },
    { WIRE_CHECKPOINT, "bytes", is_count, "a count" },
    { WIRE_CHECKPOINT, "sha256", is_text, "a string" },
    { WIRE_LOG, "level", is_text, "a string" },
    { WIRE_LOG, "message", is_text, "a string" },
    { WIRE_FINISHED, "step", is_count, "a count" },
    { WIRE_FINISHED, "artifacts", is_artifacts, "an array of {name, bytes, sha256}" },
    { WIRE_FINISHED, "consumed_sha256", may_be_text, "a string" },
    { WIRE_FINISHED, "eval_sha256", may_be_text, "a string" },
    { WIRE_FINISHED, "interference", may_be_interference, "{steal_share, other_cores}" },
    { WIRE_FAILED, "reason", is_text, "a string" },
    { WIRE_FAILED, "detail", is_text, "a string" },
    { WIRE_FAILED, "interference", may_be_interference, "{steal_share, other_cores}" },
};

static int find_type(const json_t *body, enum wire_type *ret, struct err *err)
{
    const char *name = json_string_value(json_object_get(body, "type"));
    if (name == NULL)
        return err_set(err, ERR_PROTOCOL, "a message must be an object with a \"type\"");
    for (int type = 0; type < WIRE_TYPES; type++)
        if (strcmp(types[type].name, name) == 0) {
            *ret = (enum wire_type)type;
            return 0;
        }
    return err_set(err, ERR_PROTOCOL, "a message of type \"%.*s\" is not known",
                   (int)jsonx_prefix(name, 64), name);
}

static int check_fields(const json_t *body, enum wire_type type, struct err *err)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].type == type && !fields[i].accepts(json_object_get(body, fields[i].key)))
            return err_set(err, ERR_PROTOCOL, "%s: \"%s\" must be %s", types[type].name,
                           fields[i].key, fields[i].wanted);
    if (type == WIRE_METRICS) {
        size_t names = json_array_size(json_object_get(body, "names"));
        size_t width = json_array_size(json_array_get(json_object_get(body, "rows"), 0));
        if (width != names + 1)
            return err_set(err, ERR_PROTOCOL, "metrics: %zu names, but %zu values a row", names,
                           width - 1);
    }
    return 0;
}

static int check_seq(const json_t *body, enum wire_type type, uint64_t *ret, struct err *err)
{
    const json_t *seq = json_object_get(body, "seq");
    *ret = 0;
    if (!types[type].event)
        return 0;
    if (!is_count(seq) || json_integer_value(seq) == 0)
        return err_set(err, ERR_PROTOCOL, "%s: an event must carry a \"seq\" from 1",
                       types[type].name);
    *ret = (uint64_t)json_integer_value(seq);
    return 0;
}

int wire_decode(const char *line, size_t len, struct wire_message *ret, struct err *err)
{
    json_t *body = NULL;
    struct wire_message message = { 0 };
    if (len > WIRE_LINE_MAX)
        return err_set(err, ERR_PROTOCOL, "a line must have at most %d bytes, not %zu",
                       WIRE_LINE_MAX, len);
    int status = jsonx_load(line, len, &body, err);
    if (status == 0)
        status = find_type(body, &message.type, err);
    if (status == 0)
        status = check_seq(body, message.type, &message.seq, err);
    if (status == 0)
        status = check_fields(body, message.type, err);
    if (status < 0) {
        json_decref(body);
        return status;
    }
    message.body = body;
    *ret = message;
    return 0;
}

void wire_message_done(struct wire_message *message)
{
    json_decref(message->body);
    message->body = NULL;
}

int wire_hello_from(const struct wire_message *message, struct wire_hello *ret, struct err *err)
{
    if (message->type != WIRE_HELLO)
        return err_set(err, ERR_PROTOCOL, "a peer must say hello first, not %s",
                       wire_type_name(message->type));
    json_int_t protocol = json_integer_value(json_object_get(message->body, "protocol"));
    if (protocol != WIRE_PROTOCOL)
        return err_set(err, ERR_PROTOCOL, "the peer speaks protocol %lld, not %d",
                       (long long)protocol, WIRE_PROTOCOL);
    const char *token = json_string_value(json_object_get(message->body, "token"));
    size_t len = strlen(token);
    if (len >= WIRE_TOKEN_BYTES)
        return err_set(err, ERR_PROTOCOL, "hello: \"token\" has %zu bytes, more than %d", len,
                       WIRE_TOKEN_BYTES - 1);
    *ret = (struct wire_hello){
        .run = json_integer_value(json_object_get(message->body, "run")),
        .attempt = json_integer_value(json_object_get(message->body, "attempt")),
        .pid = json_integer_value(json_object_get(message->body, "pid")),
    };
    memcpy(ret->token, token, len + 1);
    return 0;
}

void wire_encode_hello(const struct wire_hello *hello, struct buf *to)
{
    buf_addf(to, "{\"type\":\"hello\",\"protocol\":%d,\"run\":%lld,\"attempt\":%lld,\"token\":",
             WIRE_PROTOCOL, (long long)hello->run, (long long)hello->attempt);
    jsonx_dump_string(hello->token, strlen(hello->token), to);
    buf_addf(to, ",\"pid\":%lld}\n", (long long)hello->pid);
}

void wire_encode_welcome(uint64_t acked, struct buf *to)
{
    buf_addf(to, "{\"type\":\"welcome\",\"acked\":%llu}\n", (unsigned long long)acked);
}

void wire_encode_heartbeat(struct buf *to)
{
    buf_adds(to, "{\"type\":\"heartbeat\"}\n");
}

void wire_encode_ack(uint64_t seq, struct buf *to)
{
    buf_addf(to, "{\"type\":\"ack\",\"seq\":%llu}\n", (unsigned long long)seq);
}

void wire_encode_stop(const char *reason, struct buf *to)
{
    buf_adds(to, "{\"type\":\"stop\",\"reason\":");
    jsonx_dump_string(reason, strlen(reason), to);
    buf_adds(to, "}\n");
}

/* Type and seq stand first, so that a person who reads the file sees them first. */
static void begin_event(enum wire_type type, uint64_t seq, struct buf *to)
{
    buf_addf(to, "{\"type\":\"%s\",\"seq\":%llu", types[type].name, (unsigned long long)seq);
}

void wire_encode_event(enum wire_type type, uint64_t seq, json_t *take_body, struct buf *to)
{
    if (!json_is_object(take_body)) {
        to->failed = true;
        json_decref(take_body);
        return;
    }
    const char *key;
    json_t *value;
    begin_event(type, seq, to);
    json_object_foreach(take_body, key, value)
    {
        buf_addc(to, ',');
        jsonx_dump_string(key, strlen(key), to);
        buf_addc(to, ':');
        jsonx_dump(value, JSONX_KEEP_ORDER, to);
    }
    buf_adds(to, "}\n");
    json_decref(take_body);
}

void wire_encode_metrics(uint64_t seq, const char *const *names, size_t n_names,
                         const int64_t *steps, const double *values, size_t n_rows, struct buf *to)
{
    begin_event(WIRE_METRICS, seq, to);
    buf_adds(to, ",\"names\":[");
    for (size_t j = 0; j < n_names; j++) {
        if (j > 0)
            buf_addc(to, ',');
        jsonx_dump_string(names[j], strlen(names[j]), to);
    }
    buf_adds(to, "],\"rows\":[");
    for (size_t i = 0; i < n_rows; i++) {
        buf_addf(to, "%s[%lld", i > 0 ? "," : "", (long long)steps[i]);
        for (size_t j = 0; j < n_names; j++) {
            buf_addc(to, ',');
            jsonx_dump_double(values[i * n_names + j], to);
        }
        buf_addc(to, ']');
    }
    buf_adds(to, "]}\n");
}
