/* One pass over the text with a rolling hash. A table remembers the first document of each run; a
 * later one that has it too is joined to it. */
#include "common/families.h"

#include "common/rolling.h"

#include <stdlib.h>

struct table {
    uint64_t *keys; /* 0 = empty */
    uint32_t *first;
    size_t mask;
    uint64_t stride; /* of so many runs one is looked at */
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

static void read_document(const struct table *table, const uint8_t *text, size_t n,
                          uint32_t document, uint32_t *family)
{
    uint64_t h = 0, weight = rolling_weight(FAMILY_RUN);
    for (size_t i = 0; i < n; i++) {
        h = rolling_add(h, text[i]);
        if (i >= FAMILY_RUN)
            h = rolling_drop(h, text[i - FAMILY_RUN], weight);
        if (i + 1 >= FAMILY_RUN)
            meet(table, rolling_key(h), document, family);
    }
}

int families_find(const uint8_t *text, const uint64_t *ends, size_t documents, uint32_t *ret,
                  struct err *err)
{
    uint64_t bytes = documents > 0 ? ends[documents - 1] : 0;
    struct table table = { .stride = 1 + bytes / FAMILY_RUNS_MOST };
    size_t size = 1024;
    while (size < 2 * (bytes / table.stride))
        size *= 2;
    table.mask = size - 1;
    table.keys = calloc(size, sizeof *table.keys);
    table.first = calloc(size, sizeof *table.first);
    int status = 0;
    if (table.keys == NULL || table.first == NULL) {
        status = err_set(err, ERR_NO_MEMORY, "no memory to compare %zu documents", documents);
        goto out;
    }
    for (size_t i = 0; i < documents; i++)
        ret[i] = (uint32_t)i;
    for (size_t i = 0; i < documents; i++) {
        uint64_t from = i > 0 ? ends[i - 1] : 0;
        read_document(&table, text + from, (size_t)(ends[i] - from), (uint32_t)i, ret);
    }
    for (size_t i = 0; i < documents; i++)
        ret[i] = head(ret, (uint32_t)i);
out:
    free(table.keys);
    free(table.first);
    return status;
}
