#include "worker/arena.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *at = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used += bytes;
    return at;
}

int arena_build(struct arena *arena, struct err *err)
{
    size_t size = arena->used > 0 ? arena->used : ALIGNMENT;
    char *base = aligned_alloc(ALIGNMENT, size);
    if (base == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory: %zu bytes were refused", size);
    memset(base, 0, size);
    *arena = (struct arena){ .base = base, .size = size };
    return 0;
}

void arena_done(struct arena *arena)
{
    free(arena->base);
    *arena = (struct arena){ 0 };
}
