/* ablated: the daemon. This file only wires: options, data folder, threads, and the way out. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shortage.h"
#include "common/base/stdio.h"
#include "common/base/version.h"
#include "server/api/api.h"
#include "server/base/init.h"
#include "server/base/notify.h"
#include "server/base/options.h"
#include "server/base/watch.h"
#include "server/commands.h"
#include "server/data/datadir.h"
#include "server/drawing.h"
#include "server/feed/publish.h"
#include "server/feed/stream.h"
#include "server/greet.h"
#include "server/http/auth.h"
#include "server/http/httpd.h"
#include "server/http/listener.h"
#include "server/http/stalled.h"
#include "server/jobs/line.h"
#include "server/jobs/space.h"
#include "server/jobs/work.h"
#include "server/notices/notices.h"
#include "server/query/process.h"
#include "server/query/queries.h"
#include "server/query/walls.h"
#include "server/recover.h"
#include "server/retention/purge.h"
#include "server/runs/ingest.h"
#include "server/runs/supervisor.h"
#include "server/store/store_copy.h"
#include "server/verdict/fairness/conclude.h"
#include "server/verdict/verdicts.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { SIGNALS = 3, STALL_MS = 3000 };

/* Threads of the pool's four that uploads may have at a time; the others are for reads. */
enum { UPLOADS_WIDTH = 1, IMPORTS_WIDTH = 1 };

struct daemon {
    struct app app;
    struct options options;
    struct datadir datadir;
    int listener; /* bound; httpd's once it serves */
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    struct watch *watch;
    struct work *work;
    struct stream *stream;
    struct ingest *ingest;
    struct supervisor *supervisor;
    struct purge *purge;
    struct space *space;
    struct notices *notices;
    struct drawing drawing;
    struct httpd *httpd;
    struct auth *auth;
    struct line uploads, imports;
    struct recovery recovery;
};

/* The way out, one step after the other: no new claims, no HTTP, no workers' socket, no store. */

static void store_closed(void *arg)
{
    struct daemon *d = arg;
    stream_free(d->stream);
    supervisor_free(d->supervisor);
    purge_free(d->purge);
    space_free(d->space);
    notices_close(d->notices);
    watch_close(d->watch);
    for (size_t i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&d->signals[i], NULL);
}

static void ingest_closed(void *arg)
{
    struct daemon *d = arg;
    work_close(d->work, store_closed, d);
}

static void http_closed(void *arg)
{
    struct daemon *d = arg;
    ingest_close(d->ingest, ingest_closed, d);
}

static void supervisor_closed(void *arg)
{
    struct daemon *d = arg;
    httpd_close(d->httpd, http_closed, d);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;
    if (d->app.closing) {
        log_warn("signal %d again: leaving at once", number);
        _Exit(128 + number); /* the next start recovers, as after any death */
    }
    log_info("signal %d: ending; workers %s", number,
             d->options.stop_workers ? "leave a checkpoint and stop" : "train on");
    d->app.closing = d->recovery.closing = d->drawing.closing = true;
    notify_state("STOPPING=1");
    purge_close(d->purge);
    space_close(d->space);
    notices_stop(d->notices);
    line_close(&d->uploads);
    line_close(&d->imports);
    queries_close(d->app.queries);
    datadir_set_address(&d->datadir, NULL, NULL);
    if (d->httpd != NULL)
        supervisor_close(d->supervisor, d->options.stop_workers, supervisor_closed, d);
    else
        work_close(d->work, store_closed, d); /* still starting: there is nothing else yet */
}

static void on_fatal(const struct err *err, void *arg)
{
    struct daemon *d = arg;
    log_error("the store failed: %s; ending, so that the next start recovers", err->message);
    datadir_set_address(&d->datadir, NULL, NULL);
    _Exit(err_exit_status(err->code));
}

static void on_full(void *arg)
{
    struct daemon *d = arg;
    space_full(d->space);
}

static void on_wal(const struct wal *wal, void *arg)
{
    double mib = (double)wal->bytes / 1048576.0;
    (void)arg;
    if (wal->held)
        log_warn("the write-ahead log has %.1f MiB and grows: something has been reading ablate.db "
                 "for a long time",
                 mib);
    else
        log_info("the write-ahead log could be emptied again: it has %.1f MiB", mib);
}

static void on_room(void *arg)
{
    struct daemon *d = arg;
    bool open = space_open(d->space);
    if (!d->app.closing)
        supervisor_halt(d->supervisor, !open);
    if (!d->app.closing && open)
        purge_kick(d->purge);
}

