/* Three answers from two files. owner.json decides alone where it is; without it an empty folder is
 * nobody's, and one from before there were identities is known by its frozen specification. A folder
 * that can't be read is UNAVAILABLE, never a stranger's: one that is away isn't moved aside. */
#include "server/runs/owner.h"

#include "common/base/files.h"
#include "common/json/jsonx_dump.h"
#include "server/base/random.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SAID_MAX = 4096, SPEC_MAX = 4 << 20 };

static const char file_name[] = "owner.json";

static void path_of(const struct datadir *datadir, const struct run_origin *run, const char *file,
                    char ret[PATH_MAX])
{
    datadir_path(datadir, ret, "runs/%lld%s%s", (long long)run->run, file[0] != '\0' ? "/" : "",
                 file);
}

/* What is to be said of it. */
static int say(const struct run_origin *run, struct buf *text, struct err *err)
{
    json_t *said =
        json_pack("{s:s, s:I, s:s, s:I}", "database", run->database.id, "run", (json_int_t)run->run,
                  "digest", run->digest, "created_at", (json_int_t)run->created_at);
    jsonx_dump(said, JSONX_KEEP_ORDER, text);
    json_decref(said);
    buf_addc(text, '\n');
    return text->failed ? err_no_memory(err, "a run's owner") : 0;
}

/* Whether what lies at a path is no file, and none that trouble hides: somebody else's. */
static bool is_no_file(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 ? !S_ISREG(info.st_mode) : errno == ENOTDIR;
}

/* Whether a file in the folder is there and holds that text. */
static int holds(const struct datadir *datadir, const struct run_origin *run, const char *file,
                 size_t max, const char *text, bool *ret_there, bool *ret_same, struct err *err)
{
    char path[PATH_MAX], *found = NULL;
    size_t len = 0;
    struct err why;
    path_of(datadir, run, file, path);
    int status = files_read(path, max, &found, &len, &why);
    bool same = status == 0 && len == strlen(text) && memcmp(found, text, len) == 0;
    free(found);
    if (status == -ERR_NO_MEMORY)
        return err_no_memory(err, "%s", path);
    if (status != 0 && status != -ERR_NOT_FOUND && status != -ERR_TOO_LARGE && !is_no_file(path))
        return err_set(err, ERR_UNAVAILABLE, "%s", why.message);
    *ret_there = status != -ERR_NOT_FOUND;
    *ret_same = same;
    return 0;
}

/* But for an owner.json that was never finished. */
static int is_empty(const struct datadir *datadir, const struct run_origin *run, bool *ret,
                    struct err *err)
{
    char path[PATH_MAX];
    path_of(datadir, run, "", path);
    DIR *folder = opendir(path);
    bool empty = folder != NULL || errno != ENOTDIR;
    if (folder == NULL && errno != ENOTDIR && errno != ENOENT)
        return err_errno(err, ERR_UNAVAILABLE, "can't read %s", path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strncmp(entry->d_name, file_name, sizeof file_name - 1) != 0)
            empty = false;
    if (folder != NULL)
        closedir(folder);
    *ret = empty;
    return 0;
}

static int look(const struct datadir *datadir, const struct run_origin *run, const char *said,
                bool *ret_says, enum owner *ret, struct err *err)
{
    bool there = false, same = false, empty = false, frozen = false;
    int status = holds(datadir, run, file_name, SAID_MAX, said, &there, &same, err);
    bool says = same;
    if (status == 0 && !there)
        status = is_empty(datadir, run, &empty, err);
    if (status == 0 && !there && !empty && run->created_at <= run->database.made_at)
        status = holds(datadir, run, "spec.json", SPEC_MAX, run->spec, &frozen, &same, err);
    if (status != 0)
        return status;
    *ret = same ? OWNER_RUN : empty ? OWNER_NOBODY : OWNER_STRANGER;
    *ret_says = says;
    return 0;
}

int owner_look(const struct datadir *datadir, const struct run_origin *run, enum owner *ret,
               struct err *err)
{
    struct buf text;
    bool says;
    buf_init(&text, 0);
    int status = say(run, &text, err);
    if (status == 0)
        status = look(datadir, run, text.data, &says, ret, err);
    buf_done(&text);
    return status;
}

static int move_aside(const struct datadir *datadir, const struct run_origin *run,
                      char ret_aside[PATH_MAX], struct err *err)
{
    char path[PATH_MAX], aside[PATH_MAX], hex[17];
    random_hex(8, hex);
    path_of(datadir, run, "", path);
    datadir_path(datadir, aside, "runs/%lld.stranger-%s", (long long)run->run, hex);
    if (rename(path, aside) != 0)
        return err_errno(err, ERR_STORAGE, "%s isn't the run's, and can't be moved aside", path);
    memcpy(ret_aside, aside, sizeof aside);
    return 0;
}

int owner_is_strange(struct store *store, const struct datadir *datadir, int64_t run, bool *ret,
                     struct err *err)
{
    struct run_origin origin;
    char *spec = NULL;
    enum owner owner;
    int status = datadir_check(datadir, err);
    if (status == 0)
        status = store_run_origin(store, run, &origin, &spec, err);
    if (status == 0)
        status = owner_look(datadir, &origin, &owner, err);
    if (status == 0)
        *ret = owner == OWNER_STRANGER;
    free(spec);
    return status;
}

int owner_take(const struct datadir *datadir, const struct run_origin *run,
               char ret_aside[PATH_MAX], struct err *err)
{
    struct buf text;
    char path[PATH_MAX];
    enum owner found = OWNER_NOBODY;
    bool says = false;
    ret_aside[0] = '\0';
    buf_init(&text, 0);
    int status = say(run, &text, err);
    if (status == 0)
        status = look(datadir, run, text.data, &says, &found, err);
    if (status == 0 && found == OWNER_STRANGER)
        status = move_aside(datadir, run, ret_aside, err);
    path_of(datadir, run, "", path);
    if (status == 0 && !says)
        status = files_make_folder(path, err);
    path_of(datadir, run, file_name, path);
    if (status == 0 && !says)
        status = files_write(path, text.data, text.len, 0600, err);
    buf_done(&text);
    return status;
}
