/* Each file is written at its own moment of training, batches.jsonl line by line; the list at the
 * end is what lies in the folder. */
#include "worker/files/artifacts.h"

#include "common/base/digest.h"
#include "worker/data/tasks.h"
#include "worker/files/safetensors.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool wanted(const struct artifacts *a, enum artifact which)
{
    return (a->spec->artifacts & 1u << which) != 0;
}

int artifacts_begin(struct artifacts *a, const struct run_spec *spec, const char *out,
                    struct err *err)
{
    *a = (struct artifacts){ .spec = spec };
    snprintf(a->dir, sizeof a->dir, "%s/artifacts", out);
    if (mkdir(a->dir, 0700) != 0 && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "can't create %s", a->dir);
    return 0;
}

static int save(struct artifacts *a, const char *name, struct params *params, real *data,
                struct err *err)
{
    char path[PATH_MAX + 64];
    struct safetensors_info info;
    const struct safetensors_part part = { "", data };
    snprintf(path, sizeof path, "%s/%s", a->dir, name);
    return safetensors_write(path, params, &part, 1, json_pack("{s:s}", "format", "pt"), &info,
                             err);
}

int artifacts_init(struct artifacts *a, struct params *params, struct err *err)
{
    return wanted(a, ARTIFACT_INIT) ? save(a, "init.safetensors", params, params->value, err) : 0;
}

int artifacts_final(struct artifacts *a, struct params *params, struct err *err)
{
    return wanted(a, ARTIFACT_FINAL) ? save(a, "final.safetensors", params, params->value, err) : 0;
}

int artifacts_gradients(struct artifacts *a, int64_t step, struct params *params, struct err *err)
{
    char name[40];
    if (!wanted(a, ARTIFACT_GRADIENTS) || step > ARTIFACT_GRADIENT_STEPS)
        return 0;
    snprintf(name, sizeof name, "grad-%lld.safetensors", (long long)step);
    return save(a, name, params, params->grad, err);
}

static json_t *entry(const char *name, int64_t bytes, const char *sha256)
{
    return json_pack("{s:s, s:I, s:s}", "name", name, "bytes", (json_int_t)bytes, "sha256", sha256);
}

int artifacts_attention(struct artifacts *a, int64_t step, const struct safetensors_array *arrays,
                        size_t n, json_t *take_metadata, json_t **ret, struct err *err)
{
    char name[64], path[PATH_MAX + 64];
    struct safetensors_info info;
    snprintf(name, sizeof name, "attention-%lld.safetensors", (long long)step);
    snprintf(path, sizeof path, "%s/%s", a->dir, name);
    int status = safetensors_write_arrays(path, arrays, n, take_metadata, &info, err);
    if (status == 0)
        *ret = entry(name, info.bytes, info.sha256);
    return status;
}

/* The attempt before may have gone further than its last checkpoint: cuts off the lines of `step`
 * and later, which this attempt writes again. */
static FILE *open_batches(const char *path, int64_t step)
{
    FILE *file = fopen(path, step == 1 ? "we" : "a+e");
    char *line = NULL;
    size_t room = 0;
    long long found = 0;
    off_t end = 0;
    if (file == NULL || step == 1)
        return file;
    rewind(file);
    while (getline(&line, &room, file) > 0 && sscanf(line, "{\"step\":%lld", &found) == 1 &&
           found < step)
        end = ftello(file);
    free(line);
    if (ftruncate(fileno(file), end) != 0 || fseeko(file, 0, SEEK_END) != 0) {
        fclose(file);
        return NULL;
    }
    return file;
}

/* A token's id, whether it is scored or not. */
static int32_t plain(int32_t token)
{
    return token < 0 ? task_unscored(token) : token;
}

int artifacts_batch(struct artifacts *a, int64_t step, const int32_t *windows, struct err *err)
{
    char path[PATH_MAX + 64];
    size_t batch = (size_t)a->spec->train.batch_size, width = (size_t)a->spec->data.seq_len + 1;
    if (!wanted(a, ARTIFACT_BATCHES) || step > ARTIFACT_BATCH_STEPS)
        return 0;
    snprintf(path, sizeof path, "%s/batches.jsonl", a->dir);
    if (a->batches == NULL && (a->batches = open_batches(path, step)) == NULL)
        return err_errno(err, ERR_STORAGE, "can't write %s", path);
    fprintf(a->batches, "{\"step\":%lld,\"windows\":[", (long long)step);
    for (size_t b = 0; b < batch; b++) {
        for (size_t t = 0; t < width; t++)
            fprintf(a->batches, "%s%d",
                    t > 0   ? ","
                    : b > 0 ? "],["
                            : "[",
                    plain(windows[b * width + t]));
    }
    fputs("]]}\n", a->batches);
    if (fflush(a->batches) == 0)
        return 0;
    int status = err_errno(err, ERR_STORAGE, "can't write %s", path);
    fclose(a->batches); /* opened again, half a line is cut off first */
    a->batches = NULL;
    return status;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_artifact(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && (len < 4 || strcmp(entry->d_name + len - 4, ".tmp") != 0);
}

int artifacts_end(struct artifacts *a, json_t **ret, struct err *err)
{
    struct dirent **entries = NULL;
    if (a->batches != NULL && fflush(a->batches) != 0)
        return err_errno(err, ERR_STORAGE, "can't write batches.jsonl"); /* it may be tried again */
    if (a->batches != NULL)
        fclose(a->batches);
    a->batches = NULL;
    int n = scandir(a->dir, &entries, is_artifact, by_name), status = 0;
    if (n < 0)
        return err_errno(err, ERR_STORAGE, "can't read %s", a->dir);
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX + 300], sha256[DIGEST_HEX];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", a->dir, entries[i]->d_name);
        if (status == 0)
            status = digest_file(path, sha256, err);
        if (status == 0 && stat(path, &info) != 0)
            status = err_errno(err, ERR_STORAGE, "can't read %s", path);
        if (status == 0)
            json_array_append_new(list, entry(entries[i]->d_name, info.st_size, sha256));
        free(entries[i]);
    }
    free(entries);
    if (status != 0)
        json_decref(list);
    else
        *ret = list;
    return status;
}
