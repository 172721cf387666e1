/* The lock's line, and what a start makes of it. */
#include "server/feed/event_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int64_t id_max = (int64_t)1 << 53;

/* Whether the lock says something; else *ret_id is 0. */
static bool read_lock(int fd, char ret_database[STORE_IDENTITY_HEX + 1], int64_t *ret_id)
{
    char line[STORE_IDENTITY_HEX + 24] = "";
    long long id = 0;
    bool said = pread(fd, line, sizeof line - 1, 0) > 0 &&
                sscanf(line, "%32[0-9a-f] %lld", ret_database, &id) == 2 && id > 0 && id < id_max;
    *ret_id = said ? id : 0;
    return said;
}

/* All lines are as long as each other. */
static int write_lock(int fd, const char *database, int64_t id, struct err *err)
{
    char line[STORE_IDENTITY_HEX + 24];
    int len = snprintf(line, sizeof line, "%s %016lld\n", database, (long long)id);
    ssize_t n = pwrite(fd, line, (size_t)len, 0);
    if (n >= 0 && n < len)
        errno = ENOSPC;
    return n == len && fdatasync(fd) == 0
               ? 0
               : err_errno(err, ERR_STORAGE, "can't write the data folder's lock");
}

int event_ids_look(struct store *store, const struct datadir *datadir, bool lost,
                   struct event_ids *ret, struct err *err)
{
    struct event_ids ids = { 0 };
    struct store_identity own;
    char database[STORE_IDENTITY_HEX + 1] = "";
    int64_t newest = 0;
    int status = store_as_of(store, &newest, err);
    if (status == 0)
        status = store_identity(store, &own, err);
    if (status != 0)
        return status;
    memcpy(ids.database, own.id, sizeof ids.database);
    bool said = read_lock(datadir->lock_fd, database, &ids.id);
    bool ours = said && strcmp(database, own.id) == 0 && newest < ids.id;
    ids.strange = said && !ours;
    if (ours && newest + 1 < ids.id)
        ids.past = ids.id;
    else if (!ours && (said || newest > 0 || lost))
        ids.past = STORE_LEAP_LOST + (ids.id > newest ? ids.id : newest);
    *ret = ids;
    return 0;
}

int event_ids_pass(const struct event_ids *ids, struct store *store, struct err *err)
{
    int64_t newest = 0;
    int status = ids->strange ? store_events_forget(store, err) : 0;
    if (status != 0 || ids->past == 0)
        return status;
    status = store_as_of(store, &newest, err);
    return status == 0 && newest < ids->past ? store_events_leap(store, ids->past - newest, err)
                                             : status;
}

int event_ids_note(struct event_ids *ids, struct store *store, const struct datadir *datadir,
                   struct err *err)
{
    int64_t newest = 0;
    int status = store_as_of(store, &newest, err);
    if (status == 0 && newest > 0 && newest >= ids->id) {
        int64_t id = (newest / EVENT_IDS_STEP + 1) * EVENT_IDS_STEP;
        status = write_lock(datadir->lock_fd, ids->database, id, err);
        if (status == 0)
            ids->id = id;
    }
    if (status == 0)
        ids->newest = newest;
    return status;
}

void event_ids_end(const struct event_ids *ids, const struct datadir *datadir)
{
    if (ids->newest > 0)
        write_lock(datadir->lock_fd, ids->database, ids->newest + 1, NULL);
}
