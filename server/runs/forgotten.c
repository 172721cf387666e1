/* Folders of runs are found by their names, attempts by what a keeper or a trainer has written. */
#include "server/runs/forgotten.h"

#include "common/base/digest.h"
#include "common/wire/launch.h"
#include "server/store/runs/store_attempts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A stray folder must not use up the ids: one beyond this can't be of a run that was lost. */
static const int64_t lost_max = (int64_t)1 << 32;

/* The id that a run's folder is named by; 0 for what is none. */
static int64_t id_of(int folder, const char *name)
{
    char *end;
    struct stat info;
    errno = 0;
    long long id = strtoll(name, &end, 10);
    bool is_id = name[0] >= '1' && name[0] <= '9' && *end == '\0' && errno == 0;
    return is_id && fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode)
               ? id
               : 0;
}

int forgotten_runs(struct store *store, const struct datadir *datadir, int64_t *ret_last,
                   struct err *err)
{
    char path[PATH_MAX];
    int64_t known = 0, newest = 0;
    int status = store_run_ids_last(store, &known, err);
    if (status != 0)
        return status;
    datadir_path(datadir, path, "runs");
    DIR *folder = opendir(path);
    if (folder == NULL)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int64_t id = id_of(dirfd(folder), entry->d_name);
        if (id > newest && id <= known + lost_max)
            newest = id;
    }
    closedir(folder);
    *ret_last = newest > known ? newest : 0;
    return 0;
}

bool forgotten_attempt(const char *attempt_dir)
{
    char path[PATH_MAX + 16];
    struct stat info;
    snprintf(path, sizeof path, "%s/lock", attempt_dir); /* first of all a keeper's pid */
    if (lstat(path, &info) == 0 && info.st_size > 0)
        return true;
    snprintf(path, sizeof path, "%s/events.ndjson", attempt_dir);
    return lstat(path, &info) == 0;
}

int forgotten_admit(struct store *store, const struct datadir *datadir, const char *attempt_dir,
                    int64_t run, int64_t attempt, struct err *err)
{
    char digest[DIGEST_HEX], secret[DIGEST_HEX];
    struct launch launch;
    int status = launch_read(attempt_dir, &launch, err);
    if (status == 0)
        status = store_attempt_secret(store, datadir->tokens.key, run, attempt, secret, err);
    if (status != 0 || strcmp(launch.token, secret) == 0)
        return status;
    digest_of_hex(launch.token, strlen(launch.token), digest);
    return store_attempt_token(store, run, attempt, digest, err);
}
