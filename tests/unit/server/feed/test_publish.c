/* What a commit says: order, content, and that live and replayed messages are the same bytes. */
#include "common/json/jsonx.h"
#include "server/feed/publish.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_touches.h"
#include "tests/unit/server/fixture.h"

static int fill_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    struct claim claim;
    fixture_experiment(store, 2, 0, 1, false);
    int status = store_run_claim(store, 1, "t", &claim, err);
    if (status == 0)
        claim_done(&claim);
    return status;
}

static const char *const events[] = {
    "{\"type\":\"started\",\"seq\":1,\"step\":0,\"environment\":{\"cpu\":\"x\"}}",
    "{\"type\":\"metrics\",\"seq\":2,\"names\":[\"a\",\"b\"],\"rows\":[[1,0.5,\"nan\"],[2,0.25,1]]"
    "}",
    "{\"type\":\"metrics\",\"seq\":3,\"names\":[\"a\"],\"rows\":[[3,0.125]]}",
    "{\"type\":\"audit\",\"seq\":4,\"name\":\"finite\",\"status\":\"pass\",\"detail\":\"ok\","
    "\"evidence\":{\"n\":1}}",
    "{\"type\":\"log\",\"seq\":5,\"level\":\"info\",\"message\":\"a \\\"line\\\"\"}",
    "{\"type\":\"eval\",\"seq\":6,\"step\":3,\"values\":{\"val/loss\":2}}",
    "{\"type\":\"checkpoint\",\"seq\":7,\"step\":3,\"file\":\"f\",\"bytes\":1,\"sha256\":\"00\"}",
    "{\"type\":\"finished\",\"seq\":8,\"step\":3,\"artifacts\":[{\"name\":\"final.safetensors\","
    "\"bytes\":9,\"sha256\":\"ab\"}]}",
};
enum { EVENTS = sizeof events / sizeof *events };

static int apply_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    (void)err;
    int status = 0;
    for (int i = 0; i < EVENTS && status == 0; i++)
        status = fixture_event(store, 1, 1, "%s", events[i]);
    return status;
}

struct replayed {
    struct publish_batch *batch;
    int64_t after, last;
    bool lost;
};

static int replay_run(struct store *store, void *arg, struct err *err)
{
    struct replayed *r = arg;
    return publish_replay(store, r->after, 1000, &r->batch, &r->last, &r->lost, err);
}

static json_t *data_of(const struct message *message, const char *kind)
{
    char head[64];
    json_t *json = NULL;
    snprintf(head, sizeof head, "id: %d\nevent: %s\ndata: ", (int)message->seq, kind);
    assert_int_equal(strncmp(message->text, head, strlen(head)), 0);
    const char *data = message->text + strlen(head);
    assert_int_equal(jsonx_load(data, message->len - strlen(head) - 2, &json, NULL), 0);
    assert_string_equal(message->text + message->len - 2, "\n\n");
    return json;
}

static void test_one_commit(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_write(f, fill_run, NULL, NULL), 0);
    size_t before = f->batches_n;
    assert_int_equal(fixture_write(f, apply_run, NULL, NULL), 0);
    assert_int_equal(f->batches_n, before + 1);
    const struct publish_batch *batch = f->batches[before];
    static const char *const kinds[] = { "metrics", "audit", "log", "run", "experiment", "queue" };
    assert_int_equal(batch->n, 6);
    json_t *json[6];
    for (int i = 0; i < 6; i++)
        json[i] = data_of(batch->items[i], kinds[i]);

    json_t *series = json_object_get(json[0], "series");
    char *text = json_dumps(series, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text,
        "{\"a\":[[1,0.5],[2,0.25],[3,0.125]],\"b\":[[1,\"nan\"],[2,1]],\"val/loss\":[[3,2]]}");
    free(text);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json[1], "audit"), "status")), "pass");
    assert_string_equal(json_string_value(json_object_get(json[2], "message")), "a \"line\"");
    json_t *run = json_object_get(json[3], "run");
    assert_string_equal(json_string_value(json_object_get(run, "state")), "succeeded");
    assert_int_equal(json_integer_value(json_object_get(run, "step")), 3);
    assert_null(json_object_get(run, "spec"));
    assert_true(json_number_value(json_object_get(json_object_get(run, "final"), "val/loss")) == 2);
    json_t *experiment = json_object_get(json[4], "experiment");
    assert_string_equal(json_string_value(json_object_get(experiment, "state")), "running");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(json[5], "queue"), "queued")), 1);
    for (int i = 0; i < 6; i++)
        json_decref(json[i]);

    struct replayed r = { .after = batch->items[0]->seq - 1 };
    assert_int_equal(fixture_read(f, replay_run, &r, NULL), 0);
    assert_false(r.lost);
    assert_int_equal(r.last, batch->items[5]->seq);
    assert_int_equal(r.batch->n, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(r.batch->items[i]->text, batch->items[i]->text);
    publish_batch_free(r.batch);
    fixture_free(f);
}

