/* Replies before they are bytes. */
#include "server/http/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *text(const struct reply *reply, const char *key)
{
    return json_string_value(json_object_get(reply->json, key));
}

static void test_a_fresh_reply_is_an_empty_200(void **state)
{
    (void)state;
    struct reply reply;
    reply_init(&reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "application/json");
    assert_null(reply.json);
    reply_done(&reply);
}

static void test_objects_carry_as_of_and_arrays_do_not(void **state)
{
    (void)state;
    struct reply reply;
    reply_init(&reply);
    reply_json(&reply, 201, json_object(), 7);
    assert_int_equal(reply.status, 201);
    assert_int_equal(json_integer_value(json_object_get(reply.json, "as_of")), 7);
    reply_json(&reply, 200, json_object(), -1);
    assert_null(json_object_get(reply.json, "as_of"));
    reply_json(&reply, 200, json_array(), 7);
    assert_int_equal(json_array_size(reply.json), 0);
    reply_done(&reply);
}

static void test_every_error_makes_a_whole_problem(void **state)
{
    (void)state;
    for (int code = 1; code < ERR_COUNT; code++) {
        struct reply reply;
        struct err err = { 0 };
        char type[100];
        reply_init(&reply);
        buf_adds(&reply.body, "half a reply");
        reply.file = strdup("/some/file");
        err_set_at(&err, (enum err_code)code, "/arms/a~1b", "what is wrong: %s", "\xff \xc3(");
        reply_problem(&reply, &err);
        assert_int_equal(reply.status, err_http_status(code));
        assert_true(reply.status >= 400 && reply.status < 600);
        assert_string_equal(reply.content_type, "application/problem+json");
        assert_int_equal(reply.body.len, 0);
        assert_null(reply.file);
        snprintf(type, sizeof type, "urn:ablate:problem:%s", err_name(code));
        assert_string_equal(text(&reply, "type"), type);
        assert_string_equal(text(&reply, "code"), err_name(code));
        assert_string_equal(text(&reply, "title"), err_title(code));
        assert_string_equal(text(&reply, "detail"), "what is wrong: ? ?(");
        assert_string_equal(text(&reply, "pointer"), "/arms/a~1b");
        assert_int_equal(json_integer_value(json_object_get(reply.json, "status")), reply.status);
        reply_done(&reply);
    }
}

static void test_a_pointer_only_where_there_is_one(void **state)
{
    (void)state;
    struct reply reply;
    struct err err = { 0 };
    reply_init(&reply);
    err_set(&err, ERR_NOT_FOUND, "nothing");
    reply_problem(&reply, &err);
    assert_null(json_object_get(reply.json, "pointer"));
    reply_done(&reply);
}

static void test_headers_are_bounded(void **state)
{
    (void)state;
    struct reply reply;
    reply_init(&reply);
    for (int i = 0; i < REPLY_HEADERS + 3; i++)
        reply_header(&reply, "X-Test", "%d %0500d", i, 0);
    assert_int_equal(reply.headers_n, REPLY_HEADERS);
    assert_int_equal(strlen(reply.headers[0].value), sizeof reply.headers[0].value - 1);
    reply_done(&reply);
}

static json_t *item(size_t bytes)
{
    char *text = malloc(bytes);
    memset(text, 1, bytes); /* six bytes each, once they are written */
    json_t *made = json_pack("{s:o}", "notes", json_stringn(text, bytes));
    free(text);
    return made;
}

static size_t add_all(struct reply *reply, size_t n, size_t bytes)
{
    size_t added = 0;
    reply_list_begin(reply);
    while (added < n && reply_list_add(reply, item(bytes)))
        added++;
    return added;
}

static void test_a_page_is_full_by_the_bytes_that_are_sent(void **state)
{
    (void)state;
    enum { NOTES = 65536 };
    struct reply reply;
    struct err err = { 0 };
    reply_init(&reply);
    size_t added = add_all(&reply, 1000, NOTES), most = REPLY_LIST_MAX / (6 * NOTES);
    assert_true(added <= most && added >= most - 1);
    reply_list_end(&reply, "7", 9);
    assert_int_equal(reply_write(&reply, &err), 0);
    assert_true(reply.body.len <= REPLY_LIST_MAX + 100);
    json_t *list = json_loadb(reply.body.data, reply.body.len, JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(json_object_get(list, "items")), added);
    assert_string_equal(json_string_value(json_object_get(list, "next_page_token")), "7");
    assert_int_equal(json_integer_value(json_object_get(list, "as_of")), 9);
    json_decref(list);
    reply_done(&reply);
}

