/* Files are closed, and large trees taken apart, on the pool: either takes longer than the loop has. */
#include "server/http/exchange/exchange_remains.h"

#include <stdlib.h>
#include <unistd.h>

struct removal {
    uv_work_t work;
    int fd;
    char *path;
};

static void remove_file(uv_work_t *work)
{
    const struct removal *removal = work->data;
    if (removal->path != NULL)
        unlink(removal->path); /* unless the endpoint has taken it */
    close(removal->fd);
}

static void removed(uv_work_t *work, int status)
{
    (void)status;
    struct removal *removal = work->data;
    free(removal->path);
    free(removal);
}

void remains_let_go(struct app *app, int fd, char *take_path)
{
    struct removal *removal = malloc(sizeof *removal);
    if (removal == NULL) { /* the next start empties tmp/ */
        close(fd);
        free(take_path);
        return;
    }
    *removal = (struct removal){ .work.data = removal, .fd = fd, .path = take_path };
    uv_queue_work(work_loop(app->work), &removal->work, remove_file, removed);
}

void remains_forget(struct exchange *x)
{
    json_decref(x->req.body);
    x->req.body = NULL;
    x->req.body_text = NULL;
    buf_done(&x->body);
}

/* Taking a large tree apart takes as long as building it. */

struct remains {
    uv_work_t work;
    json_t *tree;
    struct buf text;
};

static void take_apart(uv_work_t *work)
{
    struct remains *remains = work->data;
    json_decref(remains->tree);
    buf_done(&remains->text);
}

static void taken_apart(uv_work_t *work, int status)
{
    (void)status;
    free(work->data);
}

void remains_discard(struct exchange *x)
{
    bool large = x->req.body != NULL && x->body.len > REMAINS_LARGE;
    struct remains *remains = large ? malloc(sizeof *remains) : NULL;
    if (remains != NULL) {
        *remains = (struct remains){ .work.data = remains, .tree = x->req.body, .text = x->body };
        x->req.body = NULL;
        buf_init(&x->body, 0);
        uv_queue_work(work_loop(x->req.app->work), &remains->work, take_apart, taken_apart);
    }
    remains_forget(x);
    if (x->upload_fd >= 0)
        remains_let_go(x->req.app, x->upload_fd, x->upload_path);
}
