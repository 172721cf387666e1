/* Each command opens the data folder in its own way: link and token only look at it, since a
 * daemon may serve it; backup and restore work in a child; purge takes the lock, so that no daemon
 * serves. */
#include "server/commands.h"

#include "server/backup/attend.h"
#include "server/backup/backup.h"
#include "server/backup/restore.h"
#include "server/data/datadir.h"
#include "server/data/passes.h"
#include "server/retention/purge.h"

#include <stdio.h>

/* Prints a log-in link for the daemon that serves the folder. */
int command_link(const struct options *options, struct err *err)
{
    struct datadir datadir;
    char code[PASS_SECRET_HEX + 1], address[400];
    struct pass pass;
    int status = datadir_peek(options->data, &datadir, err);
    if (status == 0)
        status = datadir_address(&datadir, address, sizeof address, err);
    if (status == 0)
        status = passes_make(datadir.path, PASS_CODE, &datadir.tokens, options->access, code, &pass,
                             err);
    if (status != 0)
        return status;
    printf("%s/#login=%s\n", address, code);
    datadir_done(&datadir);
    return 0;
}

/* Makes the tokens anew that were named, then says where all are. */
int command_token(const struct options *options, struct err *err)
{
    struct datadir datadir;
    int status = datadir_peek(options->data, &datadir, err);
    for (enum access kind = ACCESS_READ; kind < ACCESS_KINDS && status == 0; kind++)
        if (options->rotate_all || options->rotate == kind)
            status = tokens_rotate(datadir.path, kind, err);
    if (status == 0)
        status = tokens_peek(datadir.path, &datadir.tokens, err);
    if (status == 0)
        passes_tidy(datadir.path, &datadir.tokens);
    for (enum access kind = ACCESS_READ; kind < ACCESS_KINDS && status == 0; kind++)
        printf("%s\t%s/%s\n", access_names[kind], datadir.path, tokens_file(kind));
    return status;
}

static void tell_backup(const char *what, const char *path, const struct backup_result *result)
{
    printf("%s %s: %lld experiments, %lld runs, %lld values, %lld files, %.1f MiB; checked\n", what,
           path, (long long)result->store.rows[STORE_COUNT_experiments],
           (long long)result->store.rows[STORE_COUNT_runs],
           (long long)result->store.rows[STORE_COUNT_metrics], (long long)result->files,
           (double)result->bytes / 1048576.0);
}

int command_backup(const struct options *options, struct err *err)
{
    struct backup_result result;
    int status = backup_attend(options->operand, err);
    if (status == 0)
        status = backup_make(options->data, options->operand, &result, err);
    if (status != 0)
        return status;
    tell_backup("backup in", options->operand, &result);
    int64_t odd = result.missing + result.differing;
    return odd == 0
               ? 0
               : err_set(err, ERR_BAD_DATA,
                         "the backup is whole, but %lld files of the data folder aren't as they "
                         "were recorded, e.g. %s",
                         (long long)odd, result.first);
}

int command_restore(const struct options *options, struct err *err)
{
    struct backup_result result;
    int status = backup_attend(options->data, err);
    if (status == 0)
        status = backup_restore(options->operand, options->data, &result, err);
    if (status == 0)
        tell_backup("restored into", options->data, &result);
    return status;
}

int command_purge(const struct options *options, struct err *err)
{
    char path[PATH_MAX];
    struct datadir datadir = { .lock_fd = -1 };
    struct store *store = NULL;
    int64_t n = 0;
    int status = datadir_peek(options->data, &datadir, err); /* none is made for this */
    if (status == 0)
        status = datadir_open(options->data, &datadir, err);
    datadir_path(&datadir, path, "ablate.db");
    if (status == 0)
        status = store_open(path, STORE_WRITER, &store, err);
    if (status == 0)
        status = purge_all(store, &datadir, &n, err);
    store_close(store);
    if (status != 0)
        datadir_undo(&datadir);
    datadir_done(&datadir);
    if (status == 0)
        printf("purged %lld experiments\n", (long long)n);
    return status;
}
