/* Places of the corpus are places in split.tokens, where each token stands once. A context with its
 * target is identified by a 64-bit rolling hash. The hashes of validation go into a table, in which
 * those of the training stream are then looked up.
 *
 * What validation asks for is read from the windows that it is handed, not from where they ought to
 * stand. A window that doesn't hold what stands at its place is looked for in training; if it isn't
 * there either, it has no place, and nothing before it. */
#include "common/corpus/overlap.h"

#include "common/corpus/rolling.h"
#include "common/json/jsonx.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GRAM = OVERLAP_CONTEXT + 1 };

struct table {
    uint64_t *keys; /* 0 = empty */
    uint8_t *known;
    size_t mask, used; /* at most half */
};

static size_t slot_of(const struct table *table, uint64_t key)
{
    size_t slot = key & table->mask;
    while (table->keys[slot] != 0 && table->keys[slot] != key)
        slot = (slot + 1) & table->mask;
    return slot;
}

/* The table has room for what stands in the part; windows of anything else may find it full. */
static void insert(struct table *table, uint64_t key)
{
    size_t slot = slot_of(table, key);
    if (table->keys[slot] == 0 && table->used <= table->mask / 2) {
        table->keys[slot] = key;
        table->used++;
    }
}

static size_t start_of(const struct corpus_split *split, enum corpus_part part, size_t window)
{
    size_t first = split->parts[part].first;
    const uint32_t *starts = split->parts[part].starts;
    return first + (starts != NULL ? starts[window] : window * split->seq_len);
}

/* marks[place] = 1 where a training window has a target. */
static void mark_targets(const struct corpus_split *split, uint8_t *marks)
{
    for (size_t i = 0; i < split->parts[CORPUS_TRAIN].windows; i++)
        memset(marks + start_of(split, CORPUS_TRAIN, i) + 1, 1, split->seq_len);
}

/* A window that validation is handed, with what stands before it in its part. */
struct window {
    int32_t *tokens; /* [OVERLAP_CONTEXT + T + 1] */
    size_t first;    /* of what is known; the window begins at OVERLAP_CONTEXT */
    size_t start;    /* its place in the corpus; NOWHERE */
};
enum { NOWHERE = -1 };

static bool stands_at(const struct corpus_split *split, const int32_t *tokens, size_t place)
{
    for (size_t t = 0; t <= split->seq_len; t++)
        if (tokens[t] != split->tokens[place + t])
            return false;
    return true;
}

/* The part where the window stands, in *ret_start its place: validation's own, or training. */
static enum corpus_part find(const struct corpus_split *split, const int32_t *tokens, size_t own,
                             size_t *ret_start)
{
    size_t first = split->parts[CORPUS_TRAIN].first;
    size_t end = first + split->parts[CORPUS_TRAIN].n;
    *ret_start = own;
    if (stands_at(split, tokens, own))
        return CORPUS_VAL;
    for (size_t at = first; at + split->seq_len < end; at++)
        if (stands_at(split, tokens, at)) {
            *ret_start = at;
            return CORPUS_TRAIN;
        }
    *ret_start = (size_t)NOWHERE;
    return CORPUS_VAL;
}

/* The windows of validation, of which m are looked at. */
struct handed {
    const struct corpus_split *split;
    const struct overlap_windows *windows; /* NULL: as the split has them */
    size_t m;
};

static void read_window(const struct handed *handed, size_t i, struct window *ret)
{
    const struct corpus_split *split = handed->split;
    size_t own = i * split->parts[CORPUS_VAL].windows / handed->m, before = 0;
    int32_t *tokens = ret->tokens + OVERLAP_CONTEXT;
    if (handed->windows != NULL)
        handed->windows->read(handed->windows->arg, i, tokens);
    else
        corpus_split_window(split, CORPUS_VAL, own, tokens);
    enum corpus_part part = find(split, tokens, start_of(split, CORPUS_VAL, own), &ret->start);
    if (ret->start != (size_t)NOWHERE)
        before = ret->start - split->parts[part].first;
    if (before > OVERLAP_CONTEXT)
        before = OVERLAP_CONTEXT;
    for (size_t k = 1; k <= before; k++)
        ret->tokens[OVERLAP_CONTEXT - k] = split->tokens[ret->start - k];
    ret->first = OVERLAP_CONTEXT - before;
}

/* Whether OVERLAP_CONTEXT tokens before the window's target t are known, and the hash of it all. */
static bool context_of(const struct window *window, size_t t, uint64_t *ret)
{
    uint64_t h = 0;
    if (t < window->first)
        return false;
    for (size_t i = t; i < t + GRAM; i++)
        h = rolling_add(h, (uint16_t)window->tokens[i]);
    *ret = rolling_key(h);
    return true;
}

