/* Memory that runs out where nobody looks is noted: what looks whole is whole. */
#include "common/base/shortage.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_note(void **state)
{
    (void)state;
    struct err err = { 0 };
    volatile size_t huge = SIZE_MAX / 4;
    shortage_begin();
    assert_int_equal(shortage_end(0, &err), 0);
    assert_null(shortage_malloc(huge));
    assert_int_equal(shortage_end(0, &err), -ERR_NO_MEMORY);
    assert_int_equal(err.code, ERR_NO_MEMORY);
    assert_int_equal(shortage_end(0, &err), 0); /* it was told */
    shortage_note();
    shortage_begin();
    assert_int_equal(shortage_end(0, &err), 0);
    shortage_note();
    assert_int_equal(shortage_end(-ERR_CONFLICT, &err), -ERR_CONFLICT); /* what came first */
    char *copy = shortage_strdup("text");
    assert_string_equal(copy, "text");
    free(copy);
    assert_int_equal(shortage_end(0, &err), 0);
}

static void *note(void *arg)
{
    (void)arg;
    shortage_note();
    return NULL;
}

static void test_a_threads_own(void **state)
{
    (void)state;
    pthread_t thread;
    shortage_begin();
    assert_int_equal(pthread_create(&thread, NULL, note, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(shortage_end(0, NULL), 0);
}

static size_t left; /* so many calls get memory */

static void *stingy(size_t size)
{
    return shortage_malloc(left > 0 && left-- > 0 ? size : SIZE_MAX / 4);
}

/* As an encoder does it: nobody looks at what setting a member says. */
static json_t *encode(void)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string("a name"));
    json_object_set_new(object, "steps", json_integer(5));
    json_object_set_new(object, "list", json_pack("[s, f]", "x", 0.5));
    return object;
}

static void test_json(void **state)
{
    (void)state;
    size_t noted = 0, calls = 0;
    json_set_alloc_funcs(stingy, free);
    for (bool whole = false; !whole; calls++) {
        left = calls;
        shortage_begin();
        json_t *object = encode();
        if (shortage_end(0, NULL) != 0) {
            noted++;
        } else {
            whole = true;
            assert_int_equal(json_object_size(object), 3);
            assert_int_equal(json_array_size(json_object_get(object, "list")), 2);
        }
        json_decref(object);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(noted, calls - 1);
    assert_true(noted > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_note),
        cmocka_unit_test(test_a_threads_own),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
