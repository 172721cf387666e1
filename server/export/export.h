/* export: an experiment's curves or runs as one long text, made page by page.
 *
 * One moment of the curves, without holding it: the first transaction takes down which runs and
 * series there are and the last step of each (store_export.h), and every page is read in a short
 * transaction of its own. A transaction held for the whole of it would keep the WAL from beginning
 * again for as long as a slow client likes (jobs/wal.h); a file made beforehand, as a capsule is,
 * would need the room of all of it and let nothing out before its end. Of the runs, those that were
 * there at the beginning are written, each as it is when its page is.
 *
 * So memory holds a page and a few bytes a series, however many points there are. An experiment
 * that is deleted meanwhile ends the export with an error: what came until then must not pass for
 * the whole.
 *
 * What is written is a row of the table in export.c, with functions in files of their own:
 *
 *   curves.c  csv and jsonl, a line a point     runs.c  csv and jsonl, a line a run
 *   tensorboard.c  event files in a tar         tfevents.h  their records
 *   format.h  what these share                  csv.h   cells
 */
#ifndef ABLATE_SERVER_EXPORT_H
#define ABLATE_SERVER_EXPORT_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct export;
struct export_format;

enum { EXPORT_PAGE_BYTES = 256 << 10, EXPORT_NAMES_MAX = 64, EXPORT_FILE_BYTES = 120 };

struct export_request {
    int64_t experiment;
    const struct export_format *format;
    const char *arm;          /* NULL = every arm */
    const char *const *names; /* metrics; NULL = all */
    size_t names_n;
};

/* A row of the table; what: NULL = "curves", format: NULL = "csv". Errors: BAD_PARAMETER. */
int export_format_find(const char *what, const char *format, const struct export_format **ret,
                       struct err *err);
/* Whether it has points, so that names of metrics choose among them. */
bool export_has_points(const struct export_format *format);
/* Reader. The request is borrowed until export_free. Errors: NOT_FOUND; BAD_PARAMETER: no such arm
 * or metric. */
int export_new(struct store *store, const struct export_request *request, struct export **ret,
               struct err *err);
/* Reader. Appends about EXPORT_PAGE_BYTES more, sometimes nothing; *ret_end: that was the last
 * page. Errors: NOT_FOUND, as the experiment is deleted; CONFLICT, as rows of it are gone. */
int export_page(struct export *export, struct store *store, struct buf *to, bool *ret_end,
                struct err *err);
/* Content-Type, and a file name of plain characters. */
const char *export_type(const struct export *export);
void export_file(const struct export *export, char ret[EXPORT_FILE_BYTES]);
void export_free(struct export *export);

#endif
