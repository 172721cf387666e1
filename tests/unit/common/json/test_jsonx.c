/* Strictness on the way in, RFC 8785 on the way out, and field tables between. */
#include "common/json/jsonx.h"

#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    enum err_code code;
} texts[] = {
    { "{\"a\":1}", 0 },
    { " [1, 2.5, null] ", 0 },
    { "17", 0 },
    { "\"\\u00e4\"", 0 },
    { "", ERR_TRUNCATED },
    { "   ", ERR_TRUNCATED },
    { "{\"a\":1", ERR_TRUNCATED },
    { "[1,2", ERR_TRUNCATED },
    { "\"abc", ERR_TRUNCATED },
    { "{\"a\":1,\"a\":1}", ERR_DUPLICATE_KEY },
    { "{\"a\":{\"b\":1,\"b\":2}}", ERR_DUPLICATE_KEY },
    { "{\"\\u0061\":1,\"a\":2}", ERR_DUPLICATE_KEY },
    { "{} x", ERR_MALFORMED },
    { "{}{}", ERR_MALFORMED },
    { "{a:1}", ERR_MALFORMED },
    { "{'a':1}", ERR_MALFORMED },
    { "[1,]", ERR_MALFORMED },
    { "{\"a\":1,}", ERR_MALFORMED },
    { "[01]", ERR_MALFORMED },
    { "[+1]", ERR_MALFORMED },
    { "[.5]", ERR_MALFORMED },
    { "[1.]", ERR_MALFORMED },
    { "[NaN]", ERR_MALFORMED },
    { "[Infinity]", ERR_MALFORMED },
    { "[0x10]", ERR_MALFORMED },
    { "// x\n{}", ERR_MALFORMED },
    { "[\"\n\"]", ERR_MALFORMED },
    { "[\"\\u0000\"]", ERR_MALFORMED },
    { "[\"\\ud800\"]", ERR_MALFORMED },
    { "[\"\\x41\"]", ERR_MALFORMED },
    { "[1e999]", ERR_OUT_OF_RANGE },
    { "[-1e999]", ERR_OUT_OF_RANGE },
    { "\xff", ERR_BAD_UTF8 },
    { "[\"\xc3\x28\"]", ERR_BAD_UTF8 },
    { "[\"\xed\xa0\x80\"]", ERR_BAD_UTF8 },
    { "\xef\xbb\xbf{}", ERR_MALFORMED }, /* a byte order mark */
};

static void test_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *json = NULL;
        struct err err = { 0 };
        int status = jsonx_load(texts[i].text, strlen(texts[i].text), &json, &err);
        if (status != -(int)texts[i].code)
            fail_msg("%s: %s (%s)", texts[i].text, err_name(status), err.message);
        assert_true((json != NULL) == (status == 0));
        json_decref(json);
    }
    json_t *json;
    assert_int_equal(jsonx_load("{\"a\":\0\"b\"}", 10, &json, NULL), -ERR_MALFORMED);
}

/* A number that can't be held is refused where it stands. */
static void test_numbers_beyond(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer, *said;
    } numbers[] = {
        { "1e999", "", "1e999 is too large" },
        { "[9223372036854775808,-1e999]", "/1", "-1e999 is" },
        { "{\"a\":1,\n\"train\":{\"b\":[{}],\"lr\":1e999,\"c\":2}}", "/train/lr",
          "line 2, column" },
        { "{\"a\":[{\"x\":\"]},\"},[1,[2,-9e999 ]]]}", "/a/1/1/1", "-9e999 is" },
        { "{\"q\\\"\\u00e4/~\":[0,[],{\"k\":\"v\"},9e9999]}", "/q\"ä~1~0/3", "9e9999 is" },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        json_t *json = NULL;
        struct err err = { 0 };
        assert_int_equal(jsonx_load(numbers[i].text, strlen(numbers[i].text), &json, &err),
                         -ERR_OUT_OF_RANGE);
        assert_string_equal(err.pointer, numbers[i].pointer);
        if (strstr(err.message, numbers[i].said) == NULL)
            fail_msg("%s: %s", numbers[i].text, err.message);
    }
    char many[400] = "[";
    memset(many + 1, '7', 350);
    struct err err = { 0 };
    json_t *json = NULL;
    assert_int_equal(jsonx_load(many, strlen(many), &json, &err), -ERR_OUT_OF_RANGE);
    assert_string_equal(err.pointer, "/0");
    assert_non_null(strstr(err.message, "7777… is too large"));
}

