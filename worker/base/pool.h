/* pool: threads that share out numbered tasks.
 *
 * What a task computes depends on its number alone, and tasks write to disjoint places; which
 * thread runs it, and how many there are, can't show in the results. Work that ends in a sum is
 * split into parts fixed by shape, each part's sum is stored, and the sums are added in order.
 */
#ifndef ABLATE_WORKER_POOL_H
#define ABLATE_WORKER_POOL_H

#include "common/base/err.h"

#include <stddef.h>

struct pool;

/* threads ≥ 1, the caller's own included. Errors: NO_MEMORY, of a thread that is refused, too. */
int pool_new(int threads, struct pool **ret, struct err *err);
void pool_free(struct pool *pool);
int pool_threads(const struct pool *pool);
/* Runs task(arg, i, thread) for i = 0 … n−1 and returns when all are done. thread < pool_threads()
 * names scratch space that nobody else uses meanwhile. Not reentrant. */
void pool_run(struct pool *pool, size_t n, void (*task)(void *arg, size_t i, int thread),
              void *arg);

#endif
