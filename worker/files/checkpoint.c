/* A checkpoint is a safetensors file whose metadata says where it comes from. It is loaded only
 * when its origin and the digest of its content agree. */
#include "worker/files/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "ablate-checkpoint-1"

enum { PARTS = 1 + OPTIMIZER_MOMENTS }; /* values, and what the optimiser keeps */

/* Returns how many there are. */
static size_t parts_of(const struct params *params, struct safetensors_part ret[PARTS])
{
    int moments = params->optimizer->moments;
    ret[0] = (struct safetensors_part){ "", params->value };
    for (int i = 0; i < moments; i++)
        ret[1 + i] =
            (struct safetensors_part){ params->optimizer->moment[i].part, params->moments[i] };
    return 1 + (size_t)moments;
}

static void file_of(char ret[64], int64_t step)
{
    snprintf(ret, 64, "checkpoints/step-%lld.safetensors", (long long)step);
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The steps that have a file, newest first; at most `max` of them. */
static int list_steps(const char *out, int64_t *steps, size_t max, size_t *ret_n, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/checkpoints", out);
    DIR *dir = opendir(path);
    size_t n = 0;
    if (dir == NULL && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't read %s", path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL && n < max;) {
        long long step;
        char tail[32] = "";
        if (sscanf(entry->d_name, "step-%lld%31s", &step, tail) == 2 &&
            strcmp(tail, ".safetensors") == 0 && step > 0)
            steps[n++] = step;
    }
    if (dir != NULL)
        closedir(dir);
    qsort(steps, n, sizeof *steps, descending);
    *ret_n = n;
    return 0;
}

enum { LISTED = 256 };

void checkpoint_remove(const char *out, int64_t step)
{
    char path[PATH_MAX], file[64];
    file_of(file, step);
    snprintf(path, sizeof path, "%s/%s", out, file);
    unlink(path);
}

int checkpoint_save(const char *out, const struct params *params, int64_t step,
                    const struct checkpoint_origin *origin, struct checkpoint *ret, struct err *err)
{
    char path[PATH_MAX], number[24];
    struct checkpoint made = { .step = step };
    struct safetensors_part parts[PARTS];
    int64_t steps[LISTED];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/checkpoints", out);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "can't create %s", path);
    size_t parts_n = parts_of(params, parts);
    params_digest(params, made.content);
    file_of(made.file, step);
    snprintf(path, sizeof path, "%s/%s", out, made.file);
    snprintf(number, sizeof number, "%lld", (long long)step);
    json_t *metadata =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "format", FORMAT, "step", number, "run_digest",
                  origin->run_digest, "environment_digest", origin->environment_digest, "blas_core",
                  origin->blas_core, "content_sha256", made.content);
    if (origin->corpus[0] != '\0')
        json_object_set_new(metadata, "corpus_sha256", json_string(origin->corpus));
    int status = safetensors_write(path, params, parts, parts_n, metadata, &made.info, err);
    if (status == 0)
        status = list_steps(out, steps, LISTED, &n, err);
    if (status != 0)
        return status;
    for (size_t i = CHECKPOINT_KEPT; i < n; i++)
        checkpoint_remove(out, steps[i]);
    *ret = made;
    return 0;
}

static bool says(const json_t *metadata, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(metadata, key));
    return text != NULL && strcmp(text, value) == 0;
}

static void find_origin(const json_t *metadata, const struct checkpoint_origin *here,
                        struct checkpoint_found *ret)
{
    const char *core = json_string_value(json_object_get(metadata, "blas_core"));
    ret->elsewhere = !says(metadata, "environment_digest", here->environment_digest);
    snprintf(ret->blas_core, sizeof ret->blas_core, "%s", core != NULL ? core : "");
}

/* Whether the file at path is a sound checkpoint of step ret->step and of here. */
static int check_one(const char *path, const struct params *params,
                     const struct checkpoint_origin *origin, char ret_content[DIGEST_HEX],
                     struct checkpoint_found *ret, struct err *err)
{
    struct safetensors_part parts[PARTS];
    json_t *metadata = NULL;
    char number[24];
    size_t parts_n = parts_of(params, parts);
    int status = safetensors_check(path, params, parts, parts_n, &metadata, ret_content, err);
    if (status != 0)
        return status;
    const char *corpus = json_string_value(json_object_get(metadata, "corpus_sha256"));
    snprintf(number, sizeof number, "%lld", (long long)ret->step);
    if (!says(metadata, "format", FORMAT) || !says(metadata, "step", number))
        status = err_set(err, ERR_BAD_DATA, "%s is no checkpoint of step %s", path, number);
    else if (!says(metadata, "run_digest", origin->run_digest))
        status = err_set(err, ERR_BAD_DATA, "%s belongs to another run", path);
    else if (!says(metadata, "content_sha256", ret_content))
        status = err_set(err, ERR_BAD_DATA, "%s is damaged: its content isn't what its digest says",
                         path);
    else if (corpus != NULL && origin->corpus[0] != '\0' && strcmp(corpus, origin->corpus) != 0)
        status =
            err_set(err, ERR_INCONSISTENT,
                    "%s was trained on a corpus with the digest %s, and this one's is %s: give "
                    "the run its corpus again, or another folder",
                    path, corpus, origin->corpus);
    if (status == 0)
        find_origin(metadata, origin, ret);
    json_decref(metadata);
    return status;
}

/* Reads a file that check_one found sound, and holds it against what that saw. */
static int read_one(const char *path, struct params *params, const char *content, struct err *err)
{
    struct safetensors_part parts[PARTS];
    json_t *metadata = NULL;
    char now[DIGEST_HEX];
    size_t parts_n = parts_of(params, parts);
    int status = safetensors_read(path, params, parts, parts_n, &metadata, err);
    json_decref(metadata);
    if (status != 0)
        return status;
    params_digest(params, now);
    return strcmp(now, content) == 0
               ? 0
               : err_set(err, ERR_STORAGE, "%s changed while it was being read", path);
}

/* A file that turns out bad halfway must leave the fresh model alone: each is read twice, first to
 * check it. A copy of all parameters and moments would take what a run's estimate hasn't. */
int checkpoint_load(const char *out, struct params *params, const struct checkpoint_origin *origin,
                    void (*refused)(void *arg, const char *file, const struct err *why), void *arg,
                    struct checkpoint_found *ret, struct err *err)
{
    int64_t steps[LISTED];
    size_t n = 0;
    struct checkpoint_found newest = { 0 };
    int status = list_steps(out, steps, LISTED, &n, err);
    for (size_t i = 0; i < n && status == 0 && newest.step == 0; i++) {
        char file[64], path[PATH_MAX], content[DIGEST_HEX];
        struct checkpoint_found found = { .step = steps[i] };
        struct err why = { 0 };
        file_of(file, steps[i]);
        snprintf(path, sizeof path, "%s/%s", out, file);
        int refusal = check_one(path, params, origin, content, &found, &why);
        if (refusal == 0) {
            status = read_one(path, params, content, err);
            newest = found;
        } else if (refusal == -ERR_INCONSISTENT) {
            status = refusal;
            if (err != NULL)
                *err = why;
        } else {
            refused(arg, file, &why);
        }
    }
    if (status == 0)
        *ret = newest;
    return status;
}