static void test_lists_of_none_and_of_one_that_fills_the_page(void **state)
{
    (void)state;
    struct reply reply;
    reply_init(&reply);
    assert_int_equal(add_all(&reply, 0, 1), 0);
    reply_list_end(&reply, NULL, -1);
    assert_string_equal(reply.body.data, "{\"items\":[],\"next_page_token\":null}\n");
    assert_int_equal(add_all(&reply, 2, REPLY_LIST_MAX / 6), 1);
    reply_list_end(&reply, NULL, -1);
    assert_int_equal(reply.body.data[reply.body.len - 1], '\n');
    reply_done(&reply);
}

static void test_a_body_beyond_every_bound_is_an_error_that_says_so(void **state)
{
    (void)state;
    struct reply reply;
    struct err err = { 0 };
    struct buf bytes;
    reply_init(&reply);
    reply_json(&reply, 200, item(REPLY_MAX / 6 + 1), -1);
    assert_int_equal(reply_write(&reply, &err), -ERR_BAD_PARAMETER);
    assert_non_null(strstr(err.message, "64 MiB; ask for less"));
    assert_int_equal(reply.body.len, 0);
    reply_problem(&reply, &err);
    assert_int_equal(reply_write(&reply, &err), 0);
    assert_non_null(strstr(reply.body.data, "bad_parameter"));

    buf_init(&bytes, 4);
    buf_adds(&bytes, "too long");
    reply_take(&reply, &bytes);
    assert_int_equal(reply_write(&reply, &err), -ERR_BAD_PARAMETER);
    buf_done(&bytes);
    reply_done(&reply);
}

/* An object that no memory was found for is no empty one. */
static void test_missing_json(void **state)
{
    (void)state;
    struct reply reply;
    struct err err;
    reply_init(&reply);
    reply_json(&reply, 200, NULL, 7);
    assert_int_equal(reply_write(&reply, &err), -ERR_NO_MEMORY);
    reply_done(&reply);
}

static void test_tags_are_known_as_they_were_sent_and_as_proxies_send_them_on(void **state)
{
    static const struct {
        const char *header, *tag;
        bool known;
    } rows[] = {
        { "", "\"abc\"", false },
        { "*", "\"abc\"", true },
        { "*", "", false }, /* no memory for it */
        { "\"abc\"", "\"abc\"", true },
        { "\"abc-gzip\"", "\"abc\"", true },
        { "W/\"abc\"", "\"abc\"", true },
        { "\"x\", W/\"abc-gzip\" ,\"y\"", "\"abc\"", true },
        { "W/\"abc\"", "W/\"abc\"", true },
        { "\"ab\"", "\"abc\"", false },
        { "\"abcd\"", "\"abc\"", false },
        { "\"x\", \"abc", "\"abc\"", true },
        { "abc", "\"abc\"", false },
        { "\"\"", "\"abc\"", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (reply_tag_known(rows[i].header, rows[i].tag) != rows[i].known)
            fail_msg("%s in %s", rows[i].tag, rows[i].header);
}

static void test_what_is_large_and_text_is_packed(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        size_t lines;
        bool packed;
    } rows[] = { { "application/json", 1000, true },
                 { "application/json", 10, false },
                 { "image/png", 1000, false } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct reply reply;
        reply_init(&reply);
        reply.content_type = rows[i].type;
        for (size_t j = 0; j < rows[i].lines; j++)
            buf_adds(&reply.body, "some text\n");
        reply_pack(&reply);
        assert_true(reply.gzip == rows[i].packed);
        assert_true((reply.body.len < 10 * rows[i].lines) == rows[i].packed);
        reply_pack(&reply); /* not twice */
        assert_false(reply.gzip && reply_packs(&reply));
        reply_done(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_json),
        cmocka_unit_test(test_a_fresh_reply_is_an_empty_200),
        cmocka_unit_test(test_objects_carry_as_of_and_arrays_do_not),
        cmocka_unit_test(test_every_error_makes_a_whole_problem),
        cmocka_unit_test(test_a_pointer_only_where_there_is_one),
        cmocka_unit_test(test_headers_are_bounded),
        cmocka_unit_test(test_a_page_is_full_by_the_bytes_that_are_sent),
        cmocka_unit_test(test_lists_of_none_and_of_one_that_fills_the_page),
        cmocka_unit_test(test_a_body_beyond_every_bound_is_an_error_that_says_so),
        cmocka_unit_test(test_tags_are_known_as_they_were_sent_and_as_proxies_send_them_on),
        cmocka_unit_test(test_what_is_large_and_text_is_packed),
    };
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
