/* GET experiments/{id}/report?format=json|md|csv, with csv &table=rows|claims, and
 * experiments/{id}/figure.svg and .png */
#include "server/api/api.h"

#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/report/figure.h"
#include "server/report/plot.h"
#include "server/report/report_csv.h"
#include "server/report/report_md.h"
#include "server/report/report_stored.h"

#include "common/base/digest.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <stdlib.h>
#include <string.h>

static void write_json(const json_t *report, struct buf *to)
{
    jsonx_dump(report, JSONX_KEEP_ORDER, to);
    buf_addc(to, '\n');
}

/* The first of a format is meant when no table is named. */
static const struct format {
    const char *name, *table, *type;
    void (*write)(const json_t *report, struct buf *to);
} formats[] = {
    { "json", NULL, "application/json", write_json },
    { "md", NULL, "text/markdown; charset=utf-8", report_markdown },
    { "csv", "rows", "text/csv; charset=utf-8", report_csv },
    { "csv", "claims", "text/csv; charset=utf-8", report_csv_claims },
};
enum { FORMATS = sizeof formats / sizeof *formats };

struct asked {
    int64_t id;
    const struct format *format;
    struct buf body;
};

static void asked_free(void *arg)
{
    struct asked *a = arg;
    buf_done(&a->body);
    free(a);
}

static int find_format(const char *name, const char *table, const struct format **ret,
                       struct err *err)
{
    bool known = false;
    for (size_t i = 0; i < FORMATS; i++) {
        const struct format *f = &formats[i];
        bool named = strcmp(name, f->name) == 0;
        known |= named;
        if (named && (table == NULL || (f->table != NULL && strcmp(table, f->table) == 0))) {
            *ret = f;
            return 0;
        }
    }
    if (!known)
        return err_set(err, ERR_BAD_PARAMETER, "format must be json, md or csv, not %.*s",
                       (int)jsonx_prefix(name, 40), name);
    return err_set(err, ERR_BAD_PARAMETER,
                   "table must be rows or claims, and goes with format=csv, not %.*s",
                   (int)jsonx_prefix(table, 40), table);
}

int report_decode(struct request *req, struct err *err)
{
    struct asked *a = request_state(req, sizeof *a, asked_free, err);
    if (a == NULL)
        return -ERR_NO_MEMORY;
    int status = request_id(req, 0, &a->id, err);
    const char *format = request_arg(req, "format");
    if (status == 0)
        status = find_format(format != NULL ? format : formats[0].name, request_arg(req, "table"),
                             &a->format, err);
    return status;
}

int report_read(struct request *req, struct store *store, struct err *err)
{
    struct asked *a = req->state;
    json_t *report = NULL;
    buf_init(&a->body, REPLY_MAX);
    int status = report_make(store, a->id, &report, err);
    if (status == 0) {
        json_object_set_new(report, "as_of", json_integer(req->as_of));
        a->format->write(report, &a->body);
    }
    json_decref(report);
    return status;
}

int report_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    struct asked *a = req->state;
    reply->content_type = a->format->type;
    reply_take(reply, &a->body);
    return 0;
}

/* The figure. Its tag is the digest of gnuplot's script, which holds all that it shows. */

struct figure {
    int64_t id;
    char tag[DIGEST_HEX];
    bool known; /* the caller has it already */
    struct buf body;
};

static void figure_free(void *arg)
{
    struct figure *f = arg;
    buf_done(&f->body);
    free(f);
}

int figure_decode(struct request *req, struct err *err)
{
    struct figure *f = request_state(req, sizeof *f, figure_free, err);
    if (f == NULL)
        return -ERR_NO_MEMORY;
    return request_id(req, 0, &f->id, err);
}

static int read_figure(struct request *req, struct store *store, enum figure_format format,
                       struct err *err)
{
    struct figure *f = req->state;
    struct buf script;
    char folder[PATH_MAX];
    json_t *report = NULL;
    buf_init(&f->body, REPLY_MAX);
    buf_init(&script, 0);
    int status = report_make(store, f->id, &report, err);
    if (status == 0) {
        figure_script(report, format, &script);
        digest_of_hex(script.data, script.len, f->tag);
        f->known = strstr(req->if_none_match, f->tag) != NULL;
    }
    if (status == 0 && !f->known) {
        datadir_path(req->app->datadir, folder, "cache");
        status = plot_make(folder, f->tag, figure_format_names[format], &script, &f->body, err);
    }
    buf_done(&script);
    json_decref(report);
    return status;
}

int figure_svg_read(struct request *req, struct store *store, struct err *err)
{
    return read_figure(req, store, FIGURE_SVG, err);
}

int figure_png_read(struct request *req, struct store *store, struct err *err)
{
    return read_figure(req, store, FIGURE_PNG, err);
}

static int encode_figure(struct request *req, struct reply *reply, const char *type,
                         struct err *err)
{
    (void)err;
    struct figure *f = req->state;
    reply->content_type = type;
    reply->status = f->known ? 304 : 200;
    reply_header(reply, "ETag", "\"%s\"", f->tag);
    reply_header(reply, "Cache-Control", "private, no-cache");
    reply_take(reply, &f->body);
    return 0;
}

int figure_svg_encode(struct request *req, struct reply *reply, struct err *err)
{
    return encode_figure(req, reply, "image/svg+xml", err);
}

int figure_png_encode(struct request *req, struct reply *reply, struct err *err)
{
    return encode_figure(req, reply, "image/png", err);
}
