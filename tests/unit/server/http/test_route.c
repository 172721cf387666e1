/* Paths against a table of their own: every way to miss. */
#include "server/http/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ROOT, LIST, MAKE, ONE, EDIT, REMOVE, PART, NAMED, HEALTH };

static const struct endpoint table[] = {
    [ROOT] = { .method = "GET", .path = "/" },
    [LIST] = { .method = "GET", .path = "/v1/things" },
    [MAKE] = { .method = "POST", .path = "/v1/things" },
    [ONE] = { .method = "GET", .path = "/v1/things/{id}" },
    [EDIT] = { .method = "PATCH", .path = "/v1/things/{id}" },
    [REMOVE] = { .method = "DELETE", .path = "/v1/things/{id}" },
    [PART] = { .method = "GET", .path = "/v1/things/{id}/parts/{name}" },
    [NAMED] = { .method = "POST", .path = "/v1/things/{id}/stop" },
    [HEALTH] = { .method = "GET", .path = "/health" },
    { 0 },
};

struct answer {
    int row; /* −1: none */
    const char *params[ENDPOINT_PARAMS];
    char path[200], allow[64];
};

static struct answer ask(const char *method, const char *path)
{
    static struct answer answer;
    answer = (struct answer){ .row = -1 };
    strncpy(answer.path, path, sizeof answer.path - 1);
    const struct endpoint *found =
        route_match(table, method, answer.path, answer.params, answer.allow);
    if (found != NULL)
        answer.row = (int)(found - table);
    return answer;
}

static void test_each_row_is_found_by_its_method_and_path(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int row;
    } cases[] = {
        { "GET", "/", ROOT },
        { "GET", "/v1/things", LIST },
        { "HEAD", "/v1/things", LIST },
        { "POST", "/v1/things", MAKE },
        { "GET", "/v1/things/7", ONE },
        { "PATCH", "/v1/things/7", EDIT },
        { "DELETE", "/v1/things/7", REMOVE },
        { "GET", "/v1/things/7/parts/a b.txt", PART },
        { "POST", "/v1/things/7/stop", NAMED },
        { "GET", "/health", HEALTH },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ask(cases[i].method, cases[i].path).row, cases[i].row);
}

static void test_parameters_are_the_segments_in_order(void **state)
{
    (void)state;
    struct answer answer = ask("GET", "/v1/things/17/parts/final.safetensors");
    assert_string_equal(answer.params[0], "17");
    assert_string_equal(answer.params[1], "final.safetensors");
    answer = ask("POST", "/v1/things/17/stop");
    assert_string_equal(answer.params[0], "17");
    assert_null(answer.params[1]);
}

static void test_a_known_path_says_what_it_allows(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        { "PUT", "/v1/things", "GET, HEAD, POST" },
        { "HEAD", "/v1/things/7/stop", "POST" },
        { "POST", "/v1/things/7", "GET, HEAD, PATCH, DELETE" },
        { "get", "/health", "GET, HEAD" },
        { "", "/health", "GET, HEAD" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = ask(cases[i].method, cases[i].path);
        assert_int_equal(answer.row, -1);
        assert_string_equal(answer.allow, cases[i].allow);
    }
}

static void test_anything_else_is_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "health",
        "/health/",
        "//health",
        "/Health",
        "/healthz",
        "/heal",
        "/v1",
        "/v1/",
        "/v1/things/",
        "/v1//7",
        "/v1/things//stop",
        "/v1/things/7/",
        "/v1/things/7/parts",
        "/v1/things/7/parts/",
        "/v1/things/7/parts/a/b",
        "/v1/things/{id}/x",
        "/a/b/c/d/e/f/g/h/i/j/k",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer answer = ask("GET", paths[i]);
        assert_int_equal(answer.row, -1);
        assert_string_equal(answer.allow, "");
    }
}

/* The real table: a row is found by its own path, and no two rows answer the same request. */
static bool is_public(const char *path)
{
    static const char *const paths[] = { "/healthz", "/api/v1/session", "/api/v1/openapi.json",
                                         "/api/v1/experiment.schema.json" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(paths[i], path) == 0)
            return true;
    return false;
}

static void test_the_daemon_s_own_table_is_sound(void **state)
{
    (void)state;
    for (const struct endpoint *row = routes; row->path != NULL; row++) {
        char path[200], allow[64];
        const char *params[ENDPOINT_PARAMS] = { NULL };
        strncpy(path, row->path, sizeof path - 1);
        path[sizeof path - 1] = '\0';
        assert_ptr_equal(route_match(routes, row->method, path, params, allow), row);
        assert_true(row->encode != NULL || row->finish != NULL);
        assert_true(row->body == BODY_NONE || strcmp(row->method, "GET") != 0);
        assert_true(row->access > ACCESS_PUBLIC || is_public(row->path));
        /* A reader changes nothing, and whoever only submits deletes nothing of others. */
        bool looks = strcmp(row->method, "GET") == 0 || strcmp(row->path, "/api/v1/query") == 0;
        bool own = strcmp(row->path, "/api/v1/session") == 0;
        assert_true(looks || own || row->access >= ACCESS_SUBMIT);
        assert_true(own || strcmp(row->method, "DELETE") != 0 || row->access == ACCESS_ADMIN);
        assert_true(strlen(allow) + strlen(", OPTIONS") < sizeof allow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_found_by_its_method_and_path),
        cmocka_unit_test(test_parameters_are_the_segments_in_order),
        cmocka_unit_test(test_a_known_path_says_what_it_allows),
        cmocka_unit_test(test_anything_else_is_nothing),
        cmocka_unit_test(test_the_daemon_s_own_table_is_sound),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
