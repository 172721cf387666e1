/* Backups: what is left half made, what a restored folder is, and what nobody may plant in one. */
#include "common/base/files.h"
#include "server/backup/backup.h"
#include "server/backup/manifest.h"
#include "server/backup/restore.h"
#include "server/backup/target.h"
#include "server/store/runs/store_events.h"
#include "server/store/runs/store_touches.h"
#include "server/store/store_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static struct err err;

static const char *at(const char *name)
{
    static char text[4][400];
    static int i;
    i = (i + 1) % 4;
    snprintf(text[i], sizeof text[i], "%s/%s", folder, name);
    return text[i];
}

static void put(const char *name, const char *text)
{
    assert_int_equal(files_write(at(name), text, strlen(text), 0600, &err), 0);
}

static bool is_there(const char *name)
{
    struct stat info;
    return lstat(at(name), &info) == 0;
}

/* A data folder with an empty store and one event. */
static int set_up(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct event_row *rows = NULL;
    size_t n = 0;
    strcpy(folder, "/tmp/ablate-backup-XXXXXX");
    if (mkdtemp(folder) == NULL || mkdir(at("data"), 0700) != 0 ||
        store_open(at("data/ablate.db"), STORE_WRITER, &store, &err) != 0)
        return 1;
    assert_int_equal(store_begin(store, &err), 0);
    store_touch_queue(store);
    assert_int_equal(store_events_flush(store, &rows, &n, &err), 0);
    for (size_t i = 0; i < n; i++)
        event_row_done(&rows[i]);
    free(rows);
    assert_int_equal(store_commit(store, &err), 0);
    store_close(store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_folder(folder);
    return 0;
}

static int make(void)
{
    struct backup_result result;
    return backup_make(at("data"), at("copy"), &result, &err);
}

static int restore(void)
{
    struct backup_result result;
    return backup_restore(at("copy"), at("new"), &result, &err);
}

/* Whoever fills a folder dies; it stays for the next to remove. */
static void leave_behind(const char *name, const char *mark)
{
    struct target target;
    pid_t child = fork();
    if (child == 0)
        _exit(target_begin(at(name), &target, &err) == 0 &&
                      (mark != NULL || unlinkat(target.lock, ".partial", 0) == 0)
                  ? 0
                  : 1);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static size_t partials(const char *of)
{
    char command[300], line[32] = "";
    snprintf(command, sizeof command, "ls -d %s/%s.partial-* 2>/dev/null | wc -l", folder, of);
    FILE *out = popen(command, "re");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof line, out));
    pclose(out);
    return (size_t)atoi(line);
}

static void test_what_died_is_removed_by_the_next(void **state)
{
    (void)state;
    leave_behind("copy", "marked");
    leave_behind("copy", NULL);
    leave_behind("monday", "marked");
    leave_behind("theirs", NULL); /* nothing says that it is ours */
    assert_int_equal(mkdir(at("copy.partial-open"), 0700), 0);
    assert_int_equal(partials("copy"), 2);
    assert_int_equal(make(), 0);
    assert_int_equal(partials("copy"), 1); /* "open" is no name of ours */
    assert_int_equal(partials("monday"), 0);
    assert_int_equal(partials("theirs"), 1);
    assert_false(is_there("copy/.partial"));
}

static void test_what_is_being_made_stays(void **state)
{
    (void)state;
    struct target busy;
    assert_int_equal(target_begin(at("copy"), &busy, &err), 0);
    target_sweep(at("copy"));
    target_sweep(at("other/"));
    assert_int_equal(partials("copy"), 1);
    assert_int_equal(target_end(&busy, &err), 0);
    target_done(&busy);
    assert_true(is_there("copy"));
    assert_int_equal(partials("copy"), 0);
}

/* Adds a line to SHA256SUMS, and makes the manifest say so. */
static void plant(const char *path)
{
    struct manifest manifest;
    struct buf sums;
    char sha256[DIGEST_HEX], whole[300];
    snprintf(whole, sizeof whole, "copy/%s", path);
    assert_int_equal(manifest_read(at("copy"), &manifest, &err), 0);
    buf_init(&sums, 0);
    buf_addf(&sums, "%s", manifest.sums);
    assert_int_equal(digest_file(at(whole), sha256, &err), 0);
    manifest_add(&sums, path, sha256);
    manifest.files++;
    assert_int_equal(manifest_write(at("copy"), &sums, &manifest, &err), 0);
    buf_done(&sums);
    manifest_done(&manifest);
}