/* A double that is written by its digits alone, as every JSON of JavaScript's has it, is read as
 * the same double, though it has more than 64 bits; what fits stays an integer. */
static void test_wide_integers(void **state)
{
    (void)state;
    static const double values[] = { 9223372036854775808.0,  -9223372036854777856.0, 1e19,
                                     18446744073709551616.0, 1.2345678901234567e20,  -9.9e20 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buf text;
        struct err err = { 0 };
        json_t *json = NULL;
        buf_init(&text, 0);
        buf_adds(&text, "{\"12345678901234567890123\":[\"-99999999999999999999\",");
        jsonx_dump_double(values[i], &text);
        buf_adds(&text, ",9223372036854775807]}");
        if (jsonx_load(text.data, text.len, &json, &err) != 0)
            fail_msg("%s: %s", text.data, err.message);
        json_t *list = json_object_get(json, "12345678901234567890123");
        assert_string_equal(json_string_value(json_array_get(list, 0)), "-99999999999999999999");
        assert_true(json_is_real(json_array_get(list, 1)));
        assert_true(json_real_value(json_array_get(list, 1)) == values[i]);
        assert_true(json_integer_value(json_array_get(list, 2)) == INT64_MAX);
        json_decref(json);
        buf_done(&text);
    }
}

static void test_integers_stay_what_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer; /* NULL: taken */
    } cases[] = {
        { "{\"a\":[9007199254740991,-9007199254740991,0,-1]}", NULL },
        { "[9007199254740992,100000000000000000000,9007199254740994]", NULL },
        { "[1e300,0.1,9007199254740993.5,123456789012345678901e2]", NULL },
        { "{\"9007199254740993\":\"9007199254740993\"}", NULL },
        { "{\"seeds\":[1,9007199254740993]}", "/seeds/1" },
        { "{\"a\":{\"b\":-9007199254740993}}", "/a/b" },
        { "[1000000000000000000000]", "/0" }, /* 1e+21 */
        { "[100000000000000000001]", "/0" },
        { "[9223372036854775807]", "/0" },
        { "[1234567890123456789012345678901234567890123]", "/0" },
        { "9007199254740993", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = { 0 };
        int status = jsonx_check_integers(cases[i].text, strlen(cases[i].text), &err);
        assert_int_equal(status, cases[i].pointer == NULL ? 0 : -ERR_OUT_OF_RANGE);
        if (cases[i].pointer != NULL)
            assert_string_equal(err.pointer, cases[i].pointer);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = JSONX_MAX_DEPTH; depth <= JSONX_MAX_DEPTH + 1; depth++) {
        char text[256] = "";
        for (int i = 0; i < depth; i++)
            strcat(text, i % 2 ? "[" : "{\"]}\\\"\":");
        strcat(text, "1");
        for (int i = depth; i-- > 0;)
            strcat(text, i % 2 ? "]" : "}");
        json_t *json = NULL;
        int status = jsonx_load(text, strlen(text), &json, NULL);
        assert_int_equal(status, depth <= JSONX_MAX_DEPTH ? 0 : -ERR_TOO_DEEP);
        json_decref(json);
    }
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    json_t *json;
    assert_int_equal(jsonx_load(deep, sizeof deep, &json, NULL), -ERR_TOO_DEEP);
}

