/* Subscribers of the feed: whatever the order of commits, subscriptions and reads, each gets every
 * event after its place exactly once, in order; one that is too slow is dropped alone. */
#include "server/feed/stream.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_events.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_rows.h"
#include "tests/unit/server/fixture.h"

enum { READERS = 24, EXPERIMENTS = 3, RUNS = 4 };

struct reader {
    struct subscriber *subscriber;
    int64_t after, filter; /* experiment, 0 = all */
    struct buf text;
    bool awake, dropped;
};

struct rig {
    struct fixture *f;
    struct stream *stream;
    struct reader readers[READERS];
    uint64_t random;
    bool gaps; /* some batches aren't rendered */
};

static uint64_t draw(struct rig *rig, uint64_t below)
{
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return (rig->random >> 33) % below;
}

static void to_stream(struct fixture *f, struct publish_batch *batch)
{
    struct publish_batch *copy = calloc(1, sizeof *copy);
    copy->items = calloc(batch->n + 1, sizeof *copy->items);
    for (size_t i = 0; i < batch->n; i++)
        copy->items[copy->n++] = message_ref(batch->items[i]);
    struct rig *rig = f->data;
    if (rig->gaps && batch->n > 0 &&
        draw(rig, 3) == 0) { /* as if the writer had found nobody listening */
        copy->unrendered = batch->items[batch->n - 1]->seq;
        while (copy->n > 0)
            message_unref(copy->items[--copy->n]);
    }
    stream_publish(copy, rig->stream);
}

static int fill_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    (void)err;
    for (int i = 0; i < EXPERIMENTS; i++)
        fixture_experiment(store, RUNS, 0, 1, false);
    return 0;
}

static struct rig *rig_new(void)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct err err;
    rig->f = fixture_new();
    rig->f->data = rig;
    rig->random = 1;
    assert_ok(stream_new(&rig->f->loop, &rig->stream, &err), err);
    stream_attach(rig->stream, rig->f->work, 0);
    rig->f->publish = to_stream;
    assert_int_equal(fixture_write(rig->f, fill_run, NULL, NULL), 0);
    return rig;
}

static void rig_free(struct rig *rig)
{
    stream_free(rig->stream);
    for (int i = 0; i < READERS; i++)
        buf_done(&rig->readers[i].text);
    fixture_free(rig->f);
    free(rig);
}

static void on_wake(void *arg)
{
    ((struct reader *)arg)->awake = true;
}

static void on_drop(void *arg)
{
    struct reader *reader = arg;
    subscriber_free(reader->subscriber);
    reader->subscriber = NULL;
    reader->dropped = true;
}

static void subscribe(struct rig *rig, int i, int64_t after, int64_t experiment)
{
    struct reader *reader = &rig->readers[i];
    struct stream_filter filter = { .experiments = { experiment },
                                    .experiments_n = experiment > 0 };
    struct err err;
    buf_done(&reader->text);
    *reader = (struct reader){ .after = after < 0 ? stream_last_seq(rig->stream) : after,
                               .filter = experiment };
    assert_ok(stream_subscribe(rig->stream, after, &filter, on_wake, on_drop, reader,
                               &reader->subscriber, &err),
              err);
    reader->awake = true;
}

static size_t take(struct reader *reader, size_t max)
{
    char chunk[4096];
    size_t n = subscriber_read(reader->subscriber, chunk, max < sizeof chunk ? max : sizeof chunk);
    assert_true(n <= max);
    buf_add(&reader->text, chunk, n);
    return n;
}

static int touch_run(struct store *store, void *arg, struct err *err)
{
    return store_run_priority(store, *(int64_t *)arg, (int64_t)((uintptr_t)store % 7), err);
}

struct seqs {
    int64_t seq[20000], experiment[20000];
    size_t n;
};

static int seqs_run(struct store *store, void *arg, struct err *err)
{
    struct seqs *seqs = arg;
    struct event_row *rows = NULL;
    bool lost;
    int status = store_events_list(store, 0, 20000, &rows, &seqs->n, &lost, err);
    for (size_t i = 0; i < seqs->n; i++) {
        seqs->seq[i] = rows[i].seq;
        seqs->experiment[i] = rows[i].experiment;
        event_row_done(&rows[i]);
    }
    free(rows);
    return status;
}

static int pause_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    return store_queue_pause(store, false, err);
}

