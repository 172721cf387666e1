/* What the service manager is told, on a socket that stands for its. */
#include "tests/unit/server/fixture.h"

#include "server/base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

static int manager_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    return fd;
}

static void assert_told(int fd, const char *expected)
{
    char text[100];
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, expected);
}

static void assert_inherited_by_nobody(void)
{
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void nobody_is_told_without_a_manager(void **state)
{
    (void)state;
    notify_begin();
    notify_state("READY=1");
    notify_alive();
}

static void a_manager_without_a_watchdog(void **state)
{
    (void)state;
    char folder[64], path[80], pid[20];
    fixture_folder(folder);
    snprintf(path, sizeof path, "%s/notify", folder);
    snprintf(pid, sizeof pid, "%d", getpid() + 1);
    int fd = manager_at(path);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "3000000", 1); /* somebody else's */
    setenv("WATCHDOG_PID", pid, 1);
    notify_begin();
    assert_inherited_by_nobody();
    notify_alive();
    assert_told(fd, "");
    notify_state("READY=1");
    assert_told(fd, "READY=1");
    close(fd);
    notify_state("STOPPING=1"); /* to nobody: no harm */
    fixture_remove_folder(folder);
}

static void a_watchdog_hears_that_it_lives(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "@ablate-test-notify-%d", getpid());
    int fd = manager_at(path);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    notify_begin();
    assert_inherited_by_nobody();
    notify_alive();
    assert_told(fd, "WATCHDOG=1");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_told_without_a_manager),
        cmocka_unit_test(a_manager_without_a_watchdog),
        cmocka_unit_test(a_watchdog_hears_that_it_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
