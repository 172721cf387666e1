/* What a run leaves for people, when it was trained in more than one attempt. */
#include "tests/unit/worker/models.h"
#include "worker/data/tasks.h"
#include "worker/files/artifacts.h"

#include <unistd.h>

static void write_batches(const struct run_spec *spec, const char *out, int64_t from, int64_t to)
{
    struct artifacts artifacts = { 0 };
    struct err err = { 0 };
    int32_t *windows = windows_of(spec, 1);
    assert_int_equal(artifacts_begin(&artifacts, spec, out, &err), 0);
    for (int64_t step = from; step <= to; step++)
        assert_int_equal(artifacts_batch(&artifacts, step, windows, &err), 0);
    json_t *list = NULL;
    assert_int_equal(artifacts_end(&artifacts, &list, &err), 0);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    free(windows);
}

static void check_steps(const char *path, int64_t n)
{
    char *line = NULL;
    size_t room = 0;
    int64_t step = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        json_t *said = json_loads(line, 0, NULL);
        assert_non_null(said);
        assert_int_equal(json_integer_value(json_object_get(said, "step")), ++step);
        json_decref(said);
    }
    assert_int_equal(step, n);
    fclose(file);
    free(line);
}

/* Steps that are trained again stand in batches.jsonl once; a line that was cut short goes, too. */
static void test_batches_across_attempts(void **state)
{
    (void)state;
    char out[] = "/tmp/test_artifacts.XXXXXX", path[128], folder[64];
    struct run_spec spec = spec_of((struct sketch){ .attention = "\"kind\":\"dense\"" });
    spec.artifacts = 1u << ARTIFACT_BATCHES;
    assert_non_null(mkdtemp(out));
    snprintf(folder, sizeof folder, "%s/artifacts", out);
    snprintf(path, sizeof path, "%s/batches.jsonl", folder);
    write_batches(&spec, out, 1, 5);
    check_steps(path, 5);
    write_batches(&spec, out, 4, 7); /* from a checkpoint of step 3 */
    check_steps(path, 7);
    FILE *file = fopen(path, "a");
    fputs("{\"step\":8,\"windows\":[[1,2", file);
    fclose(file);
    write_batches(&spec, out, 8, 8);
    check_steps(path, 8);
    write_batches(&spec, out, 1, 2); /* from the start */
    check_steps(path, 2);
    unlink(path);
    rmdir(folder);
    rmdir(out);
}

/* A task marks tokens that aren't scored; the file has every token's id. */
static void test_batches_of_a_task(void **state)
{
    (void)state;
    char out[] = "/tmp/test_artifacts.XXXXXX", path[128], folder[64], line[4096];
    struct run_spec spec = spec_of((struct sketch){ .attention = "\"kind\":\"dense\"" });
    struct artifacts a;
    struct err err;
    spec.artifacts = 1u << ARTIFACT_BATCHES;
    assert_non_null(mkdtemp(out));
    snprintf(folder, sizeof folder, "%s/artifacts", out);
    snprintf(path, sizeof path, "%s/batches.jsonl", folder);
    size_t width = (size_t)spec.data.seq_len + 1, n = width * (size_t)spec.train.batch_size;
    int32_t *windows = calloc(n, sizeof *windows);
    for (size_t i = 0; i < n; i++)
        windows[i] = i % 2 == 0 ? task_unscored((int32_t)i) : (int32_t)i;
    assert_int_equal(artifacts_begin(&a, &spec, out, &err), 0);
    assert_int_equal(artifacts_batch(&a, 1, windows, &err), 0);
    fclose(a.batches);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    json_t *said = json_loads(line, 0, NULL);
    assert_non_null(said);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            json_integer_value(json_array_get(
                json_array_get(json_object_get(said, "windows"), i / width), i % width)),
            i);
    json_decref(said);
    free(windows);
    unlink(path);
    rmdir(folder);
    rmdir(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_batches_across_attempts),
                                        cmocka_unit_test(test_batches_of_a_task) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
