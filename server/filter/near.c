/* By Levenshtein's distance. A name whose end is what was wanted (val/loss of metrics.val/loss) is as
 * near as one letter. */
#include "server/filter/near.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[NEAR_BYTES + 1], n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(row[j], diagonal) + 1);
        }
    }
    return row[n];
}

void near_add(struct near *near, const char *name)
{
    size_t wanted = strlen(near->wanted), len = strlen(name);
    if (len >= NEAR_BYTES || wanted >= NEAR_BYTES || wanted == 0)
        return;
    const char *end = len > wanted ? name + len - wanted : name;
    size_t far =
        strcasecmp(end, near->wanted) == 0 && (end == name || strchr("./", end[-1]) != NULL)
            ? 1
            : distance(near->wanted, name);
    if (far > 1 + wanted / 5)
        return;
    for (size_t i = 0; i < near->n; i++)
        if (strcmp(near->best[i].name, name) == 0)
            return;
    size_t at = near->n;
    for (; at > 0 && near->best[at - 1].distance > far; at--)
        if (at < NEAR_BEST)
            near->best[at] = near->best[at - 1];
    if (at == NEAR_BEST)
        return;
    memcpy(near->best[at].name, name, len + 1);
    near->best[at].distance = far;
    near->n += near->n < NEAR_BEST;
}

void near_text(const struct near *near, char *ret, size_t size)
{
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0;
         i < near->n && used < size && near->best[i].distance <= near->best[0].distance + 1; i++)
        used += (size_t)snprintf(ret + used, size - used, "%s%s",
                                 i > 0 ? ", " : "; near: ", near->best[i].name);
}