/* RFC 8785, appendix B, and neighbours. */
static const struct {
    uint64_t bits;
    const char *text;
} numbers[] = {
    { 0x0000000000000000, "0" },
    { 0x8000000000000000, "0" },
    { 0x0000000000000001, "5e-324" },
    { 0x8000000000000001, "-5e-324" },
    { 0x7fefffffffffffff, "1.7976931348623157e+308" },
    { 0xffefffffffffffff, "-1.7976931348623157e+308" },
    { 0x4340000000000000, "9007199254740992" },
    { 0xc340000000000000, "-9007199254740992" },
    { 0x4430000000000000, "295147905179352830000" },
    { 0x44b52d02c7e14af5, "9.999999999999997e+22" },
    { 0x44b52d02c7e14af6, "1e+23" },
    { 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
    { 0x444b1ae4d6e2ef4e, "999999999999999700000" },
    { 0x444b1ae4d6e2ef4f, "999999999999999900000" },
    { 0x444b1ae4d6e2ef50, "1e+21" },
    { 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
    { 0x3eb0c6f7a0b5ed8d, "0.000001" },
    { 0x41b3de4355555553, "333333333.3333332" },
    { 0x41b3de4355555554, "333333333.33333325" },
    { 0x41b3de4355555555, "333333333.3333333" },
    { 0x41b3de4355555556, "333333333.3333334" },
    { 0x41b3de4355555557, "333333333.33333343" },
    { 0xbecbf647612f3696, "-0.0000033333333333333333" },
    { 0x43143ff3c1cb0959, "1424953923781206.2" },
    /* powers of two whose nearest 16 digits read back to a neighbour */
    { 0x3d30000000000000, "5.684341886080802e-14" },
    { 0x4940000000000000, "7.1362384635298e+44" },
    { 0x7c50000000000000, "6.237000967296e+290" },
    { 0x7ff0000000000000, "\"inf\"" },
    { 0xfff0000000000000, "\"-inf\"" },
    { 0x7ff8000000000000, "\"nan\"" },
    { 0x0010000000000000, "2.2250738585072014e-308" },
    { 0x000fffffffffffff, "2.225073858507201e-308" },
};

static void test_numbers(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double value;
        memcpy(&value, &numbers[i].bits, sizeof value);
        buf_clear(&text);
        jsonx_dump_double(value, &text);
        assert_string_equal(text.data, numbers[i].text);
    }
    buf_done(&text);
}

static size_t digits_of(const char *text)
{
    char digits[64];
    size_t n = 0;
    for (; *text != '\0' && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n > 0 || *text != '0'))
            digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

/* Whatever the bits: what is printed reads back to them, and no shorter decimal does. */
static void test_numbers_are_shortest(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct buf text;
    buf_init(&text, 0);
    for (int i = 0; i < 200000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = random ^ random >> 29;
        if (i % 4 == 0)
            bits &= 0xfff0000000000003u; /* powers of two and their neighbours */
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || value == 0)
            continue;
        buf_clear(&text);
        jsonx_dump_double(value, &text);
        assert_true(strtod(text.data, NULL) == value);
        size_t n = digits_of(text.data);
        assert_in_range(n, 1, 17);
        if (n > 1) {
            char shorter[40];
            snprintf(shorter, sizeof shorter, "%.*e", (int)n - 2, value);
            assert_true(strtod(shorter, NULL) != value);
        }
    }
    buf_done(&text);
}

static void check_dump(const char *given, int flags, const char *expected)
{
    json_t *json = NULL;
    struct err err;
    struct buf text;
    if (jsonx_load(given, strlen(given), &json, &err) != 0)
        fail_msg("%s", err.message);
    buf_init(&text, 0);
    jsonx_dump(json, flags, &text);
    assert_string_equal(text.data, expected);
    buf_done(&text);
    json_decref(json);
}

