/* The steps of a request that has come whole: decode on the loop; read, write and encode where each
 * belongs; then its endpoint's finish, and the reply. Steps that follow each other on a thread are
 * one job: nothing is read and then written. */
#include "server/http/exchange/exchange_working.h"

#include "common/base/shortage.h"
#include "server/base/watch.h"
#include "server/http/exchange/exchange_remains.h"
#include "server/http/exchange/exchange_sending.h"
#include "server/http/exchange/exchange_turns.h"
#include "server/jobs/line.h"
#include "server/jobs/work_beside.h"

#include <string.h>

/* What is large is let go of here, too: taking a tree apart takes as long as building it. */
static int encode(struct exchange *x, struct err *err)
{
    const struct endpoint *endpoint = x->req.endpoint;
    int status = endpoint->encode != NULL ? endpoint->encode(&x->req, &x->reply, err) : 0;
    remains_forget(x);
    return status == 0 ? reply_write(&x->reply, err) : status;
}

static void pack(struct exchange *x)
{
    reply_pack(&x->reply);
}

static void packed(struct exchange *x)
{
    exchange_ready(x, 0);
}

/* Not on the loop's thread. */
static int encode_and_pack(struct exchange *x, struct err *err)
{
    int status = encode(x, err);
    if (status == 0 && x->req.gzip)
        pack(x);
    return status;
}

/* The endpoint's finish, once. */
static int tell(struct exchange *x)
{
    const struct endpoint *endpoint = x->req.endpoint;
    if (x->told || endpoint->finish == NULL)
        return 0;
    x->told = true;
    struct watch_mark mark = watch_enter("finish", endpoint->path);
    shortage_begin();
    int status = shortage_end(endpoint->finish(&x->req, &x->reply, &x->err), &x->err);
    watch_leave(mark);
    return status;
}

static void finish(struct exchange *x)
{
    int status = tell(x);
    if (status == 0 && (x->reply.file != NULL || x->reply.fd >= 0))
        sending_open(x);
    else if (status == 0 && x->req.gzip && reply_packs(&x->reply))
        exchange_pool(x, pack, packed); /* made on the loop, or before a step of its */
    else
        exchange_ready(x, status);
}

static int read_and_encode(struct exchange *x, struct store *store, struct err *err)
{
    int status = x->req.endpoint->read(&x->req, store, err);
    return status != 0 || x->req.endpoint->write != NULL ? status : encode_and_pack(x, err);
}

static int job_read(struct job *job, struct store *store, struct err *err)
{
    struct exchange *x = job->data;
    int status = store_as_of(store, &x->req.as_of, err);
    return status != 0 ? status : read_and_encode(x, store, err);
}

static int job_import(struct job *job, struct store *store, struct err *err)
{
    return read_and_encode(job->data, store, err);
}

static int job_write(struct job *job, struct store *store, struct err *err)
{
    struct exchange *x = job->data;
    x->req.more = false;
    int status = x->req.endpoint->write(&x->req, store, err);
    job->more = x->req.more;
    return status;
}

static void conclude(struct exchange *x, int status, const struct err *err)
{
    x->all->waiting--;
    x->waits = false;
    if (status == 0) {
        finish(x);
    } else {
        x->err = *err;
        exchange_ready(x, status);
    }
    if (x->state == EXCHANGE_READY)
        exchange_resume(x);
}

void exchange_waited(struct exchange *x, int status, const struct err *err)
{
    struct err own = { 0 };
    if (status == 0) {
        shortage_begin();
        status = shortage_end(encode(x, &own), &own);
        err = &own;
    }
    conclude(x, status, err);
}

static int job_encode(struct job *job, struct store *none, struct err *err)
{
    (void)none;
    return encode_and_pack(job->data, err);
}

static void job_done(struct job *job);

/* What follows a job that went well; false when there is nothing. */
static bool go_on(struct exchange *x)
{
    struct work *work = x->req.app->work;
    bool written = x->job.run == job_write,
         read = x->job.run == job_read || x->job.run == job_import;
    if (read && x->req.endpoint->write != NULL) {
        x->job = (struct job){ .run = job_write, .done = job_done, .data = x };
        work_write(work, &x->job);
    } else if (written && x->req.endpoint->encode != NULL) {
        tell(x); /* what is committed waits for no thread, and for no reply */
        x->job = (struct job){ .run = job_encode, .done = job_done, .data = x };
        work_pool(work, &x->job);
    } else {
        return false;
    }
    return true;
}

