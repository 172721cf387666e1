/* Both ends of the door, in one process: what a trainer gets, and what it can't make of its keeper.
 */
#include "common/base/clock.h"
#include "worker/process/door.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[32], path[48];
    int listener, trainer;
    struct door door;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err;
    *state = f;
    snprintf(f->folder, sizeof f->folder, "/tmp/ablate-door-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/socket", f->folder);
    assert_int_equal(door_init(&f->door, f->path, &f->trainer, &err), 0);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(
        bind(f->listener, (const struct sockaddr *)&f->door.address, sizeof f->door.address), 0);
    return listen(f->listener, 1);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    door_done(&f->door);
    close(f->trainer);
    close(f->listener);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

static int descriptors(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static int ask(struct fixture *f)
{
    assert_true(door_ask(f->trainer));
    door_answer(&f->door);
    return door_take(f->trainer);
}

static void test_a_connection(void **state)
{
    struct fixture *f = *state;
    char got[6] = "";
    int before = descriptors();
    assert_int_equal(door_take(f->trainer), DOOR_WAIT);
    int connection = ask(f);
    assert_true(connection >= 0);
    assert_int_equal(send(connection, "hello", 5, 0), 5);
    int daemon = accept(f->listener, NULL, NULL);
    assert_int_equal(recv(daemon, got, 5, 0), 5);
    assert_string_equal(got, "hello");
    close(daemon);
    close(connection);
    assert_int_equal(descriptors(), before + 1); /* the keeper's, to take it back by */
}

/* However often it asks, it holds one that works. */
static void test_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    char byte;
    int first = ask(f), daemon = accept(f->listener, NULL, NULL);
    int copy = dup(first), second = ask(f), next = accept(f->listener, NULL, NULL);
    assert_true(first >= 0 && second >= 0 && daemon >= 0 && next >= 0);
    assert_int_equal(recv(daemon, &byte, 1, MSG_DONTWAIT), 0); /* its end */
    assert_int_equal(send(copy, "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(send(second, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(next, &byte, 1, MSG_DONTWAIT), 1);
    const int all[] = { first, daemon, copy, second, next };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close(all[i]);
}

static void test_nobody_there(void **state)
{
    struct fixture *f = *state;
    close(f->listener);
    assert_int_equal(ask(f), DOOR_REFUSED);
    f->listener = -1;
}

/* One that listens and never takes a connection: its queue is full, and the keeper doesn't wait. */
static void test_a_full_queue(void **state)
{
    struct fixture *f = *state;
    int connections[64], n = 0;
    while (n < 64 && (connections[n] = ask(f)) >= 0)
        n++;
    assert_in_range(n, 1, 63);
    assert_int_equal(connections[n], DOOR_REFUSED);
    while (n-- > 0)
        close(connections[n]);
}

/* What nobody takes is dropped; what comes with a question isn't kept; and asking a thousand times
 * opens the door no sooner. */
static void test_a_hostile_trainer(void **state)
{
    struct fixture *f = *state;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } room = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
    struct iovec text = { (char[]){ '?' }, 1 };
    const struct msghdr message = { NULL, 0, &text, 1, room.bytes, sizeof room.bytes, 0 };
    struct pollfd asked;
    memcpy(CMSG_DATA(&room.header), &f->listener, sizeof f->listener);
    int before = descriptors(), questions = 0;
    while (sendmsg(f->trainer, &message, MSG_NOSIGNAL) == 1 && questions < 1000)
        questions++;
    assert_true(questions > 0);
    for (int i = 0; i < questions; i++)
        door_answer(&f->door);
    assert_int_equal(descriptors(), before);
    assert_true(f->door.fd >= 0);
    f->door.open_at_ms = clock_mono_ms() + 1000000;
    assert_true(door_poll(&f->door, &asked) > 0);
    assert_int_equal(asked.fd, -1);
    f->door.open_at_ms = 0;
    assert_int_equal(door_poll(&f->door, &asked), -1);
    assert_int_equal(asked.fd, f->door.fd);
}

static void test_each_answer_shuts_it_for_a_while(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_mono_ms();
    close(ask(f));
    assert_true(f->door.open_at_ms >= before + DOOR_PAUSE_MS);
}

static void test_a_trainer_that_hangs_up(void **state)
{
    struct fixture *f = *state;
    struct pollfd asked;
    close(f->trainer);
    door_answer(&f->door);
    assert_int_equal(f->door.fd, -1);
    assert_int_equal(door_poll(&f->door, &asked), -1);
    assert_int_equal(asked.fd, -1);
    f->trainer = -1;
}

static void test_a_keeper_that_hangs_up(void **state)
{
    struct fixture *f = *state;
    assert_true(door_ask(f->trainer));
    door_done(&f->door);
    assert_int_equal(door_take(f->trainer), DOOR_REFUSED);
    assert_false(door_ask(f->trainer));
}

static void test_a_path_that_is_too_long(void **state)
{
    char path[200];
    struct door door;
    struct err err;
    int trainer;
    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(door_init(&door, path, &trainer, &err), -ERR_USAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_connection),
        TEST(test_one_at_a_time),
        TEST(test_nobody_there),
        TEST(test_a_full_queue),
        TEST(test_a_hostile_trainer),
        TEST(test_each_answer_shuts_it_for_a_while),
        TEST(test_a_trainer_that_hangs_up),
        TEST(test_a_keeper_that_hangs_up),
        cmocka_unit_test(test_a_path_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