static void test_canonical(void **state)
{
    (void)state;
    /* RFC 8785, sections 3.2.2 and 3.2.3 */
    check_dump(
        "{\"numbers\":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"
        "\"string\":\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\","
        "\"literals\":[null,true,false]}",
        JSONX_CANONICAL,
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
        "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
    check_dump("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,"
               "\"\\u00f6\":7}",
               JSONX_CANONICAL,
               "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,"
               "\"\xf0\x9f\x98\x80\":5,\"\xef\xac\xb3\":3}");
    check_dump("{\"b\":1,\"a\":{\"d\":[],\"c\":{}}}", JSONX_CANONICAL,
               "{\"a\":{\"c\":{},\"d\":[]},\"b\":1}");
    check_dump("{\"b\":1,\"a\":[1, 2.0, -0.0]}", JSONX_KEEP_ORDER, "{\"b\":1,\"a\":[1,2,0]}");
    check_dump("{\"b\":1,\"a\":[1, 2]}", JSONX_INDENT, "{\n  \"a\": [1, 2],\n  \"b\": 1\n}");
    char many[4096] = "{", sorted[4096] = "{";
    for (int i = 0; i < 100; i++) {
        snprintf(many + strlen(many), 16, "%s\"k%02d\":%d", i ? "," : "", 99 - i, i);
        snprintf(sorted + strlen(sorted), 16, "%s\"k%02d\":%d", i ? "," : "", i, 99 - i);
    }
    strcat(many, "}");
    strcat(sorted, "}");
    check_dump(many, JSONX_CANONICAL, sorted);
}

static const char *const colours[] = { "red", "green", NULL };

struct thing {
    int64_t count;
    double size, pair[2];
    bool flag;
    int colour;
    int64_t later;
    double latest;
    char word[8], name[NAMES_BYTES];
    const char *text;
    json_t *object, *array;
};

#define AT(m) .key = #m, .offset = offsetof(struct thing, m)
static const struct jsonx_field rows[] = {
    { AT(count), .type = JSONX_INT, .min = -5, .max = 100, .preset = "7" },
    { AT(size), .type = JSONX_DOUBLE, .min = 0, .max = 1, .exclusive_min = true, .preset = "0.5" },
    { AT(pair), .type = JSONX_PAIR, .min = 0, .max = 1, .exclusive_max = true,
      .preset = "[0.25, 0.75]" },
    { AT(flag), .type = JSONX_BOOL, .preset = "true" },
    { AT(colour), .type = JSONX_ENUM, .choices = colours, .preset = "\"green\"" },
    { AT(word), .type = JSONX_STRING, .size = 8, .min = 1, .max = 7, .preset = "\"w\"" },
    { AT(name), .type = JSONX_NAME, .required = true },
    { AT(text), .type = JSONX_TEXT, .max = 10 },
    { AT(object), .type = JSONX_OBJECT },
    { AT(array), .type = JSONX_ARRAY },
    { AT(later), .type = JSONX_INT, .max = 9, .preset = "3", .sparse = true },
    { AT(latest), .type = JSONX_DOUBLE, .max = 9, .preset = "0", .sparse = true },
};
enum { ROWS = sizeof rows / sizeof *rows };

static const struct {
    const char *text;
    enum err_code code;
    const char *pointer, *said;
} decodings[] = {
    { "{\"name\":\"n\"}", 0, "", "" },
    { "{\"name\":\"n\",\"count\":3.0}", 0, "", "" },
    { "[]", ERR_WRONG_TYPE, "/x", "this must be an object, not an array" },
    { "{}", ERR_MISSING_FIELD, "/x/name", "\"name\" is required" },
    { "{\"name\":\"n\",\"nope\":1}", ERR_UNKNOWN_FIELD, "/x/nope", "known are: count, size" },
    { "{\"name\":\"n\",\"a/b~\":1}", ERR_UNKNOWN_FIELD, "/x/a~1b~0", "" },
    { "{\"name\":\"n\",\"count\":\"3\"}", ERR_WRONG_TYPE, "/x/count",
      "must be an integer, not a string" },
    { "{\"name\":\"n\",\"count\":null}", ERR_WRONG_TYPE, "/x/count", "not null" },
    { "{\"name\":\"n\",\"count\":3.5}", ERR_WRONG_TYPE, "/x/count", "must be an integer, not 3.5" },
    { "{\"name\":\"n\",\"count\":101}", ERR_OUT_OF_RANGE, "/x/count", "from -5 to 100, not 101" },
    { "{\"name\":\"n\",\"count\":-6}", ERR_OUT_OF_RANGE, "/x/count", "" },
    { "{\"name\":\"n\",\"count\":1e300}", ERR_OUT_OF_RANGE, "/x/count", "" },
    { "{\"name\":\"n\",\"size\":0}", ERR_OUT_OF_RANGE, "/x/size",
      "from 0 (exclusive) to 1, not 0" },
    { "{\"name\":\"n\",\"size\":1}", 0, "", "" },
    { "{\"name\":\"n\",\"pair\":[0.1]}", ERR_WRONG_TYPE, "/x/pair", "" },
    { "{\"name\":\"n\",\"pair\":[0.1, 1]}", ERR_OUT_OF_RANGE, "/x/pair/1", "" },
    { "{\"name\":\"n\",\"pair\":[0.1, true]}", ERR_WRONG_TYPE, "/x/pair/1", "" },
    { "{\"name\":\"n\",\"flag\":1}", ERR_WRONG_TYPE, "/x/flag",
      "must be true or false, not a number" },
    { "{\"name\":\"n\",\"colour\":\"blue\"}", ERR_INVALID_VALUE, "/x/colour",
      "one of \"red\", \"green\", not \"blue\"" },
    { "{\"name\":\"n\",\"word\":\"\"}", ERR_OUT_OF_RANGE, "/x/word", "" },
    { "{\"name\":\"n\",\"word\":\"12345678\"}", ERR_OUT_OF_RANGE, "/x/word",
      "1 to 7 bytes, not 8" },
    { "{\"name\":\"a\\tb\"}", ERR_INVALID_VALUE, "/x/name", "" },
    { "{\"name\":\"\"}", ERR_INVALID_VALUE, "/x/name", "" },
    { "{\"name\":\"n\",\"text\":\"12345678901\"}", ERR_OUT_OF_RANGE, "/x/text", "" },
    { "{\"name\":\"n\",\"object\":[]}", ERR_WRONG_TYPE, "/x/object", "" },
    { "{\"name\":\"n\",\"array\":{}}", ERR_WRONG_TYPE, "/x/array", "" },
};

static void test_text(void **state)
{
    (void)state;
    json_t *json = json_loads("{\"b\":1,\"a\":[2.0]}", 0, NULL);
    char *canonical = jsonx_text(json, JSONX_CANONICAL),
         *as_it_came = jsonx_text(json, JSONX_KEEP_ORDER);
    assert_string_equal(canonical, "{\"a\":[2],\"b\":1}");
    assert_string_equal(as_it_came, "{\"b\":1,\"a\":[2]}");
    assert_null(jsonx_text(NULL, JSONX_CANONICAL));
    free(canonical);
    free(as_it_came);
    json_decref(json);
}

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof decodings / sizeof *decodings; i++) {
        json_t *json = json_loads(decodings[i].text, 0, NULL);
        struct thing thing;
        struct err err = { 0 };
        int status = jsonx_decode(json, rows, ROWS, &thing, "/x", &err);
        if (status != -(int)decodings[i].code || strstr(err.message, decodings[i].said) == NULL ||
            strcmp(err.pointer, decodings[i].pointer) != 0)
            fail_msg("%s: %s at %s: %s", decodings[i].text, err_name(status), err.pointer,
                     err.message);
        json_decref(json);
    }
}