static void on_publish(void *take_batch, void *arg)
{
    struct daemon *d = arg;
    stream_publish(take_batch, d->stream);
    drawing_kick(&d->drawing);
}

static void on_discard(void *take_batch, void *arg)
{
    (void)arg;
    publish_batch_free(take_batch);
}

/* Called by the thread that watches the loop. */

static void on_turns(void *arg)
{
    (void)arg;
    stalled_over();
    notify_alive();
}

static void on_stands(double seconds, void *arg)
{
    (void)arg;
    stalled_answer(seconds);
}

/* The way in. */

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int open_http(struct daemon *d, struct err *err)
{
    const struct options *o = &d->options;
    char lack[200];
    int status = httpd_new(&d->loop, &d->app, d->listener, &d->httpd, err);
    if (status != 0)
        return status;
    d->app.httpd = d->httpd;
    options_url(o, httpd_port(d->httpd), d->app.base_url, sizeof d->app.base_url);
    status = datadir_set_address(&d->datadir, d->app.base_url, err);
    if (status != 0)
        return status;
    greet(o, &d->datadir, d->app.base_url, httpd_port(d->httpd));
    if (walls_lack(lack, sizeof lack))
        log_warn("%s", lack);
    notify_state("READY=1");
    return 0;
}

static void recovered(int status, struct err *err, void *arg)
{
    struct daemon *d = arg;
    if (status == 0) {
        stream_attach(d->stream, d->work, d->recovery.last_seq);
        notices_attach(d->notices, d->work);
        d->drawing.work = d->work;
        drawing_note(&d->drawing); /* what ended under an earlier version of the store */
        drawing_kick(&d->drawing);
        status = ingest_new(&d->loop, &d->datadir, d->work, &d->ingest, err);
    }
    if (status == 0) {
        const struct supervisor_config config = {
            .datadir = &d->datadir,
            .worker_path = d->options.worker,
            .slots = d->options.slots,
            .memory_bytes = d->options.memory_bytes,
            .lease_ms = d->options.lease_ms,
        };
        status = supervisor_new(&d->loop, &config, d->work, &d->supervisor, err);
    }
    if (status == 0) {
        supervisor_attach(d->supervisor, d->ingest);
        d->app.supervisor = d->supervisor;
        const struct purge_config config = {
            .datadir = &d->datadir,
            .keep_deleted_ms = d->options.keep_deleted_ms,
            .keep_events_ms = d->options.keep_events_ms,
            .keep_checkpoints_ms = d->options.keep_checkpoints_ms,
        };
        status = purge_new(&config, d->work, &d->purge, err);
    }
    if (status == 0)
        status = queries_new(d->work, &d->datadir, STORE_QUERY_MS, &d->app.queries, err);
    if (status == 0)
        status =
            space_new(&d->datadir, d->options.ballast_bytes, d->work, on_room, d, &d->space, err);
    if (status == 0) {
        d->app.purge = d->purge;
        d->app.space = d->space;
        status = open_http(d, err);
    }
    if (status != 0) {
        fprintf(stderr, "ablated: %s\n", err->message);
        datadir_undo(&d->datadir);
        _Exit(err_exit_status(status)); /* nothing has been accepted yet */
    }
}

/* Before a commit: what it lets be concluded, then what it says to the world. */
static int collect(struct store *store, void **ret_batch, void *arg, struct err *err)
{
    struct daemon *d = arg;
    bool render = stream_subscribers(d->stream) > 0, undrawn = false;
    int status = conclude_experiments(store, err);
    if (status == 0)
        status = verdicts_draw(store, &undrawn, err);
    if (undrawn)
        drawing_note(&d->drawing);
    if (status == 0)
        status = notices_collect(d->notices, store, err);
    if (status == 0 && !d->recovery.event_ids.strange)
        status = event_ids_pass(&d->recovery.event_ids, store, err);
    if (status == 0)
        status = publish_collect(store, render, ret_batch, err);
    return status == 0 ? event_ids_note(&d->recovery.event_ids, store, &d->datadir, err) : status;
}

/* After a death the database is looked at before anything relies on it. */
static int check_database(const struct daemon *d, const char *path, struct err *err)
{
    int64_t begin = clock_mono_ms();
    if (d->datadir.unclean && access(path, F_OK) == 0) {
        int status = store_check(path, STORE_QUICK, NULL, err);
        if (status != 0)
            return status;
        log_info("the daemon before has died; the database is sound (checked in %lld ms)",
                 (long long)(clock_mono_ms() - begin));
    }
    return datadir_set_unclean(&d->datadir, true, err);
}

