/* What a capsule of an experiment holds as a whole: README, report, documents and the corpora that
 * its runs name. What it holds of each run is capsule_run.c's. */
#include "server/capsule/capsule.h"

#include "common/base/version.h"
#include "common/names.h"
#include "server/capsule/capsule_archive.h"
#include "server/capsule/capsule_run.h"
#include "server/objects/objects.h"
#include "server/report/report_csv.h"
#include "server/report/report_md.h"
#include "server/store/curves/store_digests.h"

#include <stdlib.h>
#include <string.h>

struct maker {
    struct store *store;
    struct experiment_row row;
    json_t *experiment; /* as the API shows it */
    const json_t *report;
    bool partial;    /* something may still come */
    json_t *corpora; /* by digest: what is known of the corpora that runs name */
    char folder[CAPSULE_FOLDER_BYTES];
    struct capsule_archive archive;
};

static const char *state_of(const struct maker *m)
{
    return json_string_value(json_object_get(m->experiment, "state"));
}

static void write_readme(const struct maker *m, struct buf *to)
{
    const char *folder = m->folder;
    buf_addf(to, "Capsule of experiment %lld, \"%s\": %s, %lld runs. Written by ablated %s.\n\n",
             (long long)m->row.id, m->row.name, state_of(m), (long long)m->row.runs_n,
             ablate_version());
    if (m->partial)
        buf_adds(to, "It is partial: not every run had ended when it was written.\n\n");
    buf_adds(to, "README.txt             this page\n"
                 "experiment.json        hypothesis, specification, comparison, state\n"
                 "audits.json            every finding with its evidence\n"
                 "report.json .md .csv   the verdict\n"
                 "runs/ID/spec.json      a run's frozen specification; its digest is the run's\n"
                 "runs/ID/run.json       state, final values, attempts with their environments, "
                 "digests of\n"
                 "                       checkpoints, artifacts, initial weights and the tokens "
                 "consumed\n"
                 "runs/ID/metrics.csv    every value; read as doubles they have the stored bits\n"
                 "datasets.json          the corpora by digest; their text is not in here\n"
                 "SHA256SUMS             the digest of this file is the capsule's own\n"
                 "manifest.json          every file with its bytes and digest\n\n");
    buf_addf(to,
             "Check it:\n"
             "  ablate-worker verify %s.tar\n"
             "Train a run again from its frozen specification and compare every bit (DIR: the "
             "corpus' folder,\n"
             "for a synthetic task nothing):\n"
             "  ablate-worker verify %s.tar --run ID --dataset DIR\n"
             "Without Ablate, in this folder:\n"
             "  sha256sum -c SHA256SUMS\n",
             folder, folder);
}

static int add_texts(struct maker *m, struct err *err)
{
    struct buf text;
    const struct {
        const char *path;
        void (*make)(const json_t *report, struct buf *to);
    } made[] = { { "report.md", report_markdown }, { "report.csv", report_csv } };
    buf_init(&text, 0);
    write_readme(m, &text);
    int status = capsule_put(&m->archive, "README.txt", &text, err);
    for (size_t i = 0; i < sizeof made / sizeof *made && status == 0; i++) {
        buf_clear(&text);
        made[i].make(m->report, &text);
        status = capsule_put(&m->archive, made[i].path, &text, err);
    }
    buf_done(&text);
    return status;
}

static int add_documents(struct maker *m, struct err *err)
{
    const struct {
        const char *path;
        const json_t *value;
    } documents[] = { { "experiment.json", m->experiment },
                      { "audits.json", json_object_get(m->report, "audits") },
                      { "report.json", m->report } };
    int status = 0;
    for (size_t i = 0; i < sizeof documents / sizeof *documents && status == 0; i++)
        status = capsule_put_json(&m->archive, documents[i].path, documents[i].value, err);
    return status;
}

/* What the store still knows of a corpus; a name that was deleted leaves its digest. */
static json_t *corpus_json(struct store *store, const char *digest)
{
    struct dataset_row row = { 0 };
    char name[DIGEST_HEX + 8];
    snprintf(name, sizeof name, "sha256:%s", digest);
    if (store_dataset_get(store, name, &row, NULL) != 0)
        return json_pack("{s:s, s:n, s:n, s:n, s:n}", "digest", digest, "name", "documents",
                         "bytes", "duplicates");
    return json_pack("{s:s, s:s, s:I, s:I, s:I}", "digest", digest, "name", row.name, "documents",
                     (json_int_t)row.documents, "bytes", (json_int_t)row.bytes, "duplicates",
                     (json_int_t)row.duplicates);
}

static int add_runs(struct maker *m, struct err *err)
{
    struct digests_row *digests = NULL;
    size_t n = 0;
    int status = store_digests_list(m->store, m->row.id, "", &digests, &n, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        struct run_row row = { 0 };
        status = capsule_add_run(&m->archive, m->store, &digests[i], &row, err);
        const char *corpus = row.dataset_digest;
        if (status == 0 && corpus != NULL && corpus[0] != '\0' &&
            json_object_get(m->corpora, corpus) == NULL)
            json_object_set_new(m->corpora, corpus, corpus_json(m->store, corpus));
        run_row_done(&row);
    }
    digests_rows_free(digests, n);
    return status;
}

static int add_corpora(struct maker *m, struct err *err)
{
    const char *digest;
    json_t *one, *list = json_array();
    json_object_foreach(m->corpora, digest, one) json_array_append(list, one);
    int status = capsule_put_json(&m->archive, "datasets.json", list, err);
    json_decref(list);
    return status;
}

static json_t *about(const struct maker *m)
{
    return json_pack("{s:{s:I, s:s, s:s}, s:b, s:s}", "experiment", "id", (json_int_t)m->row.id,
                     "name", m->row.name, "state", state_of(m), "partial", (int)m->partial,
                     "ablated", ablate_version());
}

int capsule_write(struct store *store, int64_t experiment, const json_t *report, FILE *file,
                  struct capsule *ret, struct err *err)
{
    static int (*const parts[])(struct maker *, struct err *) = { add_texts, add_documents,
                                                                  add_runs, add_corpora };
    struct maker m = { .store = store, .report = report };
    int status = store_experiment_get(store, experiment, &m.row, err);
    if (status != 0)
        return status;
    m.experiment = objects_experiment(&m.row);
    json_object_del(m.experiment, "verdict"); /* the report's own */
    m.partial = m.row.counts[RUN_QUEUED] + m.row.counts[RUN_RUNNING] > 0;
    m.corpora = json_object();
    names_for_file(m.row.name, m.row.id, m.folder, sizeof m.folder);
    capsule_archive_init(&m.archive, file, m.folder);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == 0; i++)
        status = parts[i](&m, err);
    if (status == 0)
        status = capsule_finish(&m.archive, about(&m), err);
    if (status == 0) {
        memcpy(ret->folder, m.folder, sizeof ret->folder);
        memcpy(ret->digest, m.archive.digest, sizeof ret->digest);
    }
    capsule_archive_done(&m.archive);
    json_decref(m.corpora);
    json_decref(m.experiment);
    experiment_row_done(&m.row);
    return status;
}
