/* The writer's promises: order, isolation, grouping, and what a transaction that was lost means. */
#include "common/base/shortage.h"
#include "server/jobs/wal.h"
#include "server/store/store_priv.h"
#include "tests/unit/server/fixture.h"

#include <semaphore.h>

static int put(struct store *store, const char *key, struct err *err)
{
    return store_setting_put(store, key, "x", err);
}

static int count_run(struct store *store, void *arg, struct err *err)
{
    char value[8];
    const char *key;
    int *count = arg;
    *count = 0;
    for (int i = 0; i < 64; i++) {
        char name[16];
        snprintf(name, sizeof name, "k%d", i);
        key = name;
        int status = store_setting_get(store, key, value, sizeof value, err);
        if (status != 0)
            return status;
        *count += value[0] != '\0';
    }
    return 0;
}

static int count(struct fixture *f)
{
    int n = 0;
    assert_int_equal(fixture_read(f, count_run, &n, NULL), 0);
    return n;
}

enum deed { PUT, FAIL_AFTER_PUT, FILL, RUN_SHORT };

struct task {
    struct job job;
    struct tasks *tasks;
    int number;
    enum deed deed;
    int64_t thread_changes;
};

struct tasks {
    struct task items[64];
    size_t n, done;
    int order[64];
    bool all_done;
};

