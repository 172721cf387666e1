/* Folders that grow: counted with what stands in them, and no further than need be. */
#include "worker/process/growth.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[32];

static const char *at(const char *name, int number)
{
    static char path[96];
    snprintf(path, sizeof path, "%s/%s%d", root, name, number);
    return path;
}

static void make_file(const char *name, int number, size_t bytes)
{
    int fd = open(at(name, number), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char *content = calloc(1, bytes + 1);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, bytes), bytes);
    assert_int_equal(fsync(fd), 0); /* its blocks are told */
    close(fd);
    free(content);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/ablate-growth-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (int i = 0; i < 3; i++)
        make_file("old", i, 10);
    return mkdir(at("folder", 0), 0700);
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void test_files(void **state)
{
    (void)state;
    struct growth growth = { .folders = { root, "" }, .more_files = 5 };
    growth_begin(&growth);
    assert_int_equal(growth.files, 4);
    for (int i = 0; i < 5; i++) {
        make_file(i % 2 == 0 ? "new" : "folder0/new", i, 0);
        assert_int_equal(growth_look(&growth), GROWTH_WITHIN);
    }
    assert_int_equal(symlink("/", at("link", 0)), 0); /* is one, and leads nowhere */
    assert_int_equal(growth_look(&growth), GROWTH_EXCEEDED);
    unlink(at("link", 0));
    assert_int_equal(growth_look(&growth), GROWTH_WITHIN); /* what goes makes room */
}

static void test_bytes(void **state)
{
    (void)state;
    struct growth growth = { .folders = { root, NULL }, .more_files = 99, .more_bytes = 1 << 20 };
    growth_begin(&growth);
    make_file("new", 0, 1 << 19);
    assert_int_equal(growth_look(&growth), GROWTH_WITHIN);
    make_file("folder0/new", 0, 1 << 20);
    assert_int_equal(growth_look(&growth), GROWTH_EXCEEDED);
    growth.more_bytes = 0;
    assert_int_equal(growth_look(&growth), GROWTH_WITHIN);
}

static void test_depth(void **state)
{
    (void)state;
    struct growth growth = { .folders = { root, NULL }, .more_files = 99 };
    char path[200];
    growth_begin(&growth);
    snprintf(path, sizeof path, "%s", root);
    for (int i = 0; i < 17; i++) {
        strcat(path, "/d");
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(growth_look(&growth), GROWTH_EXCEEDED);
}

/* Without what lets root pass by modes. */
static void obey_modes(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct none[2] = { 0 };
    if (syscall(SYS_capset, &header, none) != 0)
        _exit(254);
}

/* What is seen in `watched` while a folder has that mode, before or after the beginning, and when it
 * has its own again and `more` files have come. */
static void check_hidden(const char *watched, const char *name, mode_t mode, bool before, int more,
                         enum growth_state then, enum growth_state in_the_end)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct growth growth = { .folders = { watched, NULL }, .more_files = 9 };
        obey_modes();
        if (!before)
            growth_begin(&growth);
        if (chmod(name, mode) != 0)
            _exit(253);
        if (before)
            growth_begin(&growth);
        int seen = (int)growth_look(&growth);
        if (chmod(name, 0700) != 0)
            _exit(252);
        if (before) /* what there was is known from the next look on */
            seen |= (growth_look(&growth) != GROWTH_WITHIN) << 6;
        for (int i = 0; i < more; i++)
            make_file("folder0/more", i, 0);
        _exit(seen | (int)growth_look(&growth) << 3);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), (int)then | (int)in_the_end << 3);
    for (int i = 0; i < more; i++)
        unlink(at("folder0/more", i));
}

static void test_hidden(void **state)
{
    (void)state;
    char folder[96];
    const enum growth_state in = GROWTH_WITHIN, hidden = GROWTH_HIDDEN, more = GROWTH_EXCEEDED;
    snprintf(folder, sizeof folder, "%s", at("folder", 0));
    make_file("folder0/new", 0, 0);
    check_hidden(root, folder, 0700, false, 9, in, in);
    check_hidden(root, folder, 0300, false, 9, hidden, in); /* files can be made there */
    check_hidden(root, folder, 0300, false, 10, hidden, more);
    check_hidden(root, folder, 0300, true, 9, hidden, in);
    check_hidden(root, folder, 0300, true, 10, hidden, more);
    check_hidden(root, folder, 0600, false, 0, hidden, in); /* their sizes aren't to be seen */
    check_hidden(root, folder, 0, false, 0, hidden, in);
    check_hidden(folder, folder, 0300, false, 0, hidden, in);
    check_hidden(folder, root, 0, false, 0, in, in);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = { TEST(test_files), TEST(test_bytes), TEST(test_depth),
                                        TEST(test_hidden) };
    return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
