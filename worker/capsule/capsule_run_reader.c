/* run.json must agree with the specification beside it before either is handed out. metrics.csv may
 * be larger than memory, so its rows are told one by one. */
#include "worker/capsule/capsule_run_reader.h"

#include "common/json/jsonx_fields.h"
#include "common/names.h"
#include "common/spec/spec_json.h"

#include <stdlib.h>
#include <string.h>

void capsule_run_path(char ret[TAR_PATH_BYTES], int64_t run, const char *name)
{
    snprintf(ret, TAR_PATH_BYTES, "runs/%lld/%s", (long long)run, name);
}

static int read_spec(const struct capsule *c, int64_t id, struct run_spec *ret,
                     char ret_digest[DIGEST_HEX], struct err *err)
{
    char path[TAR_PATH_BYTES];
    json_t *json = NULL;
    capsule_run_path(path, id, "spec.json");
    int status = capsule_json(c, path, &json, err);
    if (status == 0 &&
        (run_spec_decode(json, "", ret, err) != 0 || run_spec_digest(ret, ret_digest, err) != 0))
        status = capsule_blame(err, path);
    json_decref(json);
    return status;
}

/* The digest of the corpus that a frozen specification names, "" = none; NULL = it isn't frozen. */
static const char *corpus_of(const struct run_spec *spec)
{
    static const char frozen[] = "sha256:";
    if (spec->data.kind != DATASET_STORED)
        return "";
    bool sound = strncmp(spec->data.dataset, frozen, sizeof frozen - 1) == 0;
    return sound ? spec->data.dataset + sizeof frozen - 1 : NULL;
}

/* "" when it is missing or no text. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* run.json names the run, its specification's digest and its corpus. */
static int check_run(const struct capsule_run *run, const char *digest, const char *path,
                     struct err *err)
{
    const char *stored = text_of(run->json, "digest");
    if (json_integer_value(json_object_get(run->json, "id")) != run->id ||
        !names_is_stored(text_of(run->json, "arm")) || *text_of(run->json, "state") == '\0')
        return err_set(err, ERR_BAD_DATA, "%s isn't what is known of run %lld", path,
                       (long long)run->id);
    if (strcmp(stored, digest) != 0)
        return err_set(err, ERR_BAD_DATA,
                       "%s: the run's digest is %.16s…, that of its specification %.16s…", path,
                       stored, digest);
    if (run->corpus == NULL || strcmp(text_of(run->json, "dataset"), run->corpus) != 0)
        return err_set(err, ERR_BAD_DATA, "%s names another corpus than its specification", path);
    return 0;
}

int capsule_run_read(const struct capsule *c, int64_t id, struct capsule_run *ret, struct err *err)
{
    struct capsule_run run = { .id = id };
    char path[TAR_PATH_BYTES], digest[DIGEST_HEX];
    capsule_run_path(path, id, "run.json");
    if (capsule_find(c, path) == NULL)
        return err_set(err, ERR_NOT_FOUND, "the capsule has no run %lld", (long long)id);
    int status = read_spec(c, id, &run.spec, digest, err);
    if (status == 0)
        status = capsule_json(c, path, &run.json, err);
    run.corpus = corpus_of(&run.spec);
    if (status == 0)
        status = check_run(&run, digest, path, err);
    if (status != 0) {
        capsule_run_done(&run);
        return status;
    }
    *ret = run;
    ret->corpus = corpus_of(&ret->spec);
    return 0;
}

void capsule_run_done(struct capsule_run *run)
{
    json_decref(run->json);
    run->json = NULL;
}

/* metrics.csv, a line at a time */

enum { LINE_BYTES = CAPSULE_LINE_MAX, CHUNK_BYTES = 1 << 16 };

struct table {
    int (*each)(void *arg, const char *metric, int64_t step, double value, struct err *err);
    void *arg;
    const char *path;
    int64_t line, step;      /* of the row before */
    char metric[LINE_BYTES]; /* "" = none yet */
};

/* "metric,step,value"; the line is cut up. */
static bool split_row(char *line, int64_t *ret_step, double *ret_value)
{
    char *value = strrchr(line, ','), *end;
    if (value == NULL || value == line)
        return false;
    *value++ = '\0';
    char *step = strrchr(line, ',');
    if (step == NULL || step == line)
        return false;
    *step++ = '\0';
    *ret_step = strtoll(step, &end, 10);
    if (*step < '0' || *step > '9' || *end != '\0')
        return false;
    *ret_value = strtod(value, &end);
    return *value != '\0' && strchr(" \t+", *value) == NULL && *end == '\0';
}

static int take_line(struct table *t, char *line, struct err *err)
{
    int64_t step = 0;
    double value = 0;
    if (t->line++ == 0)
        return strcmp(line, CAPSULE_COLUMNS) == 0
                   ? 0
                   : err_set(err, ERR_BAD_DATA,
                             "%s begins with other columns than " CAPSULE_COLUMNS, t->path);
    if (!split_row(line, &step, &value))
        return err_set(err, ERR_BAD_DATA, "%s: line %lld is no row", t->path, (long long)t->line);
    int order = strcmp(t->metric, line);
    if (order > 0 || (order == 0 && step <= t->step))
        return err_set(err, ERR_BAD_DATA, "%s: line %lld isn't in order", t->path,
                       (long long)t->line);
    if (order != 0)
        snprintf(t->metric, sizeof t->metric, "%s", line);
    t->step = step;
    return t->each(t->arg, line, step, value, err);
}

/* Takes whole lines out of text[len]; *ret_left: the bytes of the unfinished line at its end, which
 * are moved to its beginning. */
static int take_lines(struct table *t, char *text, size_t len, size_t *ret_left, struct err *err)
{
    char *line = text, *end;
    int status = 0;
    while (status == 0 && (end = memchr(line, '\n', len - (size_t)(line - text))) != NULL) {
        *end = '\0';
        status = end - line < LINE_BYTES && strlen(line) == (size_t)(end - line)
                     ? take_line(t, line, err)
                     : err_set(err, ERR_BAD_DATA, "%s: line %lld is no row", t->path,
                               (long long)t->line + 1);
        line = end + 1;
    }
    *ret_left = len - (size_t)(line - text);
    if (status == 0 && *ret_left >= LINE_BYTES)
        status = err_set(err, ERR_BAD_DATA, "%s: line %lld is too long", t->path,
                         (long long)t->line + 1);
    memmove(text, line, *ret_left);
    return status;
}

int capsule_metrics(const struct capsule *c, int64_t run,
                    int (*each)(void *arg, const char *metric, int64_t step, double value,
                                struct err *err),
                    void *arg, struct err *err)
{
    char path[TAR_PATH_BYTES], chunk[CHUNK_BYTES + LINE_BYTES];
    struct table table = { .each = each, .arg = arg, .path = path };
    size_t left = 0;
    int status = 0;
    capsule_run_path(path, run, "metrics.csv");
    const struct capsule_file *file = capsule_find(c, path);
    if (file == NULL)
        return err_set(err, ERR_BAD_DATA, "%s is missing", path);
    for (int64_t at = 0; at < file->bytes && status == 0;) {
        size_t n = file->bytes - at < CHUNK_BYTES ? (size_t)(file->bytes - at) : CHUNK_BYTES;
        status = tar_read(&c->tar, file->offset + at, chunk + left, n, err);
        if (status == 0)
            status = take_lines(&table, chunk, left + n, &left, err);
        at += (int64_t)n;
    }
    if (status == 0 && (left > 0 || table.line == 0))
        status = err_set(err, ERR_BAD_DATA, "%s ends within a line", path);
    return status;
}
