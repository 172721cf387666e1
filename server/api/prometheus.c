/* GET /metrics: Prometheus' text format 0.0.4. A row a figure; what comes from the disk or the
 * store is read by a reader, the rest is the loop's. Names follow the conventions: base units,
 * _total for counters, process_* as the usual clients name them. */
#include "server/api/api.h"

#include "common/base/clock.h"
#include "common/base/version.h"
#include "server/base/watch.h"
#include "server/data/datadir.h"
#include "server/feed/stream.h"
#include "server/http/exchange/exchange_request.h"
#include "server/http/httpd.h"
#include "server/jobs/space.h"
#include "server/jobs/work.h"
#include "server/runs/supervisor.h"
#include "server/store/runs/store_attempts.h"
#include "server/store/runs/store_purge.h"
#include "server/store/runs/store_runs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct figures {
    struct queue_counts queue;
    int64_t states[RUN_STATES];
    int64_t purging, database_bytes, wal_bytes, resident_bytes, descriptors;
};

static int64_t file_bytes(const struct datadir *datadir, const char *name)
{
    char path[PATH_MAX];
    struct stat file;
    datadir_path(datadir, path, "%s", name);
    return stat(path, &file) == 0 ? file.st_size : 0;
}

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void)
{
    int64_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        n++;
    if (folder != NULL)
        closedir(folder);
    return n > 3 ? n - 3 : 0; /* . and .. and the folder itself */
}

