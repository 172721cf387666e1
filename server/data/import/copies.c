/* Copies of what was seen before: a set of halves of digests, by open addressing. */

#include "server/data/import/copies.h"

#include "server/data/import/import.h"

#include <stdlib.h>
#include <string.h>

enum { HALF = 16, SLOTS = 1024 };

struct copies {
    uint8_t (*slots)[HALF]; /* all zero = free */
    size_t size, n;
};

static const uint8_t none[HALF];

int copies_new(struct copies **ret, struct err *err)
{
    struct copies *copies = calloc(1, sizeof *copies);
    if (copies == NULL)
        return err_no_memory(err, "an import");
    *ret = copies;
    return 0;
}

void copies_free(struct copies *copies)
{
    if (copies != NULL)
        free(copies->slots);
    free(copies);
}

/* Where a digest is, or would be. */
static uint8_t *place(uint8_t (*slots)[HALF], size_t size, const uint8_t sum[HALF])
{
    uint64_t at;
    memcpy(&at, sum, sizeof at);
    while (memcmp(slots[at % size], none, HALF) != 0 && memcmp(slots[at % size], sum, HALF) != 0)
        at++;
    return slots[at % size];
}

static bool grow(struct copies *copies)
{
    size_t size = copies->size == 0 ? SLOTS : copies->size * 2;
    uint8_t(*more)[HALF] = calloc(size, sizeof *more);
    if (more == NULL)
        return false;
    for (size_t i = 0; i < copies->size; i++)
        if (memcmp(copies->slots[i], none, HALF) != 0)
            memcpy(place(more, size, copies->slots[i]), copies->slots[i], HALF);
    free(copies->slots);
    copies->slots = more;
    copies->size = size;
    return true;
}

int copies_add(struct copies *copies, const struct digest *digest, struct err *err)
{
    uint8_t sum[DIGEST_BYTES];
    struct digest end = *digest;
    if (2 * copies->n >= copies->size && !grow(copies))
        return err_no_memory(err, "%zu documents", copies->n);
    digest_end(&end, sum);
    sum[0] |= 1; /* never all zero */
    uint8_t *slot = place(copies->slots, copies->size, sum);
    if (memcmp(slot, sum, HALF) == 0)
        return 0;
    if (copies->n >= IMPORT_DOCUMENTS_MAX)
        return err_set(err, ERR_BAD_CORPUS, "a corpus may have at most %d documents",
                       IMPORT_DOCUMENTS_MAX);
    memcpy(slot, sum, HALF);
    copies->n++;
    return 1;
}
