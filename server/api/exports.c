/* GET experiments/{id}/export: pages made by readers while the ones before are sent.
 *
 * Two buffers: one is being sent, one is being made. A page is begun when there is room for it, so
 * the client's pace is the export's, and while it is slow, or doesn't read at all, neither thread
 * nor transaction waits for it. Closing the connection ends it all, once the page that is being
 * made is there. */
#include "server/api/api.h"

#include "common/base/log.h"
#include "server/coding/gzip.h"
#include "server/export/export.h"
#include "server/http/exchange/exchange_request.h"
#include "server/jobs/work.h"
#include "server/jobs/work_beside.h"

#include <stdlib.h>
#include <string.h>

/* Each keeps a thread of the pool busy as long as its client takes what it makes. */
enum { EXPORTS_AT_ONCE = 4 };
static int under_way; /* the loop thread's */

struct flow {
    struct export_request asked;
    char *list; /* owned: the names, cut */
    const char *names[EXPORT_NAMES_MAX];
    struct export *export;
    struct request *req; /* NULL: nobody reads any more */
    struct work *work;
    struct job job;
    bool counted, making, over;
    int status;             /* of the page made last */
    struct gzip *gzip;      /* NULL: the client takes them as they are */
    struct buf page;        /* before it is packed */
    struct buf going, made; /* pages */
    size_t sent;            /* of going */
};

static void flow_free(void *arg)
{
    struct flow *f = arg;
    under_way -= f->counted;
    export_free(f->export);
    free((char *)(uintptr_t)f->asked.arm);
    free(f->list);
    gzip_free(f->gzip);
    buf_done(&f->page);
    buf_done(&f->going);
    buf_done(&f->made);
    free(f);
}

static int take_names(struct flow *f, const char *names, struct err *err)
{
    if (names == NULL)
        return 0;
    if (!export_has_points(f->asked.format))
        return err_set(err, ERR_BAD_PARAMETER, "names goes with what=curves");
    if ((f->list = strdup(names)) == NULL)
        return err_no_memory(err, "the request");
    for (char *save, *name = strtok_r(f->list, ",", &save); name != NULL;
         name = strtok_r(NULL, ",", &save)) {
        if (f->asked.names_n == EXPORT_NAMES_MAX)
            return err_set(err, ERR_BAD_PARAMETER, "names takes at most %d names",
                           EXPORT_NAMES_MAX);
        f->names[f->asked.names_n++] = name;
    }
    f->asked.names = f->names;
    return f->asked.names_n > 0 ? 0 : err_set(err, ERR_BAD_PARAMETER, "names names no metric");
}

static int take_arm(struct flow *f, const char *arm, struct err *err)
{
    f->asked.arm = arm != NULL ? strdup(arm) : NULL;
    return arm != NULL && f->asked.arm == NULL ? err_no_memory(err, "the request") : 0;
}

static int count(struct flow *f, struct err *err)
{
    if (under_way >= EXPORTS_AT_ONCE)
        return err_set(err, ERR_TOO_MANY_REQUESTS, "%d exports are under way; ask again in a while",
                       EXPORTS_AT_ONCE);
    under_way++;
    f->counted = true;
    return 0;
}

int export_decode(struct request *req, struct err *err)
{
    struct flow *f = request_state(req, sizeof *f, flow_free, err);
    if (f == NULL)
        return -ERR_NO_MEMORY;
    f->req = req;
    f->work = req->app->work;
    int status = request_id(req, 0, &f->asked.experiment, err);
    if (status == 0)
        status = export_format_find(request_arg(req, "what"), request_arg(req, "format"),
                                    &f->asked.format, err);
    if (status == 0)
        status = take_names(f, request_arg(req, "names"), err);
    if (status == 0)
        status = take_arm(f, request_arg(req, "arm"), err);
    return status == 0 ? count(f, err) : status;
}

/* Appends a page, packed if it is to be. */
static int add_page(struct flow *f, struct store *store, struct buf *to, struct err *err)
{
    if (f->gzip == NULL)
        return export_page(f->export, store, to, &f->over, err);
    buf_clear(&f->page);
    int status = export_page(f->export, store, &f->page, &f->over, err);
    if (status == 0)
        gzip_add(f->gzip, f->page.data, f->page.len, f->over, to);
    return status == 0 && to->failed ? err_no_memory(err, "a page of the export") : status;
}

int export_read(struct request *req, struct store *store, struct err *err)
{
    struct flow *f = req->state;
    int status = export_new(store, &f->asked, &f->export, err);
    if (status == 0 && req->gzip && gzip_suits(export_type(f->export)))
        status = gzip_new(&f->gzip, err);
    return status == 0 ? add_page(f, store, &f->going, err) : status;
}

static int make_page(struct job *job, struct store *store, struct err *err)
{
    struct flow *f = job->data;
    return add_page(f, store, &f->made, err);
}

static void page_made(struct job *job)
{
    struct flow *f = job->data;
    f->making = false;
    f->status = job->status;
    if (f->req == NULL) {
        flow_free(f);
        return;
    }
    if (f->status < 0)
        log_warn("an export of experiment %lld is broken off: %s", (long long)f->asked.experiment,
                 job->err.message);
    request_wake(f->req);
}

static void make_next(struct flow *f)
{
    if (f->making || f->over || f->status < 0 || f->made.len > 0)
        return;
    f->making = true;
    f->job = (struct job){ .run = make_page, .done = page_made, .data = f };
    work_read(f->work, &f->job);
}

static void turn_page(struct flow *f)
{
    struct buf empty = f->going;
    buf_clear(&empty);
    f->going = f->made;
    f->made = empty;
    f->sent = 0;
}

static long flow_read(void *source, char *to, size_t max)
{
    struct flow *f = source;
    if (f->sent == f->going.len && !f->making)
        turn_page(f);
    make_next(f);
    size_t n = f->going.len - f->sent < max ? f->going.len - f->sent : max;
    if (n > 0)
        memcpy(to, f->going.data + f->sent, n);
    f->sent += n;
    return n > 0 || f->making ? (long)n : f->status < 0 ? REPLY_BROKEN : REPLY_END;
}

static void flow_closed(void *source)
{
    struct flow *f = source;
    f->req = NULL;
    if (!f->making)
        flow_free(f);
}

int export_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    char name[EXPORT_FILE_BYTES];
    struct flow *f = req->state;
    export_file(f->export, name);
    reply->content_type = export_type(f->export);
    reply->gzip = f->gzip != NULL;
    reply_header(reply, "Content-Disposition", "attachment; filename=\"%s\"", name);
    reply->source = (struct reply_source){ flow_read, flow_closed, f, .whole = true };
    req->state = NULL; /* the source's */
    return 0;
}
