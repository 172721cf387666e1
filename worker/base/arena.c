/* One block of zeroed memory, in huge pages when it is large. */
#include "worker/base/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Blocks of this size and up ask for huge pages: matrices are read in strides that would otherwise
 * miss the TLB at every row. */
enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *at = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used += bytes;
    return at;
}

int arena_build(struct arena *arena, struct err *err)
{
    size_t alignment = arena->used >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    size_t size = (arena->used + alignment - 1) / alignment * alignment;
    char *base = aligned_alloc(alignment, size > 0 ? size : alignment);
    if (base == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory: %zu bytes were refused", size);
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE)
        madvise(base, size, MADV_HUGEPAGE);
#endif
    memset(base, 0, size);
    *arena = (struct arena){ .base = base, .size = size };
    return 0;
}

void arena_done(struct arena *arena)
{
    free(arena->base);
    *arena = (struct arena){ 0 };
}
