/* The one place that knows which choices of the spec the trainer can't run yet: a row a choice, and
 * a predicate that holds when the trainer runs it. Making something work means taking out its row.
 */
#include "common/spec.h"

#include <stdio.h>

static bool dataset_stored(const struct run_spec *spec)
{
    return spec->data.kind == DATASET_STORED;
}

static const struct {
    const char *pointer;
    const char *available;
    bool (*supported)(const struct run_spec *spec);
} rows[] = {
    { "/data/dataset", "stored corpora", dataset_stored },
};

int run_spec_supported(const struct run_spec *spec, const char *pointer, struct err *err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!rows[i].supported(spec)) {
            char at[sizeof err->pointer];
            snprintf(at, sizeof at, "%s%s", pointer, rows[i].pointer);
            return err_set_at(err, ERR_NOT_IMPLEMENTED, at,
                              "%s: the trainer of this version runs %s only", rows[i].pointer + 1,
                              rows[i].available);
        }
    return 0;
}
