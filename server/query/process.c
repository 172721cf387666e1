/* The process reads its request, and then shuts itself in, step by step and for good: limits, files,
 * the opened database, system calls. Only then it looks at the SQL. */
#include "server/query/process.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_fields.h"
#include "server/query/walls.h"
#include "server/store/store_params.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* escapes, and a path */
enum { REQUEST_BYTES = 8 * (STORE_QUERY_SQL_MAX + STORE_PARAMS_BYTES) };

struct asked {
    const char *database, *sql; /* borrowed from the request */
    const json_t *params;       /* the same; NULL = none */
    int64_t limit;
};

static int decode(const json_t *request, struct asked *ret, struct err *err)
{
    static const struct jsonx_field fields[] = {
        { .key = "database",
          .type = JSONX_TEXT,
          .offset = offsetof(struct asked, database),
          .min = 1,
          .max = PATH_MAX,
          .required = true },
        { .key = "sql",
          .type = JSONX_TEXT,
          .offset = offsetof(struct asked, sql),
          .min = 1,
          .max = STORE_QUERY_SQL_MAX,
          .required = true },
        { .key = "limit",
          .type = JSONX_INT,
          .offset = offsetof(struct asked, limit),
          .min = 1,
          .max = STORE_QUERY_ROWS,
          .required = true },
        { .key = "params", .type = JSONX_VALUE, .offset = offsetof(struct asked, params) },
    };
    return jsonx_decode(request, fields, sizeof fields / sizeof *fields, ret, "", err);
}

static int read_request(json_t **ret, struct err *err)
{
    struct buf text;
    char chunk[4096];
    ssize_t n;
    buf_init(&text, REQUEST_BYTES);
    while ((n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
        buf_add(&text, chunk, n > 0 ? (size_t)n : 0);
    int status = n < 0 || text.full ? err_set(err, ERR_PROTOCOL, "no request came")
                 : text.failed      ? err_no_memory(err, "the request")
                                    : jsonx_load(text.data, text.len, ret, err);
    buf_done(&text);
    return status;
}

static int answer(const struct asked *asked, enum store_guard guard, int64_t allowed_ms,
                  struct buf *to, struct err *err)
{
    struct store_view *view = NULL;
    tzset(); /* 'localtime' is read from a file */
    int status = walls_limits(err);
    if (status == 0)
        status = walls_files(asked->database, err);
    if (status == 0)
        status = store_query_open(asked->database, guard, &view, err);
    if (status == 0)
        status = walls_calls(err);
    if (status == 0)
        status =
            store_query_run(view, asked->sql, asked->params, asked->limit, allowed_ms, to, err);
    return status; /* the view ends with the process */
}

static bool write_all(const struct buf *bytes)
{
    ssize_t n = 0;
    for (size_t at = 0; at < bytes->len; at += (size_t)n)
        if ((n = write(STDIN_FILENO, bytes->data + at, bytes->len - at)) < 0)
            return false;
    return true;
}

int query_process_serve(enum store_guard guard, int64_t allowed_ms)
{
    struct asked asked = { 0 };
    struct err err = { 0 };
    json_t *request = NULL;
    struct buf reply;
    buf_init(&reply, 0);
    int status = read_request(&request, &err);
    if (status == 0)
        status = decode(request, &asked, &err);
    if (status == 0)
        status = answer(&asked, guard, allowed_ms, &reply, &err);
    if (status != 0) {
        buf_cut(&reply, 0);
        query_problem_write(&err, &reply);
    }
    bool told = write_all(&reply);
    buf_done(&reply);
    json_decref(request);
    return !told ? err_exit_status(ERR_PROTOCOL) : status != 0 ? QUERY_REFUSED : 0;
}

void query_process_main(const char *parent, const char *allowed_ms)
{
    close_range(3, ~0U, 0);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strtol(parent, NULL, 10) != getppid())
        _exit(err_exit_status(ERR_UNAVAILABLE)); /* it died before we could ask to die with it */
    _exit(query_process_serve(STORE_GUARDED, strtoll(allowed_ms, NULL, 10)));
}

/* problems */

void query_problem_write(const struct err *problem, struct buf *to)
{
    buf_addf(to, "%d\n%s\n%s", problem->code, problem->pointer, problem->message);
}

int query_problem_read(const char *text, struct err *err)
{
    char *end;
    long code = strtol(text, &end, 10);
    const char *pointer = *end == '\n' ? end + 1 : NULL;
    const char *message = pointer != NULL ? strchr(pointer, '\n') : NULL;
    char where[sizeof err->pointer];
    if (code <= ERR_NONE || code >= ERR_COUNT || message == NULL)
        return err_set(err, ERR_INTERNAL, "the query's process said nothing that can be read");
    snprintf(where, sizeof where, "%.*s", (int)(message - pointer), pointer);
    return err_set_at(err, (enum err_code)code, where, "%s", message + 1);
}
