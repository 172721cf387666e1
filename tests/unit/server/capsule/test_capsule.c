/* capsule_write: the same state gives the same bytes; values keep their bits; a full disk is said.
 */
#include "server/capsule/capsule.h"

#include "common/wire/tar.h"
#include "server/store/curves/store_series.h"
#include "server/store/runs/store_attempts.h"
#include "tests/unit/server/fixture.h"

#include <math.h>

struct base {
    char folder[64], archive[96];
    struct store *store;
    int64_t experiment;
    json_t *report;
};

/* One run with values that are hard to write; the others are queued. */
static int set_up(void **state)
{
    struct base *b = calloc(1, sizeof *b);
    struct claim claim;
    struct err err;
    fixture_folder(b->folder);
    snprintf(b->archive, sizeof b->archive, "%s/capsule.tar", b->folder);
    b->store = fixture_store(b->folder);
    assert_ok(store_begin(b->store, &err), err);
    b->experiment = fixture_experiment(b->store, 3, 0, 1, false);
    assert_ok(store_run_claim(b->store, 1, "0123", &claim, &err), err);
    claim_done(&claim);
    assert_int_equal(
        fixture_event(b->store, 1, 1,
                      "{\"type\":\"metrics\",\"seq\":1,\"names\":[\"val/loss\","
                      "\"train/loss\"],\"rows\":[[1,0.1,\"nan\"],[2,\"inf\",\"-inf\"],"
                      "[3,5e-324,1.7976931348623157e308],[4,0.30000000000000004,-2]]}"),
        0);
    assert_int_equal(fixture_event(b->store, 1, 1,
                                   "{\"type\":\"checkpoint\",\"seq\":2,\"step\":4,\"file\":\"x\","
                                   "\"bytes\":7,\"sha256\":\"abc\"}"),
                     0);
    b->report = json_pack("{s:[]}", "audits");
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct base *b = *state;
    json_decref(b->report);
    store_close(b->store);
    fixture_remove_folder(b->folder);
    free(b);
    return 0;
}

static void make(struct base *b, struct capsule *ret)
{
    struct err err;
    FILE *file = fopen(b->archive, "w+");
    assert_ok(capsule_write(b->store, b->experiment, b->report, file, ret, &err), err);
    fclose(file);
}

/* The content of a file of the archive; the caller's. "" when it is missing. */
static char *content(struct base *b, const char *path)
{
    struct tar_reader tar;
    struct tar_entry entry;
    struct err err;
    char *text = NULL;
    assert_ok(tar_open(b->archive, &tar, &err), err);
    while (tar_next(&tar, &entry, &err) == 1) {
        if (strcmp(entry.path, path) != 0)
            continue;
        text = calloc(1, (size_t)entry.bytes + 1);
        assert_ok(tar_read(&tar, entry.offset, text, (size_t)entry.bytes, &err), err);
    }
    tar_done(&tar);
    return text != NULL ? text : strdup("");
}

static void test_values(void **state)
{
    struct base *b = *state;
    struct capsule made;
    make(b, &made);
    assert_string_equal(made.folder, "test-1");
    char *text = content(b, "test-1/runs/1/metrics.csv");
    assert_string_equal(text, "metric,step,value\n"
                              "train/loss,1,nan\ntrain/loss,2,-inf\n"
                              "train/loss,3,1.7976931348623157e+308\ntrain/loss,4,-2\n"
                              "val/loss,1,0.1\nval/loss,2,inf\nval/loss,3,5e-324\n"
                              "val/loss,4,0.30000000000000004\n");
    free(text);
    text = content(b, "test-1/runs/2/metrics.csv");
    assert_string_equal(text, "metric,step,value\n");
    free(text);
    text = content(b, "test-1/runs/1/run.json");
    assert_non_null(strstr(text, "\"sha256\": \"abc\""));
    free(text);
    text = content(b, "test-1/manifest.json");
    assert_non_null(strstr(text, "\"partial\": true"));
    assert_non_null(strstr(text, made.digest));
    free(text);
}

static void test_same_state_same_bytes(void **state)
{
    struct base *b = *state;
    struct capsule made;
    struct err err;
    char first[DIGEST_HEX], second[DIGEST_HEX];
    make(b, &made);
    assert_ok(digest_file(b->archive, first, &err), err);
    make(b, &made);
    assert_ok(digest_file(b->archive, second, &err), err);
    assert_string_equal(first, second);
    assert_int_equal(fixture_event(b->store, 1, 1,
                                   "{\"type\":\"metrics\",\"seq\":3,\"names\":[\"val/loss\"],"
                                   "\"rows\":[[5,1]]}"),
                     0);
    make(b, &made);
    assert_ok(digest_file(b->archive, second, &err), err);
    assert_string_not_equal(first, second);
}

static void test_names_for_a_file_system(void **state)
{
    struct base *b = *state;
    static const struct {
        const char *name, *folder;
    } names[] = {
        { "a b.c_d-e", "a-b.c_d-e-1" }, { "..", "_.-1" }, { "-rf", "_rf-1" }, { " x", "_x-1" }
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct capsule made;
        struct err err;
        assert_ok(store_experiment_patch(b->store, 1, names[i].name, NULL, NULL, &err), err);
        make(b, &made);
        assert_string_equal(made.folder, names[i].folder);
    }
}

/* And the store can be read afterwards. */
static void test_full_disk(void **state)
{
    struct base *b = *state;
    struct capsule made;
    struct err err;
    FILE *file = fopen("/dev/full", "w");
    assert_int_equal(capsule_write(b->store, 1, b->report, file, &made, &err), -ERR_DISK_FULL);
    fclose(file);
    assert_int_equal(capsule_write(b->store, 99, b->report, NULL, &made, &err), -ERR_NOT_FOUND);
    make(b, &made);
}

static int stop_at_two(void *arg, const char *name, const struct metric_point *point,
                       struct err *err)
{
    (void)name;
    (void)point;
    return ++*(int *)arg == 2 ? err_set(err, ERR_BAD_DATA, "enough") : 0;
}

static void test_each_ends_where_it_is_told(void **state)
{
    struct base *b = *state;
    struct err err;
    for (int i = 0; i < 2; i++) {
        int n = 0;
        assert_int_equal(store_metrics_each(b->store, 1, stop_at_two, &n, &err), -ERR_BAD_DATA);
        assert_int_equal(n, 2);
    }
}

int main(void)
{
#define WITH_BASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_BASE(test_values),
        WITH_BASE(test_same_state_same_bytes),
        WITH_BASE(test_names_for_a_file_system),
        WITH_BASE(test_full_disk),
        WITH_BASE(test_each_ends_where_it_is_told),
    };
    return cmocka_run_group_tests_name("capsule", tests, NULL, NULL);
}
