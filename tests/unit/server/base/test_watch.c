/* A loop that stands still is seen from outside, with the part that it is in; who connects
 * meanwhile is answered. */
#include "tests/unit/server/fixture.h"

#include "server/base/watch.h"
#include "server/http/stalled.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>

static atomic_int turns, stands;

static void on_turns(void *arg)
{
    (void)arg;
    atomic_fetch_add(&turns, 1);
}

static void on_stands(double seconds, void *arg)
{
    (void)arg;
    assert_true(seconds >= 0.06);
    stalled_answer(seconds);
    atomic_fetch_add(&stands, 1);
}

static const struct watch_config config = { .stall_ms = 60,
                                            .turns = on_turns,
                                            .stands = on_stands };

struct test {
    uv_loop_t loop;
    uv_timer_t timer;
    struct watch *watch;
    int n;
};

static void end(struct test *t)
{
    watch_close(t->watch);
    uv_close((uv_handle_t *)&t->timer, NULL);
}

static void run(struct test *t, uv_timer_cb begin)
{
    struct err err = { 0 };
    uv_loop_init(&t->loop);
    assert_ok(watch_new(&t->loop, &config, &t->watch, &err), err);
    uv_timer_init(&t->loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, begin, 50, 10);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&t->loop), 0);
}

/* Blocks the loop until the watching thread has seen it. */
static void stand_still(uv_timer_t *timer)
{
    struct test *t = timer->data;
    struct watch_figures facts;
    watch_figures(&facts);
    if (facts.stall_end_ms != 0) {
        end(t);
        return;
    }
    struct watch_mark outer = watch_enter("outer", "all");
    struct watch_mark mark = watch_enter("standing", "still");
    for (int seen = atomic_load(&stands); atomic_load(&stands) < seen + 3;)
        usleep(1000);
    watch_leave(mark);
    watch_leave(outer);
}

static double longest(const char *step)
{
    const struct watch_place *places;
    for (size_t i = 0, n = watch_places(&places); i < n; i++)
        if (strcmp(places[i].step, step) == 0)
            return places[i].longest_s;
    return -1;
}

static int listening(struct sockaddr_in *ret)
{
    socklen_t size = sizeof *ret;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof *ret), 0);
    assert_int_equal(listen(fd, 4), 0);
    getsockname(fd, (struct sockaddr *)ret, &size);
    return fd;
}

static void a_loop_that_stands_still_is_seen_and_told_of(void **state)
{
    (void)state;
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in address;
    struct watch_figures facts;
    struct test t = { 0 };
    char reply[2000];
    int server = listening(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client, request, strlen(request), 0), (ssize_t)strlen(request));
    stalled_listen(server);

    run(&t, stand_still);
    watch_figures(&facts);
    assert_true(facts.stalls >= 1);
    assert_true(facts.stall_s >= 0.06);
    assert_true(facts.longest_s >= 0.06 && facts.busy_s >= facts.longest_s);
    assert_true(facts.turns > facts.within[5]); /* 25 ms */
    assert_true(longest("standing") >= 0.06);
    assert_true(longest("outer") >= longest("standing"));

    ssize_t n = recv(client, reply, sizeof reply - 1, MSG_WAITALL);
    assert_true(n > 0);
    reply[n] = '\0';
    assert_non_null(strstr(reply, "HTTP/1.1 503 "));
    assert_non_null(strstr(reply, "\"live\":false,\"ready\":false,\"reasons\":[\"loop_stalled: "));
    assert_non_null(strstr(reply, "\"code\":\"unavailable\"}\n"));
    stalled_listen(-1);
    close(client);
    close(server);
}

/* What it slept isn't held against it. */
static void sleep_on(uv_timer_t *timer)
{
    struct test *t = timer->data;
    if (++t->n == 4)
        end(t);
    uv_timer_set_repeat(timer, 50);
}

static void sleep_is_not_counted(void **state)
{
    (void)state;
    struct watch_figures before, after;
    struct test t = { 0 };
    watch_figures(&before);
    double begun = clock_mono_s();
    run(&t, sleep_on);
    watch_figures(&after);
    assert_true(after.turns > before.turns);
    assert_true(after.busy_s - before.busy_s < clock_mono_s() - begun - 0.1);
}

/* Its sign is asked for again and again. */
static void wait_for_signs(uv_timer_t *timer)
{
    if (atomic_load(&turns) >= 3)
        end(timer->data);
}

static void a_loop_that_turns_gives_signs(void **state)
{
    (void)state;
    struct test t = { 0 };
    atomic_store(&turns, 0);
    run(&t, wait_for_signs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_stands_still_is_seen_and_told_of),
        cmocka_unit_test(sleep_is_not_counted),
        cmocka_unit_test(a_loop_that_turns_gives_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