static void test_defaults_and_back(void **state)
{
    (void)state;
    json_t *json = json_loads("{\"name\":\"a b\",\"object\":{\"x\":1}}", 0, NULL);
    struct thing thing;
    struct err err;
    assert_int_equal(jsonx_decode(json, rows, ROWS, &thing, "", &err), 0);
    assert_int_equal(thing.count, 7);
    assert_true(thing.size == 0.5 && thing.pair[1] == 0.75 && thing.flag);
    assert_int_equal(thing.colour, 1);
    assert_string_equal(thing.word, "w");
    assert_string_equal(thing.name, "a b");
    assert_string_equal(thing.text, "");
    assert_ptr_equal(thing.object, json_object_get(json, "object"));
    assert_null(thing.array);
    json_t *back = jsonx_encode(rows, ROWS, &thing);
    struct buf text;
    buf_init(&text, 0);
    jsonx_dump(back, JSONX_KEEP_ORDER, &text);
    assert_string_equal(text.data,
                        "{\"count\":7,\"size\":0.5,\"pair\":[0.25,0.75],\"flag\":true,\"colour\":"
                        "\"green\",\"word\":\"w\",\"name\":\"a b\",\"text\":\"\"}");
    struct thing again;
    assert_int_equal(jsonx_decode(back, rows, ROWS, &again, "", &err), 0);
    assert_int_equal(again.count, 7);
    assert_int_equal(again.later, 3);
    buf_done(&text);
    json_decref(back);
    thing.later = 4;
    back = jsonx_encode(rows, ROWS, &thing);
    assert_int_equal(json_integer_value(json_object_get(back, "later")), 4);
    json_decref(back);
    json_decref(json);
}

