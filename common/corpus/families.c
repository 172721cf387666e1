/* One pass over the text with a rolling hash. A table remembers the first document of each run; a
 * later one that has it too is joined to it. */
#include "common/corpus/families.h"

#include "common/corpus/rolling.h"

#include <stdlib.h>

struct table {
    uint64_t *keys; /* 0 = empty */
    uint32_t *first;
    size_t mask;
    uint64_t stride; /* of so many runs one is looked at */
};

struct families {
    struct table table;
    uint32_t *family; /* borrowed, [documents] */
    size_t documents;
    uint32_t document; /* at hand */
    uint64_t hash, weight;
    size_t length, place; /* of the run so far; where its oldest byte is, or its next one goes */
    uint8_t last[FAMILY_RUN]; /* a ring */
};

/* The family's first document, and a shorter way to it. */
static uint32_t head(uint32_t *family, uint32_t document)
{
    while (family[document] != document) {
        family[document] = family[family[document]];
        document = family[document];
    }
    return document;
}

static void join(uint32_t *family, uint32_t a, uint32_t b)
{
    uint32_t x = head(family, a), y = head(family, b);
    family[x < y ? y : x] = x < y ? x : y;
}

static void meet(const struct table *table, uint64_t key, uint32_t document, uint32_t *family)
{
    if ((key >> 32) % table->stride != 0)
        return;
    size_t slot = key & table->mask;
    while (table->keys[slot] != 0 && table->keys[slot] != key)
        slot = (slot + 1) & table->mask;
    if (table->keys[slot] == key) {
        join(family, table->first[slot], document);
    } else {
        table->keys[slot] = key;
        table->first[slot] = document;
    }
}

void families_add(struct families *f, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *oldest = &f->last[f->place];
        f->hash = rolling_add(f->hash, bytes[i]);
        if (f->length == FAMILY_RUN)
            f->hash = rolling_drop(f->hash, *oldest, f->weight);
        else
            f->length++;
        *oldest = bytes[i];
        f->place = f->place + 1 < FAMILY_RUN ? f->place + 1 : 0;
        if (f->length == FAMILY_RUN)
            meet(&f->table, rolling_key(f->hash), f->document, f->family);
    }
}

void families_next(struct families *f)
{
    f->document++;
    f->hash = 0;
    f->length = f->place = 0;
}

void families_end(struct families *f)
{
    for (size_t i = 0; i < f->documents; i++)
        f->family[i] = head(f->family, (uint32_t)i);
}

void families_free(struct families *f)
{
    if (f != NULL) {
        free(f->table.keys);
        free(f->table.first);
    }
    free(f);
}

int families_new(uint32_t *ret, size_t documents, uint64_t bytes, struct families **ret_families,
                 struct err *err)
{
    struct families *f = calloc(1, sizeof *f);
    size_t size = 1024;
    if (f == NULL)
        return err_no_memory(err, "a comparison of %zu documents", documents);
    f->table.stride = 1 + bytes / FAMILY_RUNS_MOST;
    while (size < 2 * (bytes / f->table.stride))
        size *= 2;
    f->table.mask = size - 1;
    f->table.keys = calloc(size, sizeof *f->table.keys);
    f->table.first = calloc(size, sizeof *f->table.first);
    f->family = ret;
    f->documents = documents;
    f->weight = rolling_weight(FAMILY_RUN);
    if (f->table.keys == NULL || f->table.first == NULL) {
        families_free(f);
        return err_no_memory(err, "a comparison of %zu documents", documents);
    }
    for (size_t i = 0; i < documents; i++)
        ret[i] = (uint32_t)i;
    *ret_families = f;
    return 0;
}

int families_find(const uint8_t *text, const uint64_t *ends, size_t documents, uint32_t *ret,
                  struct err *err)
{
    struct families *f = NULL;
    int status = families_new(ret, documents, documents > 0 ? ends[documents - 1] : 0, &f, err);
    for (size_t i = 0; i < documents && status == 0; i++) {
        uint64_t from = i > 0 ? ends[i - 1] : 0;
        families_add(f, text + from, (size_t)(ends[i] - from));
        families_next(f);
    }
    if (status == 0)
        families_end(f);
    families_free(f);
    return status;
}
