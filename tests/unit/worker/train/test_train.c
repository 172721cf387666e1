/* A trainer that waits for its storage: told to end, a fault that follows a full disk, one that
 * lasts. /dev/full in the place of a file is a disk without room, a folder there a fault. */
#include "common/base/clock.h"
#include "tests/unit/worker/models.h"
#include "worker/train/train.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

struct trial {
    char out[32], file[80]; /* the run's folder; what the trainer can't write there */
    struct emit *emit;
    void (*on_room)(struct trial *), (*on_folder)(struct trial *); /* it waits for that */
    char last[300];                                                /* the last line said */
    double step_s; /* of the first step, as the metrics have it */
};

static void fill_disk(struct trial *t)
{
    assert_int_equal(symlink("/dev/full", t->file), 0);
}

static void spoil(struct trial *t)
{
    remove(t->file);
    assert_int_equal(mkdir(t->file, 0700), 0);
}

static void mend(struct trial *t)
{
    assert_int_equal(remove(t->file), 0);
}

static void stop(struct trial *t)
{
    emit_stop(t->emit, "by a test");
}

/* Longer than a fault is waited for. */
static void pass_time(struct trial *t)
{
    (void)t;
    clock_shift(0, 600000);
}

static void pass_time_and_spoil(struct trial *t)
{
    pass_time(t);
    spoil(t);
}

static void find_step(struct trial *t, const json_t *event)
{
    size_t i;
    const json_t *name, *row = json_array_get(json_object_get(event, "rows"), 0);
    json_array_foreach(json_object_get(event, "names"), i,
                       name) if (t->step_s < 0 &&
                                 strcmp(json_string_value(name), "time/step_s") == 0) t->step_s =
        json_number_value(json_array_get(row, i + 1));
}

static void take(void *arg, const char *line, size_t len)
{
    struct trial *t = arg;
    json_t *event = NULL;
    assert_int_equal(jsonx_load(line, len, &event, NULL), 0);
    const char *message = json_string_value(json_object_get(event, "message"));
    snprintf(t->last, sizeof t->last, "%.*s", (int)len, line);
    if (message != NULL && strstr(message, "waiting for room on the disk") != NULL)
        t->on_room(t);
    if (message != NULL && strstr(message, "waiting for the run's folder") != NULL)
        t->on_folder(t);
    find_step(t, event);
    json_decref(event);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

/* Trains with the storage as `begin` leaves it. */
static int train(struct trial *t, void (*begin)(struct trial *), enum train_end *ret)
{
    static const char spec[] =
        "{\"data\":{\"dataset\":\"synthetic:copy\",\"vocab\":16,\"seq_len\":16},\"model\":{"
        "\"layers\":1,\"heads\":2,\"d_model\":16,\"d_ff\":16},\"train\":{\"steps\":2,"
        "\"batch_size\":2,\"eval_windows\":2},\"artifacts\":[\"batches\"],\"seed\":1}";
    struct train_config config = { .out = t->out, .threads = 1 };
    struct err err;
    json_t *json = NULL;
    t->step_s = -1;
    snprintf(t->out, sizeof t->out, "/tmp/ablate-train-XXXXXX");
    assert_non_null(mkdtemp(t->out));
    snprintf(t->file, sizeof t->file, "%s/artifacts", t->out);
    assert_int_equal(mkdir(t->file, 0700), 0);
    snprintf(t->file, sizeof t->file, "%s/artifacts/batches.jsonl", t->out);
    begin(t);
    assert_int_equal(jsonx_load(spec, strlen(spec), &json, &err), 0);
    assert_int_equal(run_spec_decode(json, "", &config.spec, &err), 0);
    json_decref(json);
    assert_int_equal(emit_new(&(struct emit_config){ .sink = take, .sink_arg = t }, &t->emit, &err),
                     0);
    config.emit = t->emit;
    int status = train_run(&config, ret, &err);
    emit_free(t->emit, 0);
    nftw(t->out, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return status;
}

static void test_told_to_end(void **state)
{
    (void)state;
    void (*const storage[])(struct trial *) = { fill_disk, spoil };
    for (size_t i = 0; i < 2; i++) {
        struct trial t = { .on_room = stop, .on_folder = stop };
        enum train_end end = TRAIN_FINISHED;
        assert_int_equal(train(&t, storage[i], &end), 0);
        assert_int_equal(end, TRAIN_STOPPED);
        assert_non_null(strstr(t.last, "\"type\":\"failed\""));
        assert_non_null(strstr(t.last, "\"reason\":\"stopped\""));
    }
}

/* The wait for room, however long, takes none of the fault's minute, and is no step's time. */
static void test_a_fault_after_a_full_disk(void **state)
{
    (void)state;
    struct trial t = { .on_room = pass_time_and_spoil, .on_folder = mend };
    enum train_end end = TRAIN_STOPPED;
    assert_int_equal(train(&t, fill_disk, &end), 0);
    assert_int_equal(end, TRAIN_FINISHED);
    assert_true(t.step_s >= 0 && t.step_s < 600);
}

static void test_a_fault_that_lasts(void **state)
{
    (void)state;
    struct trial t = { .on_folder = pass_time };
    enum train_end end;
    assert_int_equal(train(&t, spoil, &end), -ERR_STORAGE);
    assert_non_null(strstr(t.last, "\"reason\":\"storage\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_to_end),
        cmocka_unit_test(test_a_fault_after_a_full_disk),
        cmocka_unit_test(test_a_fault_that_lasts),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