static bool has_got(const struct reader *reader, int64_t seq)
{
    char id[32];
    snprintf(id, sizeof id, "id: %lld\n", (long long)seq);
    return reader->text.data != NULL && strstr(reader->text.data, id) != NULL &&
           strcmp(reader->text.data + reader->text.len - 2, "\n\n") == 0;
}

/* A last event, which is for everybody; reads on until all have it. */
static void drain(struct rig *rig)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    assert_int_equal(fixture_write(rig->f, pause_run, NULL, NULL), 0);
    int64_t last = stream_last_seq(rig->stream);
    for (int i = 0; i < READERS; i++) {
        struct reader *reader = &rig->readers[i];
        while (reader->subscriber != NULL && !has_got(reader, last)) {
            assert_true(clock_mono_ms() < end);
            uv_run(&rig->f->loop, UV_RUN_NOWAIT);
            while (take(reader, 4096) > 0)
                ;
            usleep(100);
        }
    }
}

/* The ids that a reader was sent, against those it was due. */
static void check(const struct reader *reader, const struct seqs *all)
{
    const char *at = reader->text.data;
    assert_int_equal(strncmp(at, "retry: 1000\n\n", 13), 0);
    at += 13;
    for (size_t i = 0; i < all->n; i++) {
        if (all->seq[i] <= reader->after)
            continue;
        if (reader->filter > 0 && all->experiment[i] > 0 && all->experiment[i] != reader->filter)
            continue;
        char *end;
        assert_int_equal(strncmp(at, "id: ", 4), 0);
        assert_int_equal(strtoll(at + 4, &end, 10), all->seq[i]);
        at = strstr(end, "\n\n");
        assert_non_null(at);
        at += 2;
    }
    assert_int_equal(*at, '\0');
}

static void test_exactly_once_in_any_order(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    rig->gaps = true;
    static struct seqs all;
    int next = 0;
    for (int step = 0; step < 3000; step++) {
        switch (draw(rig, 6)) {
        case 0: { /* a commit or a few; not waited for */
            static struct fixture_call calls[3000];
            static int64_t runs[3000];
            runs[step] = 1 + (int64_t)draw(rig, EXPERIMENTS * RUNS);
            calls[step] = (struct fixture_call){ .run = touch_run, .arg = &runs[step] };
            calls[step].job =
                (struct job){ .run = fixture_run, .done = fixture_done, .data = &calls[step] };
            work_write(rig->f->work, &calls[step].job);
            break;
        }
        case 1:
            if (next < READERS && draw(rig, 10) == 0) {
                int64_t last = stream_last_seq(rig->stream);
                subscribe(rig, next++,
                          draw(rig, 3) == 0 ? -1 : (int64_t)draw(rig, (uint64_t)last + 1),
                          (int64_t)draw(rig, EXPERIMENTS + 1));
            }
            break;
        case 2:
            usleep((useconds_t)draw(rig, 300));
            break;
        case 3:
            uv_run(&rig->f->loop, UV_RUN_NOWAIT);
            break;
        default: {
            struct reader *reader = &rig->readers[draw(rig, READERS)];
            if (reader->subscriber != NULL)
                take(reader, 1 + draw(rig, 2000));
        }
        }
    }
    assert_int_equal(next, READERS);
    drain(rig);
    assert_int_equal(fixture_read(rig->f, seqs_run, &all, NULL), 0);
    assert_true(all.n > 50);
    for (int i = 0; i < READERS; i++) {
        assert_false(rig->readers[i].dropped);
        check(&rig->readers[i], &all);
    }
    assert_int_equal(stream_subscribers(rig->stream), READERS);
    rig_free(rig);
}

static int log_run(struct store *store, void *arg, struct err *err)
{
    (void)err;
    char *text = malloc(100000);
    size_t len = (size_t)snprintf(text, 100000, "{\"level\":\"info\",\"message\":\"");
    memset(text + len, 'x', 90000);
    strcpy(text + len + 90000, "\"}");
    store_touch_log(store, 1, *(int64_t *)arg, text);
    free(text);
    return 0;
}

