/* Which parts of an environment equal bits depend on, and the comparison of two values, which goes
 * by their bits. */
#include "common/audit/recompute.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const struct recompute_part recompute_parts[RECOMPUTE_PARTS] = {
    { "binary_sha256", "program" },
    { "blas_core", "BLAS core" },
    { "blas_settings", "BLAS settings" },
    { "code_path", "code path" },
};

bool recompute_takes(const char *artifact)
{
    const char *dot = strrchr(artifact, '.');
    return dot != NULL && strcmp(dot, ".safetensors") == 0;
}

/* A sum with +0 gives up the sign of a zero. */
bool recompute_same(double a, double b)
{
    uint64_t x, y;
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    a += 0.0;
    b += 0.0;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

bool recompute_agrees(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return x == y || json_equal(x, y);
}

void recompute_name(const bool other[RECOMPUTE_PARTS], char *ret, size_t size)
{
    size_t len = 0;
    for (int p = 0; p < RECOMPUTE_PARTS; p++)
        if (other[p] && len < size)
            len += (size_t)snprintf(ret + len, size - len, "%s%s", len > 0 ? " and " : "",
                                    recompute_parts[p].name);
    if (len == 0)
        snprintf(ret, size, "environment");
}
