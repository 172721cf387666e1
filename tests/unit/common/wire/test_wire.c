/* What is encoded decodes to the same; every type's required members are required. */
#include "common/json/jsonx.h"
#include "common/wire/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const good[] = {
    "{\"type\":\"hello\",\"protocol\":1,\"run\":17,\"attempt\":2,\"token\":\"t\",\"pid\":5}",
    "{\"type\":\"welcome\",\"acked\":1234}",
    "{\"type\":\"heartbeat\"}",
    "{\"type\":\"ack\",\"seq\":0}",
    "{\"type\":\"stop\",\"reason\":\"cancelled\"}",
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{}}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"train/"
    "loss\",\"b\"],\"rows\":[[1,0.5,\"nan\"],[2,1,\"-inf\"]]}",
    "{\"type\":\"eval\",\"seq\":3,\"step\":1,\"values\":{\"val/loss\":\"inf\"}}",
    "{\"type\":\"audit\",\"seq\":4,\"name\":\"finite\",\"status\":\"warn\",\"detail\":\"d\","
    "\"evidence\":{}}",
    "{\"type\":\"checkpoint\",\"seq\":5,\"step\":1,\"file\":\"f\",\"bytes\":1,\"sha256\":\"s\"}",
    "{\"type\":\"log\",\"seq\":6,\"level\":\"info\",\"message\":\"m\"}",
    "{\"type\":\"finished\",\"seq\":7,\"step\":1,\"artifacts\":[{\"name\":\"n\",\"bytes\":1,"
    "\"sha256\":\"s\"}]}",
    "{\"type\":\"failed\",\"seq\":8,\"reason\":\"r\",\"detail\":\"d\"}",
};

static int decode(const char *line, struct wire_message *ret, struct err *err)
{
    return wire_decode(line, strlen(line), ret, err);
}

static void test_every_type(void **state)
{
    (void)state;
    assert_int_equal(sizeof good / sizeof *good, WIRE_TYPES);
    for (int type = 0; type < WIRE_TYPES; type++) {
        struct wire_message message;
        struct err err;
        if (decode(good[type], &message, &err) != 0)
            fail_msg("%s: %s", good[type], err.message);
        assert_int_equal(message.type, type);
        assert_int_equal(message.seq > 0, wire_type_is_event(message.type));
        wire_message_done(&message);
    }
}

/* Each member taken away, and each made something else. */
static void test_every_member_is_required(void **state)
{
    (void)state;
    for (int type = 0; type < WIRE_TYPES; type++) {
        json_t *whole = json_loads(good[type], 0, NULL);
        const char *key;
        json_t *value;
        json_object_foreach(whole, key, value)
        {
            for (int wrong = 0; wrong < 3; wrong++) {
                json_t *copy = json_deep_copy(whole);
                struct wire_message message;
                struct err err;
                if (wrong == 0)
                    json_object_del(copy, key);
                else if (wrong == 1)
                    json_object_set_new(copy, key, json_null());
                else
                    json_object_set_new(copy, key, json_integer(-1));
                char *line = json_dumps(copy, JSON_COMPACT);
                if (decode(line, &message, &err) != -ERR_PROTOCOL)
                    fail_msg("%s", line);
                free(line);
                json_decref(copy);
            }
        }
        json_decref(whole);
    }
}

static const char *const bad[] = {
    "[]",
    "7",
    "{}",
    "{\"type\":7}",
    "{\"type\":\"nosuch\"}",
    "{\"type\":\"log\",\"seq\":0,\"level\":\"info\",\"message\":\"m\"}",
    "{\"type\":\"log\",\"seq\":9007199254740992,\"level\":\"info\",\"message\":\"m\"}",
    "{\"type\":\"log\",\"seq\":1.5,\"level\":\"info\",\"message\":\"m\"}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[],\"rows\":[[1]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1,1],[2]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1,1,1]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1,1],[1,2]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[2,1],[1,2]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[-1,1]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1.5,1]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1,\"x\"]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\"],\"rows\":[[1,null]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a b\"],\"rows\":[[1,1]]}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"\"],\"rows\":[[1,1]]}",
    "{\"type\":\"eval\",\"seq\":3,\"step\":1,\"values\":{\"a'b\":1}}",
    "{\"type\":\"eval\",\"seq\":3,\"step\":1,\"values\":{\"a\":\"1\"}}",
    "{\"type\":\"eval\",\"seq\":3,\"step\":1,\"values\":{},\"artifacts\":[{\"name\":\"n\"}]}",
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},\"init\":[]}",
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},\"init\":{\"w\":1}}",
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},\"guess\":3}",
    ("{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},\"guess\":{"
     "\"unigram\":3}}"),
    ("{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{},\"guess\":{"
     "\"unigram\":\"nan\",\"bigram\":2}}"),
    "{\"type\":\"finished\",\"seq\":7,\"step\":1,\"artifacts\":[],\"eval_sha256\":7}",
    ("{\"type\":\"finished\",\"seq\":7,\"step\":1,\"artifacts\":[{\"name\":\"n\",\"bytes\":-1,"
     "\"sha256\":\"s\"}]}"),
};

