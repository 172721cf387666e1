/* recompute: what it means that a run, computed again, came out the same. One rule for the daemon,
 * which compares what attempts repeat, and for the check of a capsule. */
#ifndef ABLATE_COMMON_RECOMPUTE_H
#define ABLATE_COMMON_RECOMPUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether an artifact is compared: tensors only, since a list of batches may hold a step twice when
 * its run resumed. */
bool recompute_takes(const char *artifact);
/* Every bit, but for the sign of a zero, which SQLite doesn't keep, and NaN, which is one value. */
bool recompute_same(double a, double b);

/* What equal bits depend on besides the specification: the keys of an environment (environment_get
 * in the worker), and what they are called. */
enum { RECOMPUTE_PARTS = 4 };
extern const struct recompute_part {
    const char *key, *name;
} recompute_parts[RECOMPUTE_PARTS];
/* Whether two environments agree in a key; both may lack it. */
bool recompute_agrees(const json_t *a, const json_t *b, const char *key);
/* Names what differs, "program and BLAS core", by other[part]; "environment" when nothing does. */
void recompute_name(const bool other[RECOMPUTE_PARTS], char *ret, size_t size);

#endif
