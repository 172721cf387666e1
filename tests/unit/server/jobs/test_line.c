/* A line's promises: so many of its jobs at a time, in order; the pool is left to others; and when
 * it closes, nobody waits for long jobs any more. */
#include "server/jobs/line.h"
#include "tests/unit/server/fixture.h"

#include <pthread.h>

enum { JOBS = 8, WIDTH = 2, POOL = 4 };

/* Jobs that hold their threads until the gate is open. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int inside, most, begun, order[JOBS];
    struct line *line; /* when set: open once the line closes */
};

struct long_job {
    struct job job;
    struct gate *gate;
    int number;
    bool done;
};

static int pass(struct job *job, struct store *store, struct err *err)
{
    const struct long_job *self = job->data;
    struct gate *gate = self->gate;
    assert_null(store);
    (void)err;
    pthread_mutex_lock(&gate->lock);
    gate->order[gate->begun++] = self->number;
    gate->inside++;
    gate->most = gate->inside > gate->most ? gate->inside : gate->most;
    while (!gate->open && (gate->line == NULL || !line_closing(gate->line))) {
        struct timespec soon;
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_sec += 1;
        pthread_cond_timedwait(&gate->changed, &gate->lock, &soon);
    }
    gate->inside--;
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void done(struct job *job)
{
    struct long_job *self = job->data;
    self->done = true;
}

static void join(struct line *line, struct gate *gate, struct long_job jobs[JOBS])
{
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct long_job){ .gate = gate, .number = i };
        jobs[i].job = (struct job){ .run = pass, .done = done, .data = &jobs[i] };
        line_join(line, &jobs[i].job);
    }
}

static int begun(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    int n = gate->begun;
    pthread_mutex_unlock(&gate->lock);
    return n;
}

/* Runs the loop until so many have begun. */
static void wait_begun(struct fixture *f, struct gate *gate, int n)
{
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; begun(gate) < n;) {
        assert_true(clock_mono_ms() < end);
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
}

static void change(struct gate *gate, bool open)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = open;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static int nothing(struct store *store, void *arg, struct err *err)
{
    (void)store;
    (void)arg;
    (void)err;
    return 0;
}

static void test_the_pool_is_left_to_others(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct long_job jobs[JOBS];
    struct line line;
    line_init(&line, f->work, WIDTH);
    join(&line, &gate, jobs);
    wait_begun(f, &gate, WIDTH);
    for (int i = 0; i < POOL; i++) /* with all its threads taken these would wait for the gate */
        assert_int_equal(fixture_read(f, nothing, NULL, NULL), 0);
    assert_int_equal(begun(&gate), WIDTH);
    change(&gate, true);
    for (int i = 0; i < JOBS; i++) {
        fixture_wait(f, &jobs[i].done);
        assert_int_equal(jobs[i].job.status, 0);
    }
    assert_int_equal(gate.most, WIDTH);
    bool seen[JOBS] = { false };
    for (int i = 0; i < JOBS; i++) { /* of two that begin together either may be first */
        seen[gate.order[i]] = true;
        assert_true(gate.order[i] <= i + WIDTH - 1);
    }
    for (int i = 0; i < JOBS; i++)
        assert_true(seen[i]);
    fixture_free(f);
}

static void test_closing(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct line line;
    struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
                         .changed = PTHREAD_COND_INITIALIZER,
                         .line = &line };
    struct long_job jobs[JOBS], late = { .number = JOBS };
    line_init(&line, f->work, WIDTH);
    join(&line, &gate, jobs);
    wait_begun(f, &gate, WIDTH);
    line_close(&line);
    late.job = (struct job){ .run = pass, .done = done, .data = &late };
    line_join(&line, &late.job);
    assert_false(jobs[WIDTH].done || late.done); /* nobody is called back while he calls */
    change(&gate, false);
    for (int i = 0; i < JOBS; i++) {
        fixture_wait(f, &jobs[i].done);
        assert_int_equal(jobs[i].job.status, i < WIDTH ? 0 : -ERR_UNAVAILABLE);
    }
    fixture_wait(f, &late.done);
    assert_int_equal(late.job.status, -ERR_UNAVAILABLE);
    assert_int_equal(gate.begun, WIDTH);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_pool_is_left_to_others),
        cmocka_unit_test(test_closing),
    };
    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
