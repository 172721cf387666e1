/* Setting corpora and checkpoints aside as tmp/gone-…, and removing what lies there. */
#include "server/retention/collect.h"

#include "common/base/files.h"
#include "server/runs/owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNS = 64 /* a transaction */ };

static const char prefix[] = "gone-";

/* Corpora. */

static bool is_digest(const char *name)
{
    return strlen(name) == DIGEST_HEX - 1 && strspn(name, "0123456789abcdef") == DIGEST_HEX - 1;
}

static int set_corpus_aside(struct store *store, const struct datadir *datadir, const char *digest,
                            struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool used = true;
    int status = store_dataset_used(store, digest, &used, err);
    if (status != 0 || used)
        return status;
    datadir_path(datadir, from, "datasets/%s", digest);
    datadir_path(datadir, to, "tmp/%s%s", prefix, digest);
    files_remove_folder(to);
    return rename(from, to) == 0 ? 0 : err_errno(err, ERR_STORAGE, "can't remove %s", from);
}

int collect_corpora(struct store *store, const struct datadir *datadir, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(datadir, path, "datasets");
    int hold = datadir_hold(datadir, err), status = 0;
    if (hold < 0)
        return hold;
    DIR *folder = opendir(path);
    for (const struct dirent *entry;
         status == 0 && folder != NULL && (entry = readdir(folder)) != NULL;)
        if (is_digest(entry->d_name))
            status = set_corpus_aside(store, datadir, entry->d_name, err);
    if (folder != NULL)
        closedir(folder);
    close(hold);
    return status;
}

/* Checkpoints. */

/* No link is followed: a run's folder that is a link isn't opened, and where a link stands in the
 * place of the checkpoints, the link is renamed. Checkpoints that aren't there are gone already. */
static int set_checkpoints_aside(const struct datadir *datadir, int64_t run, struct err *err)
{
    char path[PATH_MAX], to[PATH_MAX];
    datadir_path(datadir, path, "runs/%lld", (long long)run);
    datadir_path(datadir, to, "tmp/%scheckpoints-%lld", prefix, (long long)run);
    int folder = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_STORAGE, "can't open %s", path);
    int status = 0;
    if (renameat(folder, "checkpoints", AT_FDCWD, to) != 0 && errno != ENOENT)
        status = err_errno(err, ERR_STORAGE, "can't remove %s/checkpoints", path);
    close(folder);
    return status;
}

static int collect_one(struct collect *c, struct store *store, const struct datadir *datadir,
                       int64_t run, struct err *err)
{
    struct err trouble = { 0 };
    bool strange = false;
    int status = owner_is_strange(store, datadir, run, &strange, &trouble);
    if (status == 0 && strange)
        status = err_set(&trouble, ERR_CONFLICT, "%s/runs/%lld is the folder of another run",
                         datadir->path, (long long)run);
    if (status == 0)
        status = set_checkpoints_aside(datadir, run, &trouble);
    if (status != 0) {
        if (c->trouble.code == 0)
            c->trouble = trouble;
        return 0;
    }
    c->n++;
    return store_checkpoints_gone(store, run, err);
}

int collect_checkpoints(struct collect *c, struct store *store, const struct datadir *datadir,
                        int64_t ended_before_ms, struct err *err)
{
    struct ended_run *runs = NULL;
    size_t n = 0;
    int hold = -1;
    int status = store_checkpoints_due(store, ended_before_ms, &c->last, RUNS, &runs, &n, err);
    if (status == 0 && n > 0 && (hold = datadir_hold(datadir, err)) < 0)
        status = hold;
    for (size_t i = 0; i < n && status == 0; i++)
        status = collect_one(c, store, datadir, runs[i].run, err);
    if (hold >= 0)
        close(hold);
    if (status == 0 && n > 0)
        c->last = runs[n - 1];
    c->more = status == 0 && n == RUNS;
    free(runs);
    return status;
}

int collect_remove(const struct datadir *datadir, size_t *ret_left, struct err *err)
{
    return datadir_empty_tmp(datadir, prefix, ret_left, err);
}