static bool is_ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int start(struct daemon *d, struct err *err)
{
    static const int numbers[SIGNALS] = { SIGTERM, SIGINT, SIGHUP };
    const struct work_hooks hooks = { .collect = collect,
                                      .publish = on_publish,
                                      .discard = on_discard,
                                      .fatal = on_fatal,
                                      .full = on_full,
                                      .wal = on_wal,
                                      .arg = d };
    const struct watch_config watched = { .stall_ms = STALL_MS,
                                          .turns = on_turns,
                                          .stands = on_stands };
    char path[PATH_MAX];
    uv_loop_init(&d->loop);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&d->loop, &d->signals[i]);
        d->signals[i].data = d;
        if (numbers[i] != SIGHUP || !is_ignored(SIGHUP)) /* nohup */
            uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    datadir_path(&d->datadir, path, "ablate.db");
    int status = auth_new(&d->datadir, &d->options, &d->auth, err);
    if (status == 0)
        status = stream_new(&d->loop, &d->stream, err);
    if (status == 0)
        status = notices_new(&d->loop, &d->options, &d->datadir, &d->notices, err);
    if (status == 0)
        status = check_database(d, path, err);
    if (status == 0)
        status = work_new(&d->loop, path, &hooks, &d->work, err);
    if (status == 0) /* from here on the loop turns */
        status = watch_new(&d->loop, &watched, &d->watch, err);
    if (status != 0)
        return status;
    line_init(&d->uploads, d->work, UPLOADS_WIDTH);
    line_init(&d->imports, d->work, IMPORTS_WIDTH);
    d->app = (struct app){ .options = &d->options,
                           .datadir = &d->datadir,
                           .work = d->work,
                           .stream = d->stream,
                           .auth = d->auth,
                           .uploads = &d->uploads,
                           .imports = &d->imports,
                           .started_ms = clock_mono_ms() };
    d->recovery =
        (struct recovery){ .datadir = &d->datadir, .work = d->work, .done = recovered, .arg = d };
    recover(&d->recovery);
    return 0;
}

static int serve(const struct options *options, struct err *err)
{
    static struct daemon d;
    d.options = *options;
    log_set_level((enum log_level)options->log_level);
    notify_begin();
    signal(SIGPIPE, SIG_IGN);
    raise_limits();
    int status = init_stand_aside(err);
    if (status == 0)
        status = datadir_open(options->data, &d.datadir, err);
    if (status != 0)
        return status;
    status = listener_bind(options->host, options->port, &d.listener, err);
    if (status == 0) {
        space_start(&d.datadir, options->ballast_bytes);
        status = start(&d, err);
    }
    if (status != 0) {
        datadir_undo(&d.datadir);
        return status;
    }
    uv_run(&d.loop, UV_RUN_DEFAULT);
    uv_loop_close(&d.loop);
    queries_free(d.app.queries);
    auth_free(d.auth);
    notices_free(d.notices);
    event_ids_end(&d.recovery.event_ids, &d.datadir);
    datadir_set_unclean(&d.datadir, false, NULL);
    datadir_done(&d.datadir);
    return 0;
}

static int help(const struct options *options, struct err *err)
{
    (void)options;
    (void)err;
    options_help(stdout);
    return 0;
}

static int version(const struct options *options, struct err *err)
{
    (void)options;
    (void)err;
    printf("ablated %s\n", ablate_version());
    return 0;
}

static int (*const commands[])(const struct options *options, struct err *err) = {
    [OPTIONS_SERVE] = serve,
    [OPTIONS_LINK] = command_link,
    [OPTIONS_BACKUP] = command_backup,
    [OPTIONS_RESTORE] = command_restore,
    [OPTIONS_PURGE] = command_purge,
    [OPTIONS_TOKEN] = command_token,
    [OPTIONS_HELP] = help,
    [OPTIONS_VERSION] = version,
};

int main(int argc, char **argv)
{
    static struct options options;
    enum options_command command;
    struct err err = { 0 };
    if (argc == 4 && strcmp(argv[1], QUERY_PROCESS) == 0)
        query_process_main(argv[2], argv[3]);
    if (stdio_keep_open() != 0)
        return err_exit_status(ERR_INTERNAL); /* there may be nowhere to say it */
    umask(077);                               /* all that is made here is its owner's alone */
    prctl(PR_SET_DUMPABLE, 0);                /* a core would hold tokens */
    json_set_alloc_funcs(shortage_malloc, free);
    int status = options_parse(argc, argv, &options, &command, &err);
    if (status == 0)
        status = commands[command](&options, &err);
    if (status == 0)
        return 0;
    fprintf(stderr, "ablated: %s\n", err.message);
    return err_exit_status(status);
}