static void job_done(struct job *job)
{
    struct exchange *x = job->data;
    if (job->status == 0 && go_on(x))
        return;
    conclude(x, job->status, &job->err);
}

static void wait_for(struct exchange *x, const struct waiting *waiting)
{
    int status = waiting->begin(&x->req, &x->err);
    if (status < 0) {
        exchange_ready(x, status);
        return;
    }
    x->waits = true;
    x->all->waiting++;
    if (!x->suspended)
        exchange_suspend(x);
}

struct known {
    const char *names;
    const char *unknown, *twice, *bare;
    const char *seen[32];
    size_t seen_n;
};

/* What stands in the list behind a name: "" or "...", which permits it several times; NULL when it
 * isn't there. */
static const char *find_name(const char *names, const char *key)
{
    size_t len = strlen(key);
    if (len == 0 || strcspn(key, ",. ") != len)
        return NULL;
    for (const char *at = names; (at = strstr(at, key)) != NULL; at++) {
        const char *end = at + len;
        bool several = strncmp(end, "...", 3) == 0;
        if ((at == names || at[-1] == ' ') && strchr(",", end[several ? 3 : 0]) != NULL)
            return several ? "..." : "";
    }
    return NULL;
}

static enum MHD_Result on_arg(void *arg, enum MHD_ValueKind kind, const char *key,
                              const char *value)
{
    (void)kind;
    struct known *known = arg;
    const char *found = find_name(known->names, key);
    if (found == NULL)
        known->unknown = key;
    if (value == NULL)
        known->bare = key;
    for (size_t i = 0; i < known->seen_n; i++)
        if (strcmp(known->seen[i], key) == 0 && (found == NULL || *found == '\0'))
            known->twice = key;
    if (known->seen_n < sizeof known->seen / sizeof *known->seen)
        known->seen[known->seen_n++] = key;
    return MHD_YES;
}

/* Refuses query parameters that the endpoint doesn't know, and those given twice. */
static int check_args(const struct request *req, struct err *err)
{
    struct known known = { .names = req->endpoint->args };
    if (known.names == NULL)
        return 0;
    MHD_get_connection_values(req->exchange->connection, MHD_GET_ARGUMENT_KIND, on_arg, &known);
    if (known.twice != NULL)
        return err_set(err, ERR_BAD_PARAMETER, "the query parameter \"%.64s\" is given twice",
                       known.twice);
    if (known.unknown != NULL)
        return err_set(err, ERR_BAD_PARAMETER,
                       "there is no query parameter \"%.64s\" here; known are: %s", known.unknown,
                       known.names[0] != '\0' ? known.names : "none");
    if (known.bare != NULL)
        return err_set(err, ERR_BAD_PARAMETER, "the query parameter \"%.64s\" needs a value",
                       known.bare);
    return 0;
}

void exchange_work(struct exchange *x)
{
    const struct endpoint *endpoint = x->req.endpoint;
    struct watch_mark mark = watch_enter("decode", endpoint->path);
    int status = check_args(&x->req, &x->err);
    if (status == 0 && endpoint->decode != NULL)
        status = endpoint->decode(&x->req, &x->err);
    watch_leave(mark);
    x->state = EXCHANGE_WORKING;
    exchange_our_turn(x, true);
    peer_wait(x->peer, 0);
    bool works = endpoint->read != NULL || endpoint->write != NULL || endpoint->waiting != NULL;
    if (status == 0 && !works) {
        mark = watch_enter("encode", endpoint->path);
        shortage_begin();
        status = shortage_end(encode(x, &x->err), &x->err);
        watch_leave(mark);
    }
    if (status < 0) {
        exchange_ready(x, status);
        return;
    }
    if (endpoint->waiting != NULL) {
        wait_for(x, endpoint->waiting);
        return;
    }
    if (!works) {
        finish(x);
        return;
    }
    bool reads = endpoint->read != NULL, imports = reads && endpoint->body == BODY_UPLOAD;
    x->job = (struct job){ .run = imports ? job_import
                                  : reads ? job_read
                                          : job_write,
                           .done = job_done,
                           .data = x };
    x->all->waiting++;
    if (!x->suspended)
        exchange_suspend(x);
    if (imports)
        line_join(x->req.app->imports, &x->job);
    else if (reads)
        work_read(x->req.app->work, &x->job);
    else
        work_write(x->req.app->work, &x->job);
}
