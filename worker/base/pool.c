/* A run is announced by raising `generation` under the lock; every thread, the caller too, then
 * takes numbers from one atomic counter until they are used up. Between runs the threads spin
 * briefly, as a training step is a few hundred runs, then sleep. */
#include "worker/base/pool.h"

#include <fenv.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__x86_64__) || defined(__i386__)
#define relax() __builtin_ia32_pause()
#else
#define relax() ((void)0)
#endif

enum { SPINS = 4000 };

struct pool {
    int threads;
    pthread_t *others;
    pthread_mutex_t lock;
    pthread_cond_t announced, finished;
    atomic_uint generation;
    atomic_size_t next;
    atomic_int working; /* other threads that are still at it */
    size_t n;
    void (*task)(void *, size_t, int);
    void *arg;
    bool ending;
};

struct seat {
    struct pool *pool;
    int thread;
};

static void take_tasks(struct pool *pool, int thread)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= pool->n)
            return;
        pool->task(pool->arg, i, thread);
    }
}

static unsigned await(struct pool *pool, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen)
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->announced, &pool->lock);
    unsigned now = atomic_load(&pool->generation);
    pthread_mutex_unlock(&pool->lock);
    return now;
}

static void *sit(void *arg)
{
    struct seat seat = *(struct seat *)arg;
    struct pool *pool = seat.pool;
    free(arg);
    fesetenv(FE_DFL_ENV);
    for (unsigned seen = 0;;) {
        seen = await(pool, seen);
        if (pool->ending)
            return NULL;
        take_tasks(pool, seat.thread);
        if (atomic_fetch_sub(&pool->working, 1) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void announce(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->announced);
    pthread_mutex_unlock(&pool->lock);
}

int pool_new(int threads, struct pool **ret, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || (pool->others = calloc((size_t)threads, sizeof *pool->others)) == NULL) {
        free(pool);
        return err_no_memory(err, "a pool of threads");
    }
    /* as in the others: rounding and denormals must not depend on the thread */
    fesetenv(FE_DFL_ENV);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->announced, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->threads = 1;
    for (; pool->threads < threads; pool->threads++) {
        struct seat *seat = malloc(sizeof *seat);
        if (seat != NULL)
            *seat = (struct seat){ pool, pool->threads };
        if (seat == NULL ||
            pthread_create(&pool->others[pool->threads - 1], NULL, sit, seat) != 0) {
            free(seat);
            pool_free(pool);
            return err_set(err, ERR_NO_MEMORY,
                           "%d threads were refused: no memory, or too many processes", threads);
        }
    }
    *ret = pool;
    return 0;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    pool->ending = true;
    announce(pool);
    for (int i = 1; i < pool->threads; i++)
        pthread_join(pool->others[i - 1], NULL);
    pthread_cond_destroy(&pool->announced);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->lock);
    free(pool->others);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_run(struct pool *pool, size_t n, void (*task)(void *arg, size_t i, int thread), void *arg)
{
    if (n <= 1 || pool->threads == 1) {
        for (size_t i = 0; i < n; i++)
            task(arg, i, 0);
        return;
    }
    pool->task = task;
    pool->arg = arg;
    pool->n = n;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->working, pool->threads - 1);
    announce(pool);
    take_tasks(pool, 0);
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->working, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->working) > 0)
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
