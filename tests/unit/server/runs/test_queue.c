/* queue_choose, by a table: limits, what runs already, candidates, and how many of them are chosen.
 */
#include "server/runs/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *what;
    struct queue_limits limits;
    struct queue_load load;
    struct queued_run runs[4];
    size_t n, chosen; /* the first so many are chosen */
} cases[] = {
    { "as many as there are slots",
      { 2, 100, false },
      { 0 },
      { { .id = 1 }, { .id = 2 }, { .id = 3 } },
      3,
      2 },
    { "none while paused", { 2, 100, true }, { 0 }, { { .id = 1 } }, 1, 0 },
    { "none when full", { 2, 100, false }, { .running = 2 }, { { .id = 1 } }, 1, 0 },
    { "within memory",
      { 9, 100, false },
      { 0 },
      { { .memory_bytes = 60 }, { .memory_bytes = 40 }, { .memory_bytes = 1 } },
      3,
      2 },
    { "a big one holds back those behind it",
      { 9, 100, false },
      { .running = 1, .memory_bytes = 30 },
      { { .memory_bytes = 71 }, { .memory_bytes = 1 } },
      2,
      0 },
    { "exactly as much as is left",
      { 9, 100, false },
      { .running = 1, .memory_bytes = 30 },
      { { .memory_bytes = 70 } },
      1,
      1 },
    { "alone, whatever its estimate",
      { 9, 100, false },
      { 0 },
      { { .memory_bytes = 500 }, { .memory_bytes = 1 } },
      2,
      1 },
    { "an exclusive one waits",
      { 9, 100, false },
      { .running = 1 },
      { { .exclusive = true }, { .id = 2 } },
      2,
      0 },
    { "an exclusive one goes alone",
      { 9, 100, false },
      { 0 },
      { { .exclusive = true }, { .id = 2 } },
      2,
      1 },
    { "nothing beside an exclusive one",
      { 9, 100, false },
      { .running = 1, .exclusive = true },
      { { .id = 1 } },
      1,
      0 },
    { "an exclusive one behind others waits",
      { 9, 100, false },
      { 0 },
      { { .id = 1 }, { .exclusive = true }, { .id = 3 } },
      3,
      1 },
    { "no candidates", { 9, 100, false }, { 0 }, { { 0 } }, 0, 0 },
};

static void test_choices(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t chosen[4];
        size_t n =
            queue_choose(&cases[i].limits, &cases[i].load, cases[i].runs, cases[i].n, chosen);
        if (n != cases[i].chosen)
            fail_msg("%s: %zu, not %zu", cases[i].what, n, cases[i].chosen);
        for (size_t j = 0; j < n; j++)
            assert_int_equal(chosen[j], j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_choices) };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
