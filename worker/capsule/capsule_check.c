/* What the files of a capsule say: documents by a table, then run by run. */
#include "worker/capsule/capsule_check.h"

#include "common/audit/recompute.h"
#include "common/base/utf8.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"
#include "worker/capsule/capsule_run_reader.h"

#include <stdlib.h>
#include <string.h>

/* runs */

/* The last value of each series is the one that run.json has as final. */
struct finals {
    const json_t *final;
    char metric[CAPSULE_LINE_MAX];
    double value;
    int64_t rows;
    size_t series;
};

static int end_series(const struct finals *f, struct err *err)
{
    double value;
    if (f->metric[0] == '\0')
        return 0;
    if (jsonx_to_double(json_object_get(f->final, f->metric), &value) == 0 &&
        recompute_same(value, f->value))
        return 0;
    return err_set(err, ERR_BAD_DATA, "its last %.100s isn't the final one", f->metric);
}

static int take_value(void *arg, const char *metric, int64_t step, double value, struct err *err)
{
    struct finals *f = arg;
    (void)step;
    if (strcmp(f->metric, metric) != 0) {
        int status = end_series(f, err);
        if (status != 0)
            return status;
        snprintf(f->metric, sizeof f->metric, "%s", metric);
        f->series++;
    }
    f->value = value;
    f->rows++;
    return 0;
}

static int check_metrics(struct capsule *c, const struct capsule_run *run, struct err *err)
{
    struct finals f = { .final = json_object_get(run->json, "final") };
    char path[TAR_PATH_BYTES];
    int status = capsule_metrics(c, run->id, take_value, &f, err);
    if (status == 0)
        status = end_series(&f, err);
    if (status == 0 && f.series != json_object_size(f.final))
        status = err_set(err, ERR_BAD_DATA, "it has final values of other metrics");
    c->values += f.rows;
    capsule_run_path(path, run->id, "run.json");
    return status == -ERR_BAD_DATA ? capsule_blame(err, path) : status;
}

static int check_one(struct capsule *c, int64_t id, struct err *err)
{
    struct capsule_run run = { 0 };
    int status = capsule_run_read(c, id, &run, err);
    if (status == 0)
        status = check_metrics(c, &run, err);
    capsule_run_done(&run);
    c->runs++;
    return status;
}

/* documents */

static int is_text(const struct capsule *c, const struct capsule_file *file, struct err *err)
{
    if (file->bytes == 0 || file->bytes > CAPSULE_TEXT_MAX)
        return err_set(err, ERR_BAD_DATA, "%s has %lld bytes", file->path, (long long)file->bytes);
    char *text = malloc((size_t)file->bytes);
    if (text == NULL)
        return err_no_memory(err, "%s", file->path);
    int status = tar_read(&c->tar, file->offset, text, (size_t)file->bytes, err);
    if (status == 0 && !utf8_valid(text, (size_t)file->bytes, NULL))
        status = err_set(err, ERR_BAD_DATA, "%s is no text", file->path);
    free(text);
    return status;
}

static int check_keys(const struct capsule_file *file, const json_t *json, const char *const *keys,
                      struct err *err)
{
    for (; *keys != NULL; keys++)
        if (json_object_get(json, *keys) == NULL)
            return err_set(err, ERR_BAD_DATA, "%s has no \"%s\"", file->path, *keys);
    return 0;
}

static const char *const experiment_keys[] = { "id", "name", "state", "runs", "spec", NULL };
static const char *const report_keys[] = { "experiment", "verdict", "table", "audits", NULL };
static const char *const none[] = { NULL };

enum { README, REPORT_MD, REPORT_CSV, EXPERIMENT, AUDITS, REPORT, DATASETS, DOCUMENTS };
/* Everything but runs. Text has no keys. */
static const struct document {
    const char *path;
    bool json, is_array;
    const char *const *keys;
} documents[DOCUMENTS] = {
    [README] = { "README.txt", false, false, NULL },
    [REPORT_MD] = { "report.md", false, false, NULL },
    [REPORT_CSV] = { "report.csv", false, false, NULL },
    [EXPERIMENT] = { "experiment.json", true, false, experiment_keys },
    [AUDITS] = { "audits.json", true, true, none },
    [REPORT] = { "report.json", true, false, report_keys },
    [DATASETS] = { "datasets.json", true, true, none },
};

static int check_document(struct capsule *c, const struct document *document, json_t **ret,
                          struct err *err)
{
    const struct capsule_file *file = capsule_find(c, document->path);
    if (file == NULL)
        return err_set(err, ERR_BAD_DATA, "%s is missing", document->path);
    if (!document->json)
        return is_text(c, file, err);
    int status = capsule_json(c, document->path, ret, err);
    if (status != 0)
        return status;
    if (document->is_array ? !json_is_array(*ret) : !json_is_object(*ret))
        return err_set(err, ERR_BAD_DATA, "%s is no %s", document->path,
                       document->is_array ? "list" : "object");
    return check_keys(file, *ret, document->keys, err);
}