static void test_special_numbers(void **state)
{
    (void)state;
    static const double values[] = { 0, 1.5, INFINITY, -INFINITY, NAN };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json_t *json = jsonx_number(values[i]);
        double back;
        assert_int_equal(jsonx_to_double(json, &back), 0);
        assert_true(back == values[i] || (isnan(back) && isnan(values[i])));
        json_decref(json);
    }
    json_t *word = json_string("NaN"), *seven = json_integer(7);
    double back;
    assert_true(jsonx_to_double(word, &back) < 0);
    assert_true(jsonx_to_double(NULL, &back) < 0);
    assert_int_equal(jsonx_to_double(seven, &back), 0);
    assert_true(back == 7);
    json_decref(word);
    json_decref(seven);
}

static void test_pointers_and_merging(void **state)
{
    (void)state;
    char pointer[16];
    jsonx_pointer(pointer, sizeof pointer, "/a", "b~/c");
    assert_string_equal(pointer, "/a/b~0~1c");
    jsonx_pointer(pointer, sizeof pointer, pointer, "0123456789");
    assert_string_equal(pointer, "/a/b~0~1c/01234");
    jsonx_pointer(pointer, sizeof pointer, "/0123456789ab", "\xe2\x82\xac");
    assert_string_equal(pointer, "/0123456789ab/"); /* a character is never split */
    assert_int_equal(jsonx_prefix("a\xe2\x82\xac", 3), 1);
    assert_int_equal(jsonx_prefix("a\xe2\x82\xac", 4), 4);

    json_t *into = json_loads("{\"a\":{\"b\":1,\"c\":2},\"d\":[1]}", 0, NULL);
    json_t *from = json_loads("{\"a\":{\"c\":3,\"e\":{}},\"d\":[2,3],\"f\":null}", 0, NULL);
    json_t *wanted =
        json_loads("{\"a\":{\"b\":1,\"c\":3,\"e\":{}},\"d\":[2,3],\"f\":null}", 0, NULL);
    assert_int_equal(jsonx_merge(into, from), 0);
    assert_true(json_equal(into, wanted));
    json_object_set_new(json_object_get(json_object_get(from, "a"), "e"), "x", json_true());
    assert_true(json_equal(into, wanted)); /* a deep copy */
    json_decref(into);
    json_decref(from);
    json_decref(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_integers_stay_what_they_are),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_numbers_beyond),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_are_shortest),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_defaults_and_back),
        cmocka_unit_test(test_special_numbers),
        cmocka_unit_test(test_pointers_and_merging),
    };
    return cmocka_run_group_tests_name("jsonx", tests, NULL, NULL);
}
