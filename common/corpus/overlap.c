/* Places of the corpus are places in split.tokens, where each token stands once. A context with its
 * target is identified by a 64-bit rolling hash. The hashes of validation go into a table, in which
 * those of the training stream are then looked up. */
#include "common/corpus/overlap.h"

#include "common/corpus/rolling.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GRAM = OVERLAP_CONTEXT + 1 };

struct table {
    uint64_t *keys; /* 0 = empty */
    uint8_t *known;
    size_t mask;
};

static size_t slot_of(const struct table *table, uint64_t key)
{
    size_t slot = key & table->mask;
    while (table->keys[slot] != 0 && table->keys[slot] != key)
        slot = (slot + 1) & table->mask;
    return slot;
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

static uint64_t hash_ending(const uint16_t *tokens, size_t at)
{
    uint64_t h = 0;
    for (size_t i = at + 1 - GRAM; i <= at; i++)
        h = rolling_add(h, tokens[i]);
    return rolling_key(h);
}

/* Counts the validation targets, and puts the hashes of their contexts into the table. m: windows
 * that evaluation looks at. */
static void ask(const struct corpus_split *split, size_t m, const uint8_t *marks,
                struct table *table, struct overlap *ret)
{
    size_t n = split->parts[CORPUS_VAL].windows;
    for (size_t i = 0; i < m; i++) {
        size_t start = start_of(split, CORPUS_VAL, i * n / m);
        for (size_t at = start + 1; at <= start + split->seq_len; at++) {
            ret->targets++;
            ret->same += marks[at];
            if (at < split->parts[CORPUS_VAL].first + OVERLAP_CONTEXT)
                continue;
            uint64_t key = hash_ending(split->tokens, at);
            table->keys[slot_of(table, key)] = key;
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

static void answer(const struct corpus_split *split, size_t m, const struct table *table,
                   struct overlap *ret)
{
    size_t n = split->parts[CORPUS_VAL].windows;
    for (size_t i = 0; i < m; i++) {
        size_t start = start_of(split, CORPUS_VAL, i * n / m);
        for (size_t at = start + 1; at <= start + split->seq_len; at++) {
            if (at < split->parts[CORPUS_VAL].first + OVERLAP_CONTEXT)
                continue;
            ret->contexts++;
            ret->known += table->known[slot_of(table, hash_ending(split->tokens, at))];
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

int overlap_measure(const struct corpus_split *split, int64_t eval_windows, struct overlap *ret,
                    struct err *err)
{
    size_t m = corpus_eval_windows(split, CORPUS_VAL, eval_windows);
    size_t targets = m * split->seq_len, size = 1024;
    size_t places = split->parts[CORPUS_VAL].n < targets ? split->parts[CORPUS_VAL].n : targets;
    struct overlap found = { 0 };
    while (size < 2 * places)
        size *= 2;
    struct table table = { .mask = size - 1 };
    uint8_t *marks = calloc(tokens_in(split) + 1, sizeof *marks);
    table.keys = calloc(size, sizeof *table.keys);
    table.known = calloc(size, sizeof *table.known);
    int status = 0;
    if (marks == NULL || table.keys == NULL || table.known == NULL) {
        status = err_no_memory(err, "a comparison of %zu targets", targets);
    } else {
        mark_targets(split, marks);
        ask(split, m, marks, &table, &found);
        search(split, marks, &table);
        answer(split, m, &table, &found);
        *ret = found;
    }
    free(marks);
    free(table.keys);
    free(table.known);
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