/* What two documents both say. */
static int check_agreement(const struct capsule *c, json_t *const read[DOCUMENTS], struct err *err)
{
    const json_t *experiment = read[EXPERIMENT], *report = read[REPORT],
                 *manifest = json_object_get(c->manifest, "experiment");
    static const char *const shared[] = { "id", "name", "state" };
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        const json_t *value = json_object_get(experiment, shared[i]);
        if (!json_equal(json_object_get(manifest, shared[i]), value) ||
            !json_equal(json_object_get(json_object_get(report, "experiment"), shared[i]), value))
            return err_set(err, ERR_BAD_DATA,
                           "the manifest, experiment.json and report.json disagree on \"%s\"",
                           shared[i]);
    }
    const char *name = json_string_value(json_object_get(experiment, "name"));
    if (!json_is_integer(json_object_get(experiment, "id")) || name == NULL ||
        !names_is_stored(name))
        return err_set(err, ERR_BAD_DATA, "experiment.json names no experiment");
    if (json_object_size(manifest) != sizeof shared / sizeof *shared)
        return err_set(err, ERR_BAD_DATA, "the manifest says more of its experiment than it may");
    if (!json_equal(json_object_get(report, "audits"), read[AUDITS]))
        return err_set(err, ERR_BAD_DATA, "audits.json and report.json disagree");
    return 0;
}

static int check_documents(struct capsule *c, struct err *err)
{
    json_t *read[DOCUMENTS] = { NULL };
    int status = 0;
    for (int i = 0; i < DOCUMENTS && status == 0; i++)
        status = check_document(c, &documents[i], &read[i], err);
    if (status == 0)
        status = check_agreement(c, read, err);
    c->experiment = json_incref(read[EXPERIMENT]);
    c->datasets = json_incref(read[DATASETS]);
    for (int i = 0; i < DOCUMENTS; i++)
        json_decref(read[i]);
    return status;
}

/* The run that a path names; 0 = the path is a document's; −1 = no capsule has such a path. */
static int64_t run_of(const char *path, const char **ret_name)
{
    static const char *const names[] = { "spec.json", "run.json", "metrics.csv" };
    char again[TAR_PATH_BYTES];
    for (int i = 0; i < DOCUMENTS; i++)
        if (strcmp(path, documents[i].path) == 0)
            return 0;
    int64_t id = strncmp(path, "runs/", 5) == 0 ? strtoll(path + 5, NULL, 10) : 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && id > 0; i++) {
        capsule_run_path(again, id, names[i]);
        *ret_name = names[i];
        if (strcmp(path, again) == 0)
            return id;
    }
    return -1;
}

static int check_runs(struct capsule *c, struct err *err)
{
    for (size_t i = 0; i + 2 < c->n; i++) {
        const char *name = "";
        int64_t id = run_of(c->files[i].path, &name);
        int status = id < 0 ? err_set(err, ERR_BAD_DATA, "%s is nothing that a capsule has",
                                      c->files[i].path)
                     : id > 0 && strcmp(name, "run.json") == 0 ? check_one(c, id, err)
                                                               : 0;
        if (status != 0)
            return status;
    }
    int64_t planned = json_integer_value(json_object_get(c->experiment, "runs"));
    if (c->runs != planned || c->n != (size_t)planned * 3 + DOCUMENTS + 2)
        return err_set(err, ERR_BAD_DATA, "the experiment has %lld runs, the capsule %lld",
                       (long long)planned, (long long)c->runs);
    return 0;
}

/* The version stands in two places, so that a change of either is seen. */
static int check_version(const struct capsule *c, struct err *err)
{
    const struct capsule_file *readme = capsule_find(c, documents[README].path);
    const char *version = json_string_value(json_object_get(c->manifest, "ablated"));
    char text[1024], wanted[160];
    size_t n = readme->bytes < (int64_t)sizeof text - 1 ? (size_t)readme->bytes : sizeof text - 1;
    int status = tar_read(&c->tar, readme->offset, text, n, err);
    if (status != 0)
        return status;
    text[n] = '\0';
    snprintf(wanted, sizeof wanted, "Written by ablated %s.\n", version);
    return strstr(text, wanted) != NULL
               ? 0
               : err_set(err, ERR_BAD_DATA, "the manifest and README.txt disagree on the version");
}

static int check_partial(const struct capsule *c, struct err *err)
{
    static const char *const open[] = { "queued", "running" };
    const char *state = json_string_value(json_object_get(c->experiment, "state"));
    bool partial = false;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        partial |= strcmp(state != NULL ? state : "", open[i]) == 0;
    return partial == c->partial
               ? 0
               : err_set(err, ERR_BAD_DATA, "the manifest says the wrong thing of being partial");
}

int capsule_check(struct capsule *c, struct err *err)
{
    static int (*const again[])(const struct capsule *, struct err *) = { check_version,
                                                                          check_partial };
    int status = check_documents(c, err);
    for (size_t i = 0; i < sizeof again / sizeof *again && status == 0; i++)
        status = again[i](c, err);
    return status == 0 ? check_runs(c, err) : status;
}

void capsule_tell(const struct capsule *c)
{
    const json_t *experiment = c->experiment;
    printf("%s: experiment %lld, \"%s\", %s%s\n", c->folder,
           (long long)json_integer_value(json_object_get(experiment, "id")),
           json_string_value(json_object_get(experiment, "name")),
           json_string_value(json_object_get(experiment, "state")), c->partial ? " (partial)" : "");
    printf("sound: %zu files with the manifest's digests; %lld runs that follow from their "
           "specifications; %lld values\n",
           c->n, (long long)c->runs, (long long)c->values);
    printf("digest %s\n", c->digest);
    fflush(stdout);
}