static void test_only_what_the_database_knows_is_placed(void **state)
{
    (void)state;
    static const char *const names[] = { "token",      "curlrc",  "unclean",
                                         "datasets/x", "links/x", "runs/1/spec.json" };
    char whole[300];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(make(), 0);
        snprintf(whole, sizeof whole, "copy/%s", names[i]);
        char *folder_of = strdup(at(whole));
        *strrchr(folder_of, '/') = '\0';
        assert_int_equal(files_make_folder(folder_of, &err), 0);
        free(folder_of);
        put(whole, "planted\n");
        plant(names[i]);
        assert_int_equal(restore(), -ERR_BAD_DATA);
        assert_non_null(strstr(err.message, names[i]));
        assert_false(is_there("new"));
        assert_int_equal(partials("new"), 0);
        files_remove_folder(at("copy"));
    }
}

static void test_no_link_is_followed(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(make(), 0);
    assert_int_equal(restore(), 0); /* as it is, it is good */
    files_remove_folder(at("new"));
    assert_int_equal(rename(at("copy/ablate.db"), at("elsewhere")), 0);
    assert_int_equal(symlink(at("elsewhere"), at("copy/ablate.db")), 0);
    assert_int_equal(restore(), -ERR_STORAGE);
    assert_false(is_there("new"));
    /* A link on the way is one, too; a pipe is no file, and is not waited for. */
    assert_int_equal(mkdir(at("outside"), 0700), 0);
    put("outside/secret", "text");
    assert_int_equal(symlink(at("outside"), at("copy/datasets")), 0);
    assert_int_equal(mkfifo(at("copy/pipe"), 0600), 0);
    assert_int_equal(files_open_below(at("copy"), "datasets/secret", &fd, &err), -ERR_STORAGE);
    assert_int_equal(files_open_below(at("copy"), "pipe", &fd, &err), -ERR_STORAGE);
    assert_int_equal(files_open_below(at("copy"), "none/secret", &fd, &err), -ERR_NOT_FOUND);
    assert_int_equal(files_open_below(at("."), "outside/secret", &fd, &err), 0);
    close(fd);
    /* Nor is a name cut to one that is there. */
    char longest[NAME_MAX + 1] = "", path[300];
    memset(longest, 'n', NAME_MAX);
    assert_int_equal(mkdir(at(longest), 0700), 0);
    snprintf(path, sizeof path, "%s/secret", longest);
    put(path, "text");
    snprintf(path, sizeof path, "%sn/secret", longest);
    assert_int_equal(files_open_below(at("."), path, &fd, &err), -ERR_STORAGE);
}

/* Whether who has seen events up to `after` is told to begin anew; *ret_newest: the last id. */
static bool is_lost(const char *database, int64_t after, int64_t *ret_newest)
{
    struct store *store = NULL;
    struct event_row *rows = NULL;
    size_t n = 0;
    bool lost = false;
    assert_int_equal(store_open(at(database), STORE_READER, &store, &err), 0);
    assert_int_equal(store_as_of(store, ret_newest, &err), 0);
    assert_int_equal(store_events_list(store, after, 10, &rows, &n, &lost, &err), 0);
    for (size_t i = 0; i < n; i++)
        event_row_done(&rows[i]);
    free(rows);
    store_close(store);
    return lost;
}

static void test_a_restored_folder_gives_no_event_id_again(void **state)
{
    (void)state;
    struct store_identity before, after;
    struct store *store = NULL;
    int64_t newest, restored;
    assert_int_equal(make(), 0);
    assert_int_equal(restore(), 0);
    assert_false(is_lost("data/ablate.db", 1, &newest));
    assert_int_equal(newest, 1);
    /* The copy has told of 1, its original of 2 … since. */
    for (int64_t id = 0; id < 100; id++)
        assert_int_equal(is_lost("new/ablate.db", id, &restored), id > 1);
    assert_true(restored > (INT64_C(1) << 40) && restored < (INT64_C(1) << 41));
    assert_true(is_lost("new/ablate.db", restored - 1, &restored));
    assert_false(is_lost("new/ablate.db", restored, &restored));
    assert_true(is_lost("new/ablate.db", restored + 1, &restored));
    assert_int_equal(store_open(at("data/ablate.db"), STORE_READER, &store, &err), 0);
    assert_int_equal(store_identity(store, &before, &err), 0);
    store_close(store);
    assert_int_equal(store_open(at("new/ablate.db"), STORE_READER, &store, &err), 0);
    assert_int_equal(store_identity(store, &after, &err), 0);
    store_close(store);
    assert_string_not_equal(before.id, after.id);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_what_died_is_removed_by_the_next),          TEST(test_what_is_being_made_stays),
        TEST(test_only_what_the_database_knows_is_placed),    TEST(test_no_link_is_followed),
        TEST(test_a_restored_folder_gives_no_event_id_again),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
