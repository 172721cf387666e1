/* store_datasets: names of corpora. What holds of the functions of store_runs.h holds of these. */
#ifndef ABLATE_SERVER_STORE_DATASETS_H
#define ABLATE_SERVER_STORE_DATASETS_H

#include "common/base/digest.h"
#include "common/names.h"
#include "server/store/store.h"

struct dataset_row {
    int64_t id, documents, bytes, duplicates, created_at;
    char name[NAMES_BYTES], digest[DIGEST_HEX], format[8];
};

/* Inserts, or replaces the dataset of that name. */
int store_dataset_put(struct store *, const struct dataset_row *, struct err *);
/* Errors: NOT_FOUND. */
int store_dataset_get(struct store *, const char *name_or_digest, struct dataset_row *ret,
                      struct err *);
int store_dataset_list(struct store *, struct dataset_row **ret, size_t *ret_n, struct err *);
/* Refused with CONFLICT while a run that isn't terminal needs its content and no other name holds
 * it. */
int store_dataset_delete(struct store *, const char *name, struct err *);

#endif
