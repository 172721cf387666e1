/* same_environment: runs of a seed in several environments. */
#include "tests/unit/server/fairness.h"

/* The run's attempt was in this one. */
static void tell(struct study *s, size_t run, const char *text)
{
    s->environments[s->environments_n++] =
        (struct run_environment){ .run = (int64_t)run + 1, .text = (char *)(uintptr_t)text };
}

#define HERE(version, binary, cpu)                                                                 \
    "{\"version\":\"" version "\",\"binary_sha256\":\"" binary "\",\"blas_core\":\"Zen\","         \
    "\"code_path\":\"avx2\",\"cpu\":\"" cpu "\",\"host\":\"h\",\"threads\":"
#define OLD  HERE("1.0", "aa", "EPYC")
#define NEW  HERE("1.1", "bb", "EPYC")
#define XEON HERE("1.0", "aa", "Xeon")

static void test_environments(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 3, no_grid);
    expect(&s, "same_environment", "skipped", "no run has told");
    for (size_t run = 0; run < 6; run++) /* threads have no say */
        tell(&s, run, run % 2 == 0 ? OLD "1}" : OLD "2}");
    expect(&s, "same_environment", "pass", "all runs were trained in one environment");

    for (size_t i = 2; i < 6; i++) /* between seeds: an upgrade that waited */
        s.environments[i].text = (char *)(uintptr_t)NEW "1}";
    expect(&s, "same_environment", "pass",
           "2 environments, but the runs of each seed were trained in one");

    s.environments[1].text = (char *)(uintptr_t)NEW "1}";
    s.environments[4].text = (char *)(uintptr_t)OLD "1}";
    expect(
        &s, "same_environment", "warn",
        "in 2 of 3 seeds runs were trained in several environments: run 2 (dsa, seed 40) and run 1 (dense) "
        "differ in program (1.1, 1.0); times compare within one environment alone");
    json_t *e = evidence(&s, "same_environment"), *seeds = load("[40,42]"),
           *differ = load("[\"binary_sha256\"]");
    assert_true(json_equal(json_object_get(e, "seeds"), seeds));
    assert_true(json_equal(json_object_get(e, "differ"), differ));
    assert_int_equal(json_array_size(json_object_get(e, "environments")), 2);
    json_decref(e);
    json_decref(seeds);
    json_decref(differ);
    end(&s);
}

static void test_another_machine(void **state)
{
    (void)state;
    struct study s;
    begin(&s, plain, 2, 1, no_grid);
    tell(&s, 0, OLD "1}");
    tell(&s, 1, OLD "1}");
    tell(&s, 1, XEON "1}"); /* resumed there */
    expect(&s, "same_environment", "warn",
           "run 2 (dsa, seed 40) and run 1 (dense) differ in processor (Xeon, EPYC)");
    s.environments_n = 0;
    tell(&s, 0, OLD "1}");
    tell(&s, 0, XEON "1}");
    expect(&s, "same_environment", "warn",
           "run 1 (dense, seed 40) went on in another environment: processor (Xeon, EPYC)");
    s.environments[1].text = (char *)(uintptr_t) "no JSON";
    expect(&s, "same_environment", "pass", "one environment");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environments),
        cmocka_unit_test(test_another_machine),
    };
    return cmocka_run_group_tests_name("fairness: environment", tests, NULL, NULL);
}