/* Counts the validation targets, and puts the hashes of their contexts into the table. */
static void ask(const struct handed *handed, const uint8_t *marks, struct table *table,
                struct window *window, struct overlap *ret)
{
    for (size_t i = 0; i < handed->m; i++) {
        uint64_t key;
        read_window(handed, i, window);
        for (size_t t = 1; t <= handed->split->seq_len; t++) {
            ret->targets++;
            ret->same += window->start != (size_t)NOWHERE && marks[window->start + t];
            if (context_of(window, t, &key))
                insert(table, key);
        }
    }
}

static void search(const struct corpus_split *split, const uint8_t *marks, struct table *table)
{
    size_t first = split->parts[CORPUS_TRAIN].first, n = split->parts[CORPUS_TRAIN].n;
    uint64_t h = 0, weight = rolling_weight(GRAM);
    for (size_t at = first; at < first + n; at++) {
        h = rolling_add(h, split->tokens[at]);
        if (at >= first + GRAM)
            h = rolling_drop(h, split->tokens[at - GRAM], weight);
        if (at < first + OVERLAP_CONTEXT || !marks[at])
            continue;
        size_t slot = slot_of(table, rolling_key(h));
        if (table->keys[slot] != 0)
            table->known[slot] = 1;
    }
}

static void answer(const struct handed *handed, const struct table *table, struct window *window,
                   struct overlap *ret)
{
    for (size_t i = 0; i < handed->m; i++) {
        uint64_t key;
        read_window(handed, i, window);
        for (size_t t = 1; t <= handed->split->seq_len; t++) {
            if (!context_of(window, t, &key))
                continue;
            ret->contexts++;
            ret->known += table->known[slot_of(table, key)];
        }
    }
}

static size_t tokens_in(const struct corpus_split *split)
{
    size_t most = 0;
    for (int part = 0; part < CORPUS_PARTS; part++)
        if (split->parts[part].first + split->parts[part].n > most)
            most = split->parts[part].first + split->parts[part].n;
    return most;
}

int overlap_measure(const struct corpus_split *split, int64_t eval_windows,
                    const struct overlap_windows *windows, struct overlap *ret, struct err *err)
{
    const struct handed handed = { split, windows,
                                   corpus_eval_windows(split, CORPUS_VAL, eval_windows) };
    size_t targets = handed.m * split->seq_len, size = 1024;
    size_t places = split->parts[CORPUS_VAL].n < targets ? split->parts[CORPUS_VAL].n : targets;
    struct overlap found = { 0 };
    struct window window = { 0 };
    while (size < 2 * places)
        size *= 2;
    struct table table = { .mask = size - 1 };
    uint8_t *marks = calloc(tokens_in(split) + 1, sizeof *marks);
    table.keys = calloc(size, sizeof *table.keys);
    table.known = calloc(size, sizeof *table.known);
    window.tokens = calloc(OVERLAP_CONTEXT + split->seq_len + 1, sizeof *window.tokens);
    int status = 0;
    if (marks == NULL || table.keys == NULL || table.known == NULL || window.tokens == NULL) {
        status = err_no_memory(err, "a comparison of %zu targets", targets);
    } else {
        mark_targets(split, marks);
        ask(&handed, marks, &table, &window, &found);
        search(split, marks, &table);
        answer(&handed, &table, &window, &found);
        *ret = found;
    }
    free(marks);
    free(table.keys);
    free(table.known);
    free(window.tokens);
    return status;
}

enum overlap_grade overlap_grade(const struct overlap *o)
{
    double known = overlap_share(o->known, o->contexts);
    return o->same > 0 || known > 0.01 ? OVERLAP_MUCH
           : known > 0.001             ? OVERLAP_SOME
                                       : OVERLAP_LITTLE;
}

void overlap_say(const struct overlap *o, struct buf *to)
{
    if (o->same > 0)
        buf_addf(to,
                 "%.2f %% of the validation targets are training targets at the same place of the "
                 "corpus: validation measures memory",
                 100 * overlap_share(o->same, o->targets));
    else
        buf_addf(to,
                 "no validation target was trained on; %.3f %% of them stand in training too with "
                 "the same %d tokens before them",
                 100 * overlap_share(o->known, o->contexts), OVERLAP_CONTEXT);
}

json_t *overlap_json(const struct overlap *o)
{
    return json_pack("{s:I, s:I, s:o, s:I, s:I, s:o, s:i}", "targets", (json_int_t)o->targets,
                     "trained_at_same_place", (json_int_t)o->same, "trained_share",
                     jsonx_number(overlap_share(o->same, o->targets)), "contexts",
                     (json_int_t)o->contexts, "contexts_in_training", (json_int_t)o->known,
                     "contexts_share", jsonx_number(overlap_share(o->known, o->contexts)),
                     "context", OVERLAP_CONTEXT);
}