static int fill(struct store *store, struct err *err)
{
    sqlite3_exec(store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL); /* = what it has */
    char *big = malloc(1 << 20);
    memset(big, 'x', (1 << 20) - 1);
    big[(1 << 20) - 1] = '\0';
    int status = store_setting_put(store, "big", big, err);
    free(big);
    sqlite3_exec(store->db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
    return status;
}

static int task_run(struct job *job, struct store *store, struct err *err)
{
    struct task *task = job->data;
    char key[16];
    snprintf(key, sizeof key, "k%d", task->number);
    task->thread_changes = store_changes(store);
    if (task->deed == FILL)
        return fill(store, err);
    int status = put(store, key, err);
    if (task->deed == RUN_SHORT)
        shortage_note();
    return task->deed == FAIL_AFTER_PUT ? err_set(err, ERR_CONFLICT, "on purpose") : status;
}

static void task_done(struct job *job)
{
    struct task *task = job->data;
    struct tasks *tasks = task->tasks;
    tasks->order[tasks->done++] = task->number;
    tasks->all_done = tasks->done == tasks->n;
}

static sem_t all_wait; /* posted once every task has been handed over */

static void submit(struct fixture *f, struct tasks *tasks, const enum deed *deeds, size_t n)
{
    *tasks = (struct tasks){ .n = n };
    for (size_t i = 0; i < n; i++) {
        struct task *task = &tasks->items[i];
        *task = (struct task){ .tasks = tasks, .number = (int)i, .deed = deeds[i] };
        task->job = (struct job){ .run = task_run, .done = task_done, .data = task };
        work_write(f->work, &task->job);
    }
    sem_post(&all_wait);
    fixture_wait(f, &tasks->all_done);
}

static void test_order_and_isolation(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct tasks tasks;
    enum deed deeds[64];
    for (int i = 0; i < 64; i++)
        deeds[i] = i % 3 == 1 ? FAIL_AFTER_PUT : PUT;
    submit(f, &tasks, deeds, 64);
    int good = 0;
    for (int i = 0; i < 64; i++) {
        assert_int_equal(tasks.order[i], i);
        assert_int_equal(tasks.items[i].job.status, deeds[i] == PUT ? 0 : -ERR_CONFLICT);
        good += deeds[i] == PUT;
    }
    assert_int_equal(count(f), good);
    assert_int_equal(f->fatal.code, 0);
    assert_int_equal(work_backlog(f->work), 0);
    fixture_free(f);
}

/* Memory that ran out where nobody looked: the job fails and has changed nothing, the next is another. */
static void test_shortage_fails_the_job(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct tasks tasks;
    const enum deed deeds[] = { PUT, RUN_SHORT, PUT };
    submit(f, &tasks, deeds, 3);
    assert_int_equal(tasks.items[0].job.status, 0);
    assert_int_equal(tasks.items[1].job.status, -ERR_NO_MEMORY);
    assert_int_equal(tasks.items[2].job.status, 0);
    assert_int_equal(count(f), 2);
    fixture_free(f);
}

/* A job in slices: number, and where among all calls of the writer each was made. */
struct sliced {
    struct job job;
    int calls[8], n, wanted, fails_at;
    int64_t commits[8];
    bool done;
};
static int calls;    /* the writer's */
static sem_t queued; /* before the first of which the others have come */

static int sliced_run(struct job *job, struct store *store, struct err *err)
{
    struct sliced *sliced = job->data;
    char key[16];
    if (calls == 0)
        sem_wait(&queued);
    sliced->calls[sliced->n] = calls++;
    sliced->commits[sliced->n] = work_commits(job->work);
    if (++sliced->n == sliced->fails_at)
        return err_set(err, ERR_CONFLICT, "on purpose");
    job->more = sliced->n < sliced->wanted;
    snprintf(key, sizeof key, "k%d", sliced->n);
    return put(store, key, err);
}

static void sliced_done(struct job *job)
{
    ((struct sliced *)job->data)->done = true;
}

static void submit_sliced(struct fixture *f, struct sliced *sliced)
{
    sliced->job = (struct job){ .run = sliced_run, .done = sliced_done, .data = sliced };
    work_write(f->work, &sliced->job);
}

/* Others that wait come between its slices, each of which is stored by itself. */
static void test_slices_let_others_in(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct sliced a = { .wanted = 4 }, b = { .wanted = 1 }, c = { .wanted = 5, .fails_at = 3 };
    sem_init(&queued, 0, 0);
    submit_sliced(f, &a);
    submit_sliced(f, &b);
    submit_sliced(f, &c);
    assert_int_equal(work_backlog(f->work), 3);
    sem_post(&queued);
    fixture_wait(f, &a.done);
    fixture_wait(f, &b.done);
    fixture_wait(f, &c.done);
    assert_int_equal(a.job.status, 0);
    assert_int_equal(a.n, 4);
    for (int i = 1; i < a.n; i++) {
        assert_true(a.calls[i] > a.calls[i - 1]);
        assert_true(a.commits[i] > a.commits[i - 1]);
    }
    assert_true(b.calls[0] < a.calls[1]);
    assert_true(c.calls[0] < a.calls[1]);
    assert_int_equal(c.job.status, -ERR_CONFLICT); /* what came before stays */
    assert_int_equal(c.n, 3);
    assert_int_equal(count(f), 4);
    assert_int_equal(work_backlog(f->work), 0);
    fixture_free(f);
}

static int hold_run(struct job *job, struct store *store, struct err *err)
{
    (void)store;
    (void)err;
    while (sem_wait(&all_wait) != 0) /* so that the others wait behind it */
        ;
    *(bool *)job->data = true;
    return 0;
}

static void nothing(struct job *job)
{
    (void)job;
}

static void test_waiting_jobs_share_a_commit(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    const enum deed deeds[8] = { PUT, PUT, PUT, PUT, PUT, PUT, PUT, PUT };
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    for (bool shared = false; !shared;) { /* a busy machine may need longer than a batch lasts */
        struct tasks tasks;
        bool held = false;
        struct job hold = { .run = hold_run, .done = nothing, .data = &held };
        assert_true(clock_mono_ms() < end);
        sem_init(&all_wait, 0, 0);
        work_write(f->work, &hold);
        submit(f, &tasks, deeds, 8);
        assert_true(held);
        /* Each saw the changes of those before it in the same transaction. */
        shared = true;
        for (int i = 1; i < 8; i++)
            shared &= tasks.items[i].thread_changes >= i;
    }
    fixture_free(f);
}

/* Jobs of one commit whose ends take longer than their part of a turn. */
struct lengthy {
    struct job jobs[8];
    int turns, ended_in[8], n;
    bool all_done;
};

static void count_turn(uv_prepare_t *prepare)
{
    ((struct lengthy *)prepare->data)->turns++;
}

static void lengthy_done(struct job *job)
{
    struct lengthy *lengthy = job->data;
    uv_sleep(2);
    lengthy->ended_in[lengthy->n++] = lengthy->turns;
    lengthy->all_done = lengthy->n == 8;
}

static int lengthy_run(struct job *job, struct store *store, struct err *err)
{
    (void)job;
    return put(store, "k0", err);
}

static void test_long_ends_take_turns(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct lengthy lengthy = { 0 };
    uv_prepare_t prepare = { .data = &lengthy };
    bool held = false;
    struct job hold = { .run = hold_run, .done = nothing, .data = &held };
    sem_init(&all_wait, 0, 0);
    work_write(f->work, &hold);
    uv_prepare_init(work_loop(f->work), &prepare);
    uv_prepare_start(&prepare, count_turn);
    for (int i = 0; i < 8; i++) {
        lengthy.jobs[i] =
            (struct job){ .run = lengthy_run, .done = lengthy_done, .data = &lengthy };
        work_write(f->work, &lengthy.jobs[i]);
    }
    sem_post(&all_wait);
    fixture_wait(f, &lengthy.all_done);
    for (int i = 1; i < 8; i++)
        assert_true(lengthy.ended_in[i] > lengthy.ended_in[i - 1]);
    uv_close((uv_handle_t *)&prepare, NULL);
    fixture_free(f);
}

static void test_a_lost_transaction_fails_all_its_jobs(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct tasks tasks;
    bool held = false;
    struct job hold = { .run = hold_run, .done = nothing, .data = &held };
    sem_init(&all_wait, 0, 0);
    const enum deed deeds[] = { PUT, PUT, FILL, PUT, PUT };
    work_write(f->work, &hold);
    submit(f, &tasks, deeds, 5);
    int good = 0;
    for (int i = 0; i < 5; i++)
        good += tasks.items[i].deed == PUT && tasks.items[i].job.status == 0;
    assert_true(tasks.items[2].job.status < 0);
    assert_int_equal(count(f), good); /* exactly what was reported to be there is there */
    assert_int_equal(f->fatal.code, 0);
    const enum deed one[] = { PUT };
    submit(f, &tasks, one, 1);
    assert_int_equal(tasks.items[0].job.status, 0);
    fixture_free(f);
}

static int end_transaction(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    (void)err;
    /* What SQLite does by itself after some errors. */
    return sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static void test_a_transaction_that_ended_early_reports_no_success(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err err;
    assert_true(fixture_write(f, end_transaction, NULL, &err) < 0);
    assert_int_equal(f->fatal.code, 0);
    struct tasks tasks;
    const enum deed one[] = { PUT };
    submit(f, &tasks, one, 1);
    assert_int_equal(tasks.items[0].job.status, 0);
    assert_int_equal(count(f), 1);
    fixture_free(f);
}

static int damage(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    store->damaged = true;
    return err_set(err, ERR_STORAGE, "a page is broken");
}

static void test_damage_is_fatal_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err err;
    assert_int_equal(fixture_write(f, damage, NULL, &err), -ERR_STORAGE);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->fatal.code, ERR_STORAGE);
    fixture_free(f);
}

