/* GET experiments/{id}/capsule: built by a reader in a file without a name, then sent. */
#include "server/api/api.h"

#include "server/capsule/capsule.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/report/report_stored.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each takes a thread of the pool for as long as it is built; others are needed meanwhile. */
enum { CAPSULES_AT_ONCE = 2 };
static atomic_int building;

struct asked {
    int64_t id;
    struct capsule made;
    bool known; /* the caller has it already */
    int fd;     /* −1 = none */
};

int capsule_decode(struct request *req, struct err *err)
{
    struct asked *a = request_state(req, sizeof *a, NULL, err);
    if (a == NULL)
        return -ERR_NO_MEMORY;
    a->fd = -1;
    return request_id(req, 0, &a->id, err);
}

/* Gone from its folder at once, so that nothing is left behind, however this ends. */
static int open_nameless(const struct request *req, FILE **ret, struct err *err)
{
    char path[PATH_MAX];
    datadir_path(req->app->datadir, path, "tmp/capsule-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    int status = file == NULL ? err_errno(err, ERR_STORAGE, "can't make the capsule") : 0;
    if (fd >= 0)
        unlink(path);
    if (status == 0)
        *ret = file;
    else if (fd >= 0)
        close(fd);
    return status;
}

static int build(struct request *req, struct store *store, struct err *err)
{
    struct asked *a = req->state;
    json_t *report = NULL;
    FILE *file = NULL;
    int status = report_make(store, a->id, &report, err);
    if (status == 0)
        status = open_nameless(req, &file, err);
    if (status == 0)
        status = capsule_write(store, a->id, report, file, &a->made, err);
    a->known = status == 0 && strstr(req->if_none_match, a->made.digest) != NULL;
    if (status == 0 && !a->known && (a->fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0)) < 0)
        status = err_errno(err, ERR_STORAGE, "can't keep the capsule");
    if (file != NULL)
        fclose(file);
    json_decref(report);
    return status;
}

int capsule_read(struct request *req, struct store *store, struct err *err)
{
    int status;
    if (atomic_fetch_add(&building, 1) >= CAPSULES_AT_ONCE)
        status = err_set(err, ERR_TOO_MANY_REQUESTS,
                         "%d capsules are being built; ask again in a while", CAPSULES_AT_ONCE);
    else
        status = build(req, store, err);
    atomic_fetch_sub(&building, 1);
    return status;
}

int capsule_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct asked *a = req->state;
    reply->status = a->known ? 304 : 200;
    reply->content_type = "application/x-tar";
    reply->fd = a->fd;
    a->fd = -1;
    reply_header(reply, "ETag", "\"%s\"", a->made.digest);
    reply_header(reply, "Cache-Control", "private, no-cache");
    reply_header(reply, "Capsule-Digest", "%s", a->made.digest);
    reply_header(reply, "Content-Disposition", "attachment; filename=\"%s.tar\"", a->made.folder);
    return 0;
}
