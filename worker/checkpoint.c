#include "worker/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "ablate-checkpoint-1"

static void parts_of(struct params *params, struct safetensors_part ret[3])
{
    ret[0] = (struct safetensors_part){ "", params->value };
    ret[1] = (struct safetensors_part){ "adam.m/", params->m };
    ret[2] = (struct safetensors_part){ "adam.v/", params->v };
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
                    const char *run_digest, const char *environment_digest, struct checkpoint *ret,
                    struct err *err)
{
    char path[PATH_MAX], number[24];
    struct checkpoint made = { .step = step };
    struct safetensors_part parts[3];
    struct params view = *params;
    int64_t steps[LISTED];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/checkpoints", out);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "can't create %s", path);
    parts_of(&view, parts);
    params_digest(params, made.content);
    file_of(made.file, step);
    snprintf(path, sizeof path, "%s/%s", out, made.file);
    snprintf(number, sizeof number, "%lld", (long long)step);
    json_t *metadata = json_pack("{s:s, s:s, s:s, s:s, s:s}", "format", FORMAT, "step", number,
                                 "run_digest", run_digest, "environment_digest", environment_digest,
                                 "content_sha256", made.content);
    int status = safetensors_write(path, params, parts, 3, metadata, &made.info, err);
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

static int load_one(const char *path, struct params *params, const char *run_digest, int64_t step,
                    struct err *err)
{
    struct safetensors_part parts[3];
    json_t *metadata = NULL;
    char content[DIGEST_HEX], number[24];
    parts_of(params, parts);
    int status = safetensors_read(path, params, parts, 3, &metadata, err);
    if (status != 0)
        return status;
    snprintf(number, sizeof number, "%lld", (long long)step);
    params_digest(params, content);
    if (!says(metadata, "format", FORMAT) || !says(metadata, "step", number))
        status = err_set(err, ERR_BAD_DATA, "%s is no checkpoint of step %s", path, number);
    else if (!says(metadata, "run_digest", run_digest))
        status = err_set(err, ERR_BAD_DATA, "%s belongs to another run", path);
    else if (!says(metadata, "content_sha256", content))
        status = err_set(err, ERR_BAD_DATA, "%s is damaged: its content isn't what its digest says",
                         path);
    json_decref(metadata);
    return status;
}

/* Loading works on copies: a file that turns out bad halfway must leave the fresh model alone. */
int checkpoint_load(const char *out, struct params *params, const char *run_digest,
                    void (*refused)(void *arg, const char *file, const struct err *why), void *arg,
                    int64_t *ret_step, struct err *err)
{
    int64_t steps[LISTED];
    size_t n = 0, bytes = params->count * sizeof(real);
    int status = list_steps(out, steps, LISTED, &n, err);
    struct params copy = *params;
    *ret_step = 0;
    if (status != 0 || n == 0)
        return status;
    copy.value = calloc(1, bytes);
    copy.m = calloc(1, bytes);
    copy.v = calloc(1, bytes);
    if (copy.value == NULL || copy.m == NULL || copy.v == NULL)
        status = err_set(err, ERR_NO_MEMORY, "no memory to load a checkpoint");
    for (size_t i = 0; i < n && status == 0 && *ret_step == 0; i++) {
        char file[64], path[PATH_MAX];
        struct err why = { 0 };
        file_of(file, steps[i]);
        snprintf(path, sizeof path, "%s/%s", out, file);
        if (load_one(path, &copy, run_digest, steps[i], &why) == 0) {
            memcpy(params->value, copy.value, bytes);
            memcpy(params->m, copy.m, bytes);
            memcpy(params->v, copy.v, bytes);
            *ret_step = steps[i];
        } else {
            refused(arg, file, &why);
        }
    }
    free(copy.value);
    free(copy.m);
    free(copy.v);
    return status;
}