static int big_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    (void)err;
    char *text = malloc(100000);
    memset(text, 'x', 99999);
    memcpy(text, "{\"level\":\"info\",\"message\":\"", 27);
    memcpy(text + 99990, "\"}", 3);
    for (int i = 0; i < 10; i++)
        store_touch_log(store, 1, 1, text);
    free(text);
    return 0;
}

static void test_pages_of_a_replay_are_bounded(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_write(f, fill_run, NULL, NULL), 0);
    assert_int_equal(fixture_write(f, big_run, NULL, NULL), 0);
    int64_t newest = 0;
    for (size_t i = 0; i < f->batches_n; i++)
        if (f->batches[i] != NULL && f->batches[i]->n > 0)
            newest = f->batches[i]->items[f->batches[i]->n - 1]->seq;
    struct replayed r = { 0 };
    int pages = 0;
    int64_t next = 1;
    for (; r.last < newest; pages++) {
        r.after = r.last;
        assert_int_equal(fixture_read(f, replay_run, &r, NULL), 0);
        assert_true(r.last > r.after);
        size_t bytes = 0;
        for (size_t i = 0; i < r.batch->n; i++) {
            assert_int_equal(r.batch->items[i]->seq, next++);
            bytes += r.batch->items[i]->len;
        }
        assert_true(bytes < 400000);
        publish_batch_free(r.batch);
    }
    assert_true(pages >= 3);
    assert_int_equal(next, newest + 1);
    fixture_free(f);
}

static int delete_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    int status = store_attempt_end(store, 1, 1, RUN_FAILED, "x", "x", err);
    return status == 0 ? store_experiment_delete(store, 1, &(struct run_slice){ 0 }, err) : status;
}

static void test_a_deleted_experiment(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_write(f, fill_run, NULL, NULL), 0);
    assert_int_equal(fixture_write(f, delete_run, NULL, NULL), 0);
    const struct publish_batch *batch = f->batches[f->batches_n - 1];
    assert_int_equal(batch->n, 2); /* of its runs there is nothing to say */
    json_t *json = data_of(batch->items[0], "experiment");
    assert_int_equal(json_integer_value(json_object_get(json, "deleted")), 1);
    json_decref(json);
    struct replayed r = { 0 };
    assert_int_equal(fixture_read(f, replay_run, &r, NULL), 0);
    assert_int_equal(r.last, batch->items[1]->seq);
    publish_batch_free(r.batch);
    fixture_free(f);
}

static int undo_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    store_touch_run(store, 1, 1);
    return err_set(err, ERR_CONFLICT, "no");
}

static void test_what_failed_is_not_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    assert_int_equal(fixture_write(f, fill_run, NULL, NULL), 0);
    size_t before = f->batches_n;
    assert_int_equal(fixture_write(f, undo_run, NULL, NULL), -ERR_CONFLICT);
    assert_int_equal(f->batches_n, before);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_commit),
        cmocka_unit_test(test_pages_of_a_replay_are_bounded),
        cmocka_unit_test(test_a_deleted_experiment),
        cmocka_unit_test(test_what_failed_is_not_told),
    };
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
