/* When to checkpoint, from the number of commits, the size of the log's file and the clock. */
#include "server/jobs/wal.h"

#include "common/base/clock.h"

enum { PASSIVE_EVERY = 64 /* commits */ };

static void look(struct wal *wal, struct store *store)
{
    wal->bytes = store_wal_bytes(store);
    wal->idle_from = clock_mono_ms();
}

static void truncate_it(struct wal *wal, struct store *store)
{
    store_checkpoint(store, true, NULL); /* what it can't do now is done another time */
    look(wal, store);
    wal->held = wal->bytes > WAL_BOUND;
}

void wal_begin(struct wal *wal, struct store *store)
{
    *wal = (struct wal){ 0 };
    look(wal, store);
}

void wal_committed(struct wal *wal, struct store *store)
{
    bool turn = ++wal->commits % PASSIVE_EVERY == 0;
    look(wal, store);
    if (wal->bytes > WAL_BOUND && (turn || !wal->held))
        truncate_it(wal, store);
    else if (turn)
        store_checkpoint(store, false, NULL);
}

void wal_rest(struct wal *wal, struct store *store)
{
    if (wal->bytes > 0 && clock_mono_ms() - wal->idle_from >= WAL_IDLE_MS)
        truncate_it(wal, store);
}
