/* A turn is what lies between two moments at which libuv is about to poll, less what it slept in
 * between: callbacks of descriptors run inside its polling, so that no pair of handles encloses
 * them. For the same reason the sign that the loop gives comes by an async handle, which is polled
 * for like any descriptor: a loop that turns round its timers alone gives none. */
#include "server/base/watch.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum { HURRY_MS = 100 };

const double watch_bounds_s[WATCH_BOUNDS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                              0.025,  0.1,   0.5,    2.5 };

struct watch {
    struct watch_config config;
    uv_loop_t *loop;
    uv_prepare_t prepare;
    uv_async_t sign;
    int handles;
    uint64_t polled_ns, slept_ns, cpu_ns; /* at the last turn's end */
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stopping` */
    pthread_cond_t stop;
    bool stopping;
    bool owed;         /* the watching thread's: it has asked */
    atomic_bool given; /* the loop has answered */
};

/* Where the loop is; the watching thread reads it. */
static _Atomic(const char *) now_step, now_of;

/* The loop thread's. */
static struct watch_place places[WATCH_PLACES];
static size_t places_n;
static struct watch_figures turns;

/* What the watching thread knows of stalls. */
static pthread_mutex_t stalls_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint64_t n;
    double last_s;
    int64_t last_end_ms;
} stalls;

/* Marks. */

struct watch_mark watch_enter(const char *step, const char *of)
{
    struct watch_mark mark = { atomic_load(&now_step), atomic_load(&now_of), uv_hrtime() };
    atomic_store(&now_step, step);
    atomic_store(&now_of, of);
    return mark;
}

static struct watch_place *place_of(const char *step, const char *of)
{
    for (size_t i = 0; i < places_n; i++)
        if (places[i].step == step && places[i].of == of)
            return &places[i];
    if (places_n == WATCH_PLACES)
        return NULL;
    places[places_n] = (struct watch_place){ .step = step, .of = of };
    return &places[places_n++];
}

void watch_leave(struct watch_mark mark)
{
    double took_s = (double)(uv_hrtime() - mark.begun_ns) / 1e9;
    struct watch_place *place = place_of(atomic_load(&now_step), atomic_load(&now_of));
    if (place != NULL && took_s > place->longest_s)
        place->longest_s = took_s;
    atomic_store(&now_step, mark.step);
    atomic_store(&now_of, mark.of);
}

size_t watch_places(const struct watch_place **ret)
{
    *ret = places;
    return places_n;
}

void watch_figures(struct watch_figures *ret)
{
    *ret = turns;
    pthread_mutex_lock(&stalls_lock);
    ret->stalls = stalls.n;
    ret->stall_s = stalls.last_s;
    ret->stall_end_ms = stalls.last_end_ms;
    pthread_mutex_unlock(&stalls_lock);
}

/* The loop's side. */

static uint64_t thread_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct watch *watch = prepare->data;
    uint64_t now = uv_hrtime(), slept = uv_metrics_idle_time(watch->loop), cpu = thread_cpu_ns();
    if (watch->polled_ns != 0) {
        double cpu_s = (double)(cpu - watch->cpu_ns) / 1e9;
        double took_s = (double)(int64_t)(now - watch->polled_ns - (slept - watch->slept_ns)) / 1e9;
        turns.turns++;
        turns.busy_s += took_s;
        if (took_s > turns.longest_s)
            turns.longest_s = took_s;
        if (cpu_s > turns.longest_cpu_s)
            turns.longest_cpu_s = cpu_s;
        turns.long_turns += cpu_s > WATCH_LONG_MS / 1e3;
        for (size_t i = 0; i < WATCH_BOUNDS; i++)
            turns.within[i] += took_s <= watch_bounds_s[i];
    }
    watch->polled_ns = now;
    watch->slept_ns = slept;
    watch->cpu_ns = cpu;
}

static void on_asked(uv_async_t *sign)
{
    struct watch *watch = sign->data;
    atomic_store(&watch->given, true);
}

/* The watching thread. */

/* False when it is to stop. */
static bool sleep_for(struct watch *watch, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping && pthread_cond_timedwait(&watch->stop, &watch->lock, &until) == 0)
        ;
    bool stopping = watch->stopping;
    pthread_mutex_unlock(&watch->lock);
    return !stopping;
}

static void stall_begins(int64_t owed_ms)
{
    const char *step = atomic_load(&now_step), *of = atomic_load(&now_of);
    pthread_mutex_lock(&stalls_lock);
    stalls.n++;
    pthread_mutex_unlock(&stalls_lock);
    log_error("the loop stands still: for %.1f s it has been at %s%s%s", (double)owed_ms / 1000,
              step != NULL ? step : "something unmarked", of != NULL ? " " : "",
              of != NULL ? of : "");
}

static void stall_ends(int64_t owed_ms)
{
    pthread_mutex_lock(&stalls_lock);
    stalls.last_s = (double)owed_ms / 1000;
    stalls.last_end_ms = clock_wall_ms();
    pthread_mutex_unlock(&stalls_lock);
    log_warn("the loop turns again, after %.1f s", (double)owed_ms / 1000);
}

static void *watch_main(void *arg)
{
    struct watch *watch = arg;
    const struct watch_config *config = &watch->config;
    int64_t every = config->stall_ms / 3, hurry = every < HURRY_MS ? every : HURRY_MS, owed_ms = 0;
    int64_t pause = every, last = clock_mono_ms();
    bool stands = false;
    while (sleep_for(watch, pause)) {
        int64_t now = clock_mono_ms(), passed = now - last;
        last = now;
        if (!watch->owed || atomic_load(&watch->given)) {
            if (stands)
                stall_ends(owed_ms);
            if (watch->owed)
                config->turns(config->arg);
            stands = false;
            owed_ms = 0;
            pause = every;
            watch->owed = true;
            atomic_store(&watch->given, false);
            uv_async_send(&watch->sign);
            continue;
        }
        owed_ms += passed < 2 * pause ? passed : 2 * pause;
        pause = hurry;
        if (owed_ms < config->stall_ms)
            continue;
        if (!stands)
            stall_begins(owed_ms);
        stands = true;
        config->stands((double)owed_ms / 1000, config->arg);
    }
    return NULL;
}

/* Beginning and end. */

static void on_handle_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    if (--watch->handles > 0)
        return;
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->stop);
    free(watch);
}

static void close_handles(struct watch *watch)
{
    uv_close((uv_handle_t *)&watch->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&watch->sign, on_handle_closed);
}

int watch_new(struct uv_loop_s *loop, const struct watch_config *config, struct watch **ret,
              struct err *err)
{
    struct watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t monotonic;
    if (watch == NULL)
        return err_no_memory(err, "the watch over the loop");
    watch->config = *config;
    watch->loop = loop;
    watch->handles = 2;
    watch->prepare.data = watch->sign.data = watch;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    uv_prepare_init(loop, &watch->prepare);
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_async_init(loop, &watch->sign, on_asked);
    int code = pthread_create(&watch->thread, NULL, watch_main, watch);
    if (code != 0) {
        close_handles(watch);
        errno = code;
        return err_errno(err, ERR_INTERNAL, "can't start the watching thread");
    }
    *ret = watch;
    return 0;
}

void watch_close(struct watch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_signal(&watch->stop);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    close_handles(watch);
}