static int write_run(struct store *store, void *arg, struct err *err)
{
    (void)arg;
    return put(store, "k1", err);
}

static void test_readers_cannot_write(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err err;
    assert_true(fixture_read(f, write_run, NULL, &err) < 0);
    assert_int_equal(count(f), 0);
    assert_int_equal(fixture_write(f, write_run, NULL, &err), 0);
    assert_int_equal(count(f), 1);
    fixture_free(f);
}

static void test_closing_takes_what_waits_and_refuses_the_rest(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    static struct tasks tasks, late;
    const enum deed deeds[] = { PUT, PUT, PUT };
    tasks = (struct tasks){ .n = 3 };
    for (int i = 0; i < 3; i++) {
        tasks.items[i] = (struct task){ .tasks = &tasks, .number = i, .deed = deeds[i] };
        tasks.items[i].job =
            (struct job){ .run = task_run, .done = task_done, .data = &tasks.items[i] };
        work_write(f->work, &tasks.items[i].job);
    }
    bool closed = false;
    work_close(f->work, fixture_flag, &closed);
    late = (struct tasks){ .n = 1 };
    late.items[0] = (struct task){ .tasks = &late };
    late.items[0].job = (struct job){ .run = task_run, .done = task_done, .data = &late.items[0] };
    work_write(f->work, &late.items[0].job);
    assert_int_equal(late.items[0].job.status, -ERR_UNAVAILABLE);
    fixture_wait(f, &closed);
    assert_true(tasks.all_done);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tasks.items[i].job.status, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    fixture_start(f);
    assert_int_equal(count(f), 3);
    fixture_free(f);
}

static int wal_bytes(struct store *store, void *arg, struct err *err)
{
    (void)err;
    *(int64_t *)arg = store_wal_bytes(store);
    return 0;
}

static void test_an_idle_writer_empties_the_log(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct tasks tasks;
    const enum deed one[] = { PUT };
    int64_t bytes = 1, end = clock_mono_ms() + PATIENCE_MS;
    submit(f, &tasks, one, 1);
    clock_shift(0, WAL_IDLE_MS);
    while (bytes > 0 && clock_mono_ms() < end + WAL_IDLE_MS)
        assert_int_equal(fixture_read(f, wal_bytes, &bytes, NULL), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(count(f), 1);
    fixture_free(f);
}

/* It would be an hour; hurrying twice calls it once, and so does closing meanwhile. */
static void test_a_delay_can_be_cut_short(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct tasks tasks = { .n = 2 };
    for (size_t i = 0; i < 2; i++) {
        struct task *task = &tasks.items[i];
        *task = (struct task){ .tasks = &tasks, .number = (int)i };
        task->job = (struct job){ .done = task_done, .data = task };
        work_later(f->work, &task->job, 3600 * 1000);
    }
    work_hurry(&tasks.items[1].job);
    work_hurry(&tasks.items[1].job);
    while (tasks.done == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(tasks.order[0], 1);
    work_hurry(&tasks.items[0].job);
    fixture_free(f);
    assert_int_equal(tasks.done, 2);
    assert_int_equal(tasks.order[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_isolation),
        cmocka_unit_test(test_shortage_fails_the_job),
        cmocka_unit_test(test_slices_let_others_in),
        cmocka_unit_test(test_waiting_jobs_share_a_commit),
        cmocka_unit_test(test_long_ends_take_turns),
        cmocka_unit_test(test_a_lost_transaction_fails_all_its_jobs),
        cmocka_unit_test(test_a_transaction_that_ended_early_reports_no_success),
        cmocka_unit_test(test_damage_is_fatal_once),
        cmocka_unit_test(test_readers_cannot_write),
        cmocka_unit_test(test_closing_takes_what_waits_and_refuses_the_rest),
        cmocka_unit_test(test_an_idle_writer_empties_the_log),
        cmocka_unit_test(test_a_delay_can_be_cut_short),
    };
    return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