static void test_bad_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wire_message message = { 0 };
        struct err err;
        if (decode(bad[i], &message, &err) != -ERR_PROTOCOL)
            fail_msg("%s", bad[i]);
        assert_null(message.body);
    }
    static char line[WIRE_LINE_MAX + 2];
    struct wire_message message;
    struct err err;
    memset(line, ' ', sizeof line);
    memcpy(line, "{\"type\":\"heartbeat\"}", 20);
    assert_int_equal(wire_decode(line, WIRE_LINE_MAX, &message, &err), 0);
    wire_message_done(&message);
    assert_int_equal(wire_decode(line, WIRE_LINE_MAX + 1, &message, &err), -ERR_PROTOCOL);
}

static void test_members_beyond_them_pass(void **state)
{
    (void)state;
    struct wire_message message;
    struct err err;
    assert_int_equal(decode("{\"type\":\"welcome\",\"acked\":1,\"new\":[1]}", &message, &err), 0);
    wire_message_done(&message);
}

static void test_hello(void **state)
{
    (void)state;
    struct wire_hello hello = { .run = 17, .attempt = 2, .pid = 99 }, back;
    struct wire_message message;
    struct err err;
    struct buf line;
    memset(hello.token, 'f', 64);
    buf_init(&line, 0);
    wire_encode_hello(&hello, &line);
    assert_int_equal(wire_decode(line.data, line.len, &message, &err), 0);
    assert_int_equal(wire_hello_from(&message, &back, &err), 0);
    assert_int_equal(back.run, 17);
    assert_int_equal(back.attempt, 2);
    assert_int_equal(back.pid, 99);
    assert_string_equal(back.token, hello.token);
    wire_message_done(&message);
    buf_done(&line);
    assert_int_equal(decode(good[WIRE_HEARTBEAT], &message, &err), 0);
    assert_int_equal(wire_hello_from(&message, &back, &err), -ERR_PROTOCOL);
    wire_message_done(&message);
}

static void test_short_lines(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 0);
    wire_encode_welcome(UINT64_C(9007199254740993), &line);
    assert_string_equal(line.data, "{\"type\":\"welcome\",\"acked\":9007199254740993}\n");
    buf_clear(&line);
    wire_encode_ack(7, &line);
    assert_string_equal(line.data, "{\"type\":\"ack\",\"seq\":7}\n");
    buf_clear(&line);
    wire_encode_stop("a\n\"b\"", &line);
    assert_string_equal(line.data, "{\"type\":\"stop\",\"reason\":\"a\\n\\\"b\\\"\"}\n");
    buf_clear(&line);
    wire_encode_heartbeat(&line);
    assert_string_equal(line.data, "{\"type\":\"heartbeat\"}\n");
    buf_done(&line);
}

/* The hot path writes what the general one reads, to the bit. */
static void test_metrics(void **state)
{
    (void)state;
    const char *const names[] = { "train/loss", "time/step_s" };
    const int64_t steps[] = { 1, 2, 1000000007 };
    const double values[] = { 0.1, NAN, -INFINITY, 5e-324, 1.7976931348623157e308, 3 };
    struct wire_message message;
    struct err err;
    struct buf line;
    buf_init(&line, 0);
    wire_encode_metrics(42, names, 2, steps, values, 3, &line);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_int_equal(wire_decode(line.data, line.len, &message, &err), 0);
    assert_int_equal(message.seq, 42);
    for (size_t i = 0; i < 3; i++) {
        json_t *row = json_array_get(json_object_get(message.body, "rows"), i);
        assert_int_equal(json_integer_value(json_array_get(row, 0)), steps[i]);
        for (size_t j = 0; j < 2; j++) {
            double value;
            assert_int_equal(jsonx_to_double(json_array_get(row, j + 1), &value), 0);
            assert_true(value == values[2 * i + j] || (isnan(value) && isnan(values[2 * i + j])));
        }
    }
    wire_message_done(&message);
    buf_done(&line);
}

static void test_events(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, 0);
    wire_encode_event(WIRE_LOG, 3, json_pack("{s:s, s:s}", "level", "info", "message", "a\nb"),
                      &line);
    assert_string_equal(line.data,
                        "{\"type\":\"log\",\"seq\":3,\"level\":\"info\",\"message\":\"a\\nb\"}\n");
    buf_clear(&line);
    wire_encode_event(WIRE_LOG, 3, NULL, &line);
    assert_true(line.failed);
    buf_done(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type), cmocka_unit_test(test_every_member_is_required),
        cmocka_unit_test(test_bad_lines),  cmocka_unit_test(test_members_beyond_them_pass),
        cmocka_unit_test(test_hello),      cmocka_unit_test(test_short_lines),
        cmocka_unit_test(test_metrics),    cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
