/* arena: one allocation for a family of buffers.
 *
 * The code that lays buffers out runs twice: first with base NULL, when arena_take only counts,
 * then with the memory in place. So sizes are written once, and nothing is allocated later.
 */
#ifndef ABLATE_WORKER_ARENA_H
#define ABLATE_WORKER_ARENA_H

#include "common/base/err.h"

#include <stddef.h>

struct arena {
    char *base; /* NULL while counting; owned */
    size_t used, size;
};

/* count × size bytes, aligned to 64, zeroed; NULL while counting. */
void *arena_take(struct arena *arena, size_t count, size_t size);
/* After counting: allocates what was counted and starts again from 0. Errors: NO_MEMORY. */
int arena_build(struct arena *arena, struct err *err);
void arena_done(struct arena *arena);

#endif
