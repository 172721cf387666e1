/* What a transaction touches: a list in the order of first touch, of which store_events.c makes
 * rows when it ends. A thing that is touched again in the same savepoint is found in a hash table
 * of chains through the list. Each chain goes from the newest touch to older ones, and savepoints
 * give up the newest only, so that what is given up always heads its chain. Cost: one look a touch,
 * however many things a transaction touches.
 */
#include "server/store/runs/store_touches.h"

#include "server/store/runs/store_events.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_FIRST = 64 };

/* Every log line and every finding is a thing of its own: none is looked for among the others. */
static bool is_single(enum event_kind kind)
{
    return kind == EVENT_LOG || kind == EVENT_AUDIT;
}

static bool same(const struct touch *a, const struct touch *b)
{
    return a->kind == b->kind && a->run == b->run && a->experiment == b->experiment &&
           a->id == b->id && a->name == b->name;
}

/* The chain that a thing is in. */
static size_t *head_of(struct touches *all, const struct touch *what)
{
    const int64_t key[] = { what->kind, what->run, what->experiment, what->id, what->name };
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        hash = (hash ^ (uint64_t)key[i]) * 0x9e3779b97f4a7c15; /* 2^64 / golden ratio */
        hash ^= hash >> 32;
    }
    return &all->heads[hash & (all->size - 1)];
}

static void chain(struct touches *all, size_t i)
{
    size_t *head = head_of(all, &all->of[i]);
    all->of[i].next = *head;
    *head = i + 1;
}

static void truncate_to(struct touches *all, size_t n)
{
    while (all->n > n) {
        struct touch *last = &all->of[--all->n];
        *head_of(all, last) = last->next;
        free(last->data);
    }
}

/* One chain a touch, on average. */
static bool grow(struct touches *all)
{
    size_t size = all->size == 0 ? SIZE_FIRST : all->size * 2;
    struct touch *of = reallocarray(all->of, size, sizeof *of);
    if (of == NULL)
        return false;
    all->of = of;
    size_t *heads = calloc(size, sizeof *heads);
    if (heads == NULL)
        return false;
    free(all->heads);
    all->heads = heads;
    all->size = size;
    for (size_t i = 0; i < all->n; i++)
        chain(all, i);
    return true;
}

/* Marks a thing once per savepoint. NULL when memory ran out, which store_events_flush tells. */
static struct touch *touch(struct store *store, const struct touch *what)
{
    struct touches *all = &store->touches;
    if (!is_single(what->kind) && all->n > 0)
        for (size_t at = *head_of(all, what); at > all->mark; at = all->of[at - 1].next)
            if (same(&all->of[at - 1], what))
                return &all->of[at - 1];
    if (all->n == all->size && !grow(all)) {
        all->lost = true;
        return NULL;
    }
    all->of[all->n] = *what;
    chain(all, all->n);
    return &all->of[all->n++];
}

void store_touches_mark(struct store *store)
{
    store->touches.mark = store->touches.n;
}

void store_touches_rollback(struct store *store)
{
    truncate_to(&store->touches, store->touches.mark);
}

void store_touches_clear(struct store *store)
{
    truncate_to(&store->touches, 0);
    store->touches.mark = 0;
    store->touches.lost = false;
}

void store_touches_done(struct store *store)
{
    store_touches_clear(store);
    free(store->touches.of);
    free(store->touches.heads);
    store->touches = (struct touches){ 0 };
}

void store_touch_run(struct store *store, int64_t experiment, int64_t run)
{
    touch(store, &(struct touch){ .kind = EVENT_RUN, .experiment = experiment, .run = run });
}

void store_touch_ended(struct store *store, int64_t experiment, int64_t run)
{
    struct touch *mark =
        touch(store, &(struct touch){ .kind = EVENT_RUN, .experiment = experiment, .run = run });
    if (mark != NULL)
        mark->ended = true;
}

void store_touch_experiment(struct store *store, int64_t experiment)
{
    touch(store, &(struct touch){ .kind = EVENT_EXPERIMENT, .experiment = experiment });
}

void store_touch_metrics(struct store *store, int64_t experiment, int64_t run, int64_t name,
                         int64_t from, int64_t to)
{
    struct touch *mark = touch(store, &(struct touch){ .kind = EVENT_METRICS,
                                                       .experiment = experiment,
                                                       .run = run,
                                                       .name = name,
                                                       .from = from,
                                                       .to = to });
    if (mark != NULL) {
        mark->from = from < mark->from ? from : mark->from;
        mark->to = to > mark->to ? to : mark->to;
    }
}

void store_touch_audit(struct store *store, int64_t experiment, int64_t run, int64_t audit)
{
    touch(store, &(struct touch){
                     .kind = EVENT_AUDIT, .experiment = experiment, .run = run, .id = audit });
}

void store_touch_log(struct store *store, int64_t experiment, int64_t run, const char *data)
{
    struct touch *mark =
        touch(store, &(struct touch){ .kind = EVENT_LOG, .experiment = experiment, .run = run });
    if (mark != NULL && (mark->data = strdup(data)) == NULL)
        store->touches.lost = true;
}

void store_touch_queue(struct store *store)
{
    touch(store, &(struct touch){ .kind = EVENT_QUEUE });
}

static bool is_among(const int64_t *ids, size_t n, int64_t id)
{
    while (n > 0 && ids[n - 1] != id)
        n--;
    return n > 0;
}

int store_touched(struct store *store, bool audits, int64_t **ret, size_t *ret_n, struct err *err)
{
    for (size_t i = 0; i < store->touches.n; i++) {
        const struct touch *touch = &store->touches.of[i];
        bool counts = touch->ended || (audits && touch->kind == EVENT_AUDIT);
        if (!counts || is_among(*ret, *ret_n, touch->experiment))
            continue;
        int64_t *id = store_grow((void **)ret, ret_n, sizeof *id);
        if (id == NULL)
            return err_no_memory(err, "%zu experiments", *ret_n + 1);
        *id = touch->experiment;
    }
    return 0;
}