int prometheus_read(struct request *req, struct store *store, struct err *err)
{
    struct figures *f = request_state(req, sizeof *f, NULL, err);
    if (f == NULL)
        return -ERR_NO_MEMORY;
    f->database_bytes = file_bytes(req->app->datadir, "ablate.db");
    f->wal_bytes = file_bytes(req->app->datadir, "ablate.db-wal");
    f->resident_bytes = resident_bytes();
    f->descriptors = open_descriptors();
    int status = store_queue_counts(store, &f->queue, err);
    if (status == 0)
        status = store_run_states(store, f->states, err);
    return status == 0 ? store_purge_count(store, &f->purging, err) : status;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void family(struct buf *to, const char *name, const char *kind, const char *help)
{
    buf_addf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void states(struct buf *to, const struct figures *f)
{
    family(to, "ablate_runs", "gauge", "Runs by state.");
    for (int i = 0; i < RUN_STATES; i++)
        buf_addf(to, "ablate_runs{state=\"%s\"} %lld\n", run_state_names[i],
                 (long long)f->states[i]);
}

static void disk_state(struct buf *to, enum space_state now)
{
    family(to, "ablate_disk_state", "gauge", "1 for the state that the disk is in.");
    for (int i = 0; space_state_names[i] != NULL; i++)
        buf_addf(to, "ablate_disk_state{state=\"%s\"} %d\n", space_state_names[i], (int)now == i);
}

static void refusals(struct buf *to, const struct httpd *httpd)
{
    const char *reason;
    uint64_t n;
    family(to, "ablate_refused_total", "counter", "Requests turned away, by the problem's code.");
    for (size_t i = 0; httpd_refused(httpd, i, &reason, &n); i++)
        buf_addf(to, "ablate_refused_total{reason=\"%s\"} %llu\n", reason, (unsigned long long)n);
}

/* What the loop does with its time. */
static void loop(struct buf *to)
{
    struct watch_figures figures;
    const struct watch_place *places;
    watch_figures(&figures);
    family(to, "ablate_loop_turn_seconds", "histogram",
           "Turns of the loop that everything passes through, the time that it slept not counted.");
    for (size_t i = 0; i < WATCH_BOUNDS; i++)
        buf_addf(to, "ablate_loop_turn_seconds_bucket{le=\"%g\"} %llu\n", watch_bounds_s[i],
                 (unsigned long long)figures.within[i]);
    buf_addf(to,
             "ablate_loop_turn_seconds_bucket{le=\"+Inf\"} %llu\nablate_loop_turn_seconds_sum "
             "%.17g\nablate_loop_turn_seconds_count %llu\n",
             (unsigned long long)figures.turns, figures.busy_s, (unsigned long long)figures.turns);
    family(to, "ablate_loop_turn_longest_seconds", "gauge", "The longest turn so far.");
    buf_addf(to, "ablate_loop_turn_longest_seconds %.17g\n", figures.longest_s);
    family(to, "ablate_loop_turn_longest_cpu_seconds", "gauge",
           "The most that a turn has computed: on a busy machine turns also wait.");
    buf_addf(to, "ablate_loop_turn_longest_cpu_seconds %.17g\n", figures.longest_cpu_s);
    family(to, "ablate_loop_long_turns_total", "counter",
           "Turns that computed for more than 5 ms.");
    buf_addf(to, "ablate_loop_long_turns_total %llu\n", (unsigned long long)figures.long_turns);
    family(to, "ablate_loop_stalls_total", "counter", "Times that the loop stood still.");
    buf_addf(to, "ablate_loop_stalls_total %llu\n", (unsigned long long)figures.stalls);
    family(to, "ablate_loop_part_longest_seconds", "gauge",
           "The longest that a part of the loop's work has taken so far.");
    for (size_t i = 0, n = watch_places(&places); i < n; i++)
        buf_addf(to, "ablate_loop_part_longest_seconds{part=\"%s%s%s\"} %.17g\n", places[i].step,
                 places[i].of[0] != '\0' ? " " : "", places[i].of, places[i].longest_s);
}

int prometheus_finish(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct figures *f = req->state;
    const struct app *app = req->app;
    const struct space_seen *seen = space_seen(app->space);
    const double uptime_s = (double)(clock_mono_ms() - app->started_ms) / 1000;
    const struct {
        const char *name, *kind, *help;
        double value;
    } rows[] = {
        { "ablate_queue_paused", "gauge", "1 while no runs are claimed.", f->queue.paused },
        { "ablate_verifications", "gauge", "Verifications, queued or running.",
          (double)f->queue.verifying },
        { "ablate_purging", "gauge", "Experiments whose purge isn't over.", (double)f->purging },
        { "ablate_slots", "gauge", "Runs that may train at once.",
          (double)supervisor_limits(app->supervisor)->slots },
        { "ablate_disk_free_bytes", "gauge", "Free on the data folder's disk.",
          (double)seen->free_bytes },
        { "ablate_disk_size_bytes", "gauge", "Size of the data folder's disk.",
          (double)seen->disk_bytes },
        { "ablate_ballast_bytes", "gauge", "Room held for when the disk is full.",
          (double)seen->ballast_bytes },
        { "ablate_database_bytes", "gauge", "Size of the database file.",
          (double)f->database_bytes },
        { "ablate_wal_bytes", "gauge", "Size of the write-ahead log.", (double)f->wal_bytes },
        { "ablate_writer_backlog", "gauge", "Jobs at the writer thread.",
          (double)work_backlog(app->work) },
        { "ablate_writer_busy_seconds", "gauge", "Age of the transaction under way.",
          (double)work_busy_ms(app->work) / 1000 },
        { "ablate_commits_total", "counter", "Transactions that the writer has committed.",
          (double)work_commits(app->work) },
        { "ablate_event_readers", "gauge", "Readers of the event stream.",
          (double)stream_subscribers(app->stream) },
        { "ablate_events_total", "counter", "Events that were published.",
          (double)stream_last_seq(app->stream) },
        { "ablate_connections", "gauge", "Open HTTP connections.",
          (double)httpd_connections(app->httpd) },
        { "ablate_uptime_seconds", "gauge", "Since the daemon started.", uptime_s },
        { "process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970.",
          (double)clock_wall_ms() / 1000 - uptime_s },
        { "process_cpu_seconds_total", "counter", "CPU time of the daemon, workers not counted.",
          cpu_seconds() },
        { "process_resident_memory_bytes", "gauge", "Memory of the daemon, workers not counted.",
          (double)f->resident_bytes },
        { "process_open_fds", "gauge", "Open file descriptors.", (double)f->descriptors },
    };
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        family(&reply->body, rows[i].name, rows[i].kind, rows[i].help);
        buf_addf(&reply->body, "%s %.17g\n", rows[i].name, rows[i].value);
    }
    states(&reply->body, f);
    disk_state(&reply->body, seen->state);
    refusals(&reply->body, app->httpd);
    loop(&reply->body);
    family(&reply->body, "ablate_build_info", "gauge", "Always 1.");
    buf_addf(&reply->body, "ablate_build_info{version=\"%s\"} 1\n", ablate_version());
    return 0;
}
