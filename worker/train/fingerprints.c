/* An entry is a tensor, or all experts of a layer together where there are too many of them for one
 * line of the wire. */
#include "worker/train/fingerprints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One entry of the object: a tensor, or a layer's experts together. */
struct entry {
    char name[80];
    const struct tensor *first;
    size_t tensors;
    struct digest digest;
};

static const char EXPERTS[] = ".moe.experts.";

static bool has_too_many_experts(const struct params *params)
{
    size_t n = 0;
    for (size_t i = 0; i < params->n; i++)
        n += strstr(params->tensors[i].name, EXPERTS) != NULL;
    return n > FINGERPRINTS_EXPERT_TENSORS;
}

/* "blocks.3.moe.experts.17.w1.weight" as "blocks.3.moe.experts.*.w1.weight". */
static void name_folded(const char *name, char *ret, size_t size)
{
    const char *number = strstr(name, EXPERTS), *rest = NULL;
    if (number != NULL)
        rest = strchr(number += strlen(EXPERTS), '.');
    if (rest != NULL)
        snprintf(ret, size, "%.*s*%s", (int)(number - name), name, rest);
    else
        snprintf(ret, size, "%s", name);
}

/* The entry that a tensor belongs to; a layer's w1, w2 and w3 take turns, so it is one of the last
 * three. */
static struct entry *entry_of(struct entry *entries, size_t *n, const struct tensor *tensor,
                              bool fold)
{
    char name[80];
    snprintf(name, sizeof name, "%s", tensor->name);
    if (fold)
        name_folded(tensor->name, name, sizeof name);
    for (size_t i = *n; i > 0 && i + 3 > *n; i--)
        if (strcmp(entries[i - 1].name, name) == 0)
            return &entries[i - 1];
    struct entry *entry = &entries[(*n)++];
    memcpy(entry->name, name, sizeof name);
    entry->first = tensor;
    digest_init(&entry->digest);
    return entry;
}

static void add_values(struct digest *digest, const real *value, size_t n)
{
    float part[1024];
    while (n > 0) {
        size_t some = n < sizeof part / sizeof *part ? n : sizeof part / sizeof *part;
        for (size_t i = 0; i < some; i++)
            part[i] = (float)value[i];
        digest_add(digest, part, some * sizeof *part);
        value += some;
        n -= some;
    }
}

static json_t *entry_json(struct entry *entry)
{
    char hex[DIGEST_HEX], count[24] = "", cols[24] = "";
    const int64_t *shape = entry->first->shape;
    digest_end_hex(&entry->digest, hex);
    if (entry->tensors > 1)
        snprintf(count, sizeof count, "%zux", entry->tensors);
    if (shape[1] > 0)
        snprintf(cols, sizeof cols, "x%lld", (long long)shape[1]);
    return json_sprintf("%s%lld%s:%.16s", count, (long long)shape[0], cols, hex);
}

json_t *fingerprints_weights(const struct params *params)
{
    struct entry *entries = calloc(params->n + 1, sizeof *entries);
    json_t *object = json_object();
    size_t n = 0;
    if (entries == NULL || object == NULL) {
        free(entries);
        json_decref(object);
        return NULL;
    }
    bool fold = has_too_many_experts(params);
    for (size_t i = 0; i < params->n; i++) {
        const struct tensor *tensor = &params->tensors[i];
        struct entry *entry = entry_of(entries, &n, tensor, fold);
        add_values(&entry->digest, params->value + tensor->offset, tensor->count);
        entry->tensors++;
    }
    for (size_t i = 0; i < n; i++)
        json_object_set_new(object, entries[i].name, entry_json(&entries[i]));
    free(entries);
    return object;
}