static void test_a_slow_reader_is_dropped_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    int64_t run = 1;
    subscribe(rig, 0, -1, 0);
    subscribe(rig, 1, -1, 0);
    subscribe(rig, 2, -1, 2); /* isn't sent any of it */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fixture_write(rig->f, log_run, &run, NULL), 0);
        while (take(&rig->readers[0], 4096) > 0)
            ;
    }
    assert_true(rig->readers[1].dropped);
    assert_false(rig->readers[0].dropped);
    assert_false(rig->readers[2].dropped);
    assert_int_equal(stream_subscribers(rig->stream), 2);
    assert_true(rig->readers[0].text.len > 20 * 90000);
    /* One that comes back gets it in pieces that fit, and all of it. */
    subscribe(rig, 1, 0, 0);
    drain(rig);
    static struct seqs all;
    assert_int_equal(fixture_read(rig->f, seqs_run, &all, NULL), 0);
    check(&rig->readers[1], &all);
    rig_free(rig);
}

static int touch_all_run(struct store *store, void *arg, struct err *err)
{
    int status = 0;
    for (int64_t run = 1; run <= (int64_t)EXPERIMENTS * RUNS && status == 0; run++)
        status = store_run_priority(store, run, *(int64_t *)arg, err);
    return status;
}

static int prune_run(struct store *store, void *arg, struct err *err)
{
    return store_run_sql(store, SQL_EVENT_PRUNE, NULL, err, "i", *(int64_t *)arg);
}

/* Complete messages and nothing else. */
static void check_form(const char *text)
{
    while (*text != '\0') {
        assert_true(strncmp(text, "id: ", 4) == 0 || strncmp(text, "retry: ", 7) == 0);
        text = strstr(text, "\n\n");
        assert_non_null(text);
        text += 2;
    }
}

static void test_what_is_gone_is_told(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    for (int64_t i = 1; i <= 300; i++)
        assert_int_equal(fixture_write(rig->f, touch_all_run, &i, NULL), 0);
    int64_t last = stream_last_seq(rig->stream);
    /* In the middle of catching up, in the middle of a message: more than a subscriber may hold
     * waits for it, so that not all of it has been read by the time that it is pruned. */
    subscribe(rig, 0, 0, 0);
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    while (rig->readers[0].text.len < 100) {
        assert_true(clock_mono_ms() < end);
        uv_run(&rig->f->loop, UV_RUN_NOWAIT);
        take(&rig->readers[0], 7);
    }
    assert_true(last * 300 > STREAM_BACKLOG_BYTES);
    int64_t up_to = last - 1;
    assert_int_equal(fixture_write(rig->f, prune_run, &up_to, NULL), 0);
    subscribe(rig, 1, 5, 0);           /* pruned */
    subscribe(rig, 2, last + 1000, 0); /* never was: another database's */
    subscribe(rig, 3, last, 0);        /* up to date */
    drain(rig);
    for (int i = 0; i < 3; i++) {
        check_form(rig->readers[i].text.data);
        assert_non_null(strstr(rig->readers[i].text.data, "\nevent: resync\ndata: {}\n\n"));
    }
    assert_null(strstr(rig->readers[3].text.data, "resync"));
    /* And from there on they are live. */
    int64_t run = 1;
    assert_int_equal(fixture_write(rig->f, touch_run, &run, NULL), 0);
    drain(rig);
    char live[64];
    snprintf(live, sizeof live, "id: %d\nevent: run\n", (int)last + 2);
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(rig->readers[i].text.data, live));
    rig_free(rig);
}

/* A commit that a page has shown already, before the loop hears of it. */
static void test_a_page_may_run_ahead_of_the_news(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    static struct seqs all;
    int64_t run = 1;
    struct fixture_call call = { .run = touch_run, .arg = &run };
    call.job = (struct job){ .run = fixture_run, .done = fixture_done, .data = &call };
    work_write(rig->f->work, &call.job);
    usleep(50000); /* committed; the loop hasn't run */
    subscribe(rig, 0, 0, 0);
    usleep(50000); /* its first page is read */
    fixture_wait(rig->f, &call.done);
    drain(rig);
    assert_int_equal(fixture_read(rig->f, seqs_run, &all, NULL), 0);
    check(&rig->readers[0], &all);
    rig_free(rig);
}

static void test_leaving_while_a_page_is_read(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    for (int i = 0; i < 8; i++) {
        subscribe(rig, i, 0, 0);
        subscriber_free(rig->readers[i].subscriber);
        rig->readers[i].subscriber = NULL;
    }
    assert_int_equal(stream_subscribers(rig->stream), 0);
    drain(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_once_in_any_order),
        cmocka_unit_test(test_a_slow_reader_is_dropped_alone),
        cmocka_unit_test(test_what_is_gone_is_told),
        cmocka_unit_test(test_a_page_may_run_ahead_of_the_news),
        cmocka_unit_test(test_leaving_while_a_page_is_read),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
