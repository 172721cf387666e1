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
/* Who has runs on that content, the newest first; deleted experiments are left out. */
enum { DATASET_USERS = 100 };
struct dataset_users {
    int64_t experiments[DATASET_USERS];
    size_t n;
    bool more; /* there are others */
};
int store_dataset_users(struct store *, const char *digest, struct dataset_users *ret,
                        struct err *);
/* Errors: NOT_FOUND; CONFLICT: there is one of that name. */
int store_dataset_rename(struct store *, const char *name, const char *to, struct err *);
/* Refused with CONFLICT, which names the experiments, while a run that isn't terminal needs its content and no other name holds
 * it. */
int store_dataset_delete(struct store *, const char *name, struct err *);

#endif
