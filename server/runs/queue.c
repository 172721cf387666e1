/* One walk over the candidates, which ends at the first that doesn't fit. */
#include "server/runs/queue.h"

size_t queue_choose(const struct queue_limits *limits, const struct queue_load *load,
                    const struct queued_run *candidates, size_t n, size_t *ret)
{
    struct queue_load now = *load;
    size_t chosen = 0;
    for (size_t i = 0; i < n && !limits->paused && !now.exclusive; i++) {
        const struct queued_run *run = &candidates[i];
        if (now.running >= limits->slots)
            break;
        /* A run that is alone is let in whatever its estimate: its size was checked against the cap
         * at submit. */
        if (now.running > 0 &&
            (run->exclusive || now.memory_bytes + run->memory_bytes > limits->memory_bytes))
            break;
        now.running++;
        now.memory_bytes += run->memory_bytes;
        now.exclusive = run->exclusive;
        ret[chosen++] = i;
    }
    return chosen;
}
