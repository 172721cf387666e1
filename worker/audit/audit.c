/* One table says which audits there are and when they are made; each row's function measures and
 * says what it found (judge.h). */
#include "worker/audit/audit.h"

#include "common/base/clock.h"
#include "common/spec/attention.h"
#include "worker/audit/guess.h"
#include "worker/audit/judge.h"
#include "worker/audit/judge_attention.h"
#include "worker/audit/training/judge_training.h"
#include "worker/files/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool of_arm(const struct audit_context *context)
{
    return context->replays;
}

static bool has_warm_up(const struct spec_attention *attention)
{
    return attention_is_indexed(attention) && attention->dense_warmup_steps > 0;
}

/* Its first steps are others than its last: what follows a gradient is asked of both. */
static bool warms_up(const struct audit_context *context)
{
    return run_spec_any(context->spec, has_warm_up);
}

/* In the order in which they are made: cheap ones first. Which runs an audit concerns is said in
 * common/audit/audits.h; `made` says which of the audited runs makes it, NULL: every one. */
static const struct row {
    enum audit audit;
    bool at_end;
    bool (*made)(const struct audit_context *context);
    /* Errors: the audit is skipped. A finding without a detail isn't told. */
    int (*measure)(struct audits *a, struct finding *ret, struct err *err);
} rows[] = {
    { AUDIT_SPLIT_OVERLAP, false, NULL, audit_overlap },
    { AUDIT_DENSE_EQUIVALENCE, false, NULL, audit_equivalence },
    { AUDIT_DETACHED, false, warms_up, audit_detached },
    { AUDIT_GRADIENT, false, warms_up, audit_gradient },
    { AUDIT_CAUSALITY, false, NULL, audit_causality },
    { AUDIT_ENTROPY_FLOOR, false, NULL, audit_entropy },
    { AUDIT_CAUSALITY, true, NULL, audit_causality },
    { AUDIT_DETACHED, true, NULL, audit_detached },
    { AUDIT_GRADIENT, true, NULL, audit_gradient },
    { AUDIT_EVALUATION, true, NULL, audit_evaluation },
    { AUDIT_INDEXER_LEARNS, true, NULL, audit_learns },
    { AUDIT_UPDATE, true, of_arm, audit_update },
    { AUDIT_REPLAY, true, of_arm, audit_replay },
};

/* A log line whose member `audit` tells the daemon which one is under way (schema/wire.md). */
static void say(struct audits *a, const char *name, bool begins)
{
    char message[100];
    snprintf(message, sizeof message, "audit %s %s", name,
             begins ? "begins" : "has nothing to say");
    emit_event(a->context.emit, WIRE_LOG,
               json_pack("{s:s, s:s, s:s}", "level", "info", "message", message, "audit",
                         begins ? name : ""),
               false);
}

static void tell(struct audits *a, const char *name, struct finding *finding, double seconds)
{
    json_t *evidence = finding->evidence != NULL ? finding->evidence : json_object();
    if (finding->detail[0] == '\0') {
        json_decref(evidence);
        say(a, name, false);
        return;
    }
    emit_log(a->context.emit, finding->status == AUDIT_FAIL ? "warn" : "info",
             "audit %s: %s: %s (%.2f s)", name, audit_status_names[finding->status],
             finding->detail, seconds);
    emit_event(a->context.emit, WIRE_AUDIT,
               json_pack("{s:s, s:s, s:s, s:o}", "name", name, "status",
                         audit_status_names[finding->status], "detail", finding->detail, "evidence",
                         evidence),
               false);
}

static bool is_made(const struct audits *a, const struct row *row)
{
    const char *only = a->context.only, *name = audit_table[row->audit]->name;
    return row->at_end == a->at_end && (row->made == NULL || row->made(&a->context)) &&
           (only == NULL || strcmp(only, name) == 0) &&
           audit_concerns(audit_table[row->audit], a->context.spec);
}

static void make(struct audits *a, bool at_end)
{
    a->at_end = at_end;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !audit_stopped(a); i++) {
        struct finding finding = { 0 };
        struct err err = { 0 };
        double start = clock_mono_s();
        if (!is_made(a, &rows[i]))
            continue;
        say(a, audit_table[rows[i].audit]->name, true);
        if (rows[i].measure(a, &finding, &err) != 0)
            finding_say(&finding, AUDIT_SKIPPED, "it couldn't be made: %s", err.message);
        if (audit_stopped(a)) /* it may have ended halfway */
            finding.detail[0] = '\0';
        tell(a, audit_table[rows[i].audit]->name, &finding,
             a->spent_s[rows[i].audit] + clock_mono_s() - start);
    }
}

int audits_new(const struct audit_context *context, struct audits **ret, struct err *err)
{
    struct audits *a = calloc(1, sizeof *a);
    size_t t = (size_t)context->spec->data.seq_len;
    size_t batch = (size_t)context->spec->train.batch_size;
    if (a == NULL)
        return err_no_memory(err, "the audits");
    a->context = *context;
    a->windows = calloc(batch * (t + 1), sizeof *a->windows);
    a->nll = calloc(t, sizeof *a->nll);
    a->nll_n = calloc(t, sizeof *a->nll_n);
    snprintf(a->folder, sizeof a->folder, "%s/audit", context->out);
    int status = a->windows == NULL || a->nll == NULL || a->nll_n == NULL
                     ? err_no_memory(err, "the audits")
                     : evaluation_new(context->data, &a->evaluation, err);
    if (status == 0 && context->replays)
        status = update_new(context->spec, model_params(context->model), &a->update, err);
    if (status != 0) {
        audits_free(a);
        return status;
    }
    if (context->replays)
        replay_plan(&a->replay, context->spec->train.steps);
    *ret = a;
    return 0;
}

void audits_free(struct audits *audits)
{
    if (audits == NULL)
        return;
    checkpoint_remove(audits->folder, audits->replay.from);
    evaluation_done(&audits->evaluation);
    update_done(&audits->update);
    free(audits->windows);
    free(audits->nll);
    free(audits->nll_n);
    free(audits);
}

json_t *audits_guess(const struct audits *audits)
{
    const struct audit_context *c = &audits->context;
    struct guess guess;
    if (guess_measure(c->data, (size_t)run_spec_vocab(c->spec), &guess, NULL) != 0)
        return NULL;
    return json_pack("{s:o, s:o}", "unigram",
                     isnan(guess.unigram) ? json_null() : json_real(guess.unigram), "bigram",
                     isnan(guess.bigram) ? json_null() : json_real(guess.bigram));
}

void audits_begin(struct audits *audits)
{
    make(audits, false);
}

void audits_batch(struct audits *audits, int64_t step, const int32_t *windows)
{
    double start = clock_mono_s();
    if (audits->context.replays)
        update_begin(&audits->update, audits->context.model, windows, step);
    audits->spent_s[AUDIT_UPDATE] += clock_mono_s() - start;
}

void audits_gradient(struct audits *audits, int64_t step)
{
    double start = clock_mono_s();
    if (audits->context.replays)
        update_note(&audits->update, step);
    audits->spent_s[AUDIT_UPDATE] += clock_mono_s() - start;
}

void audits_updated(struct audits *audits, int64_t step, const struct optim_stats *stats)
{
    double start = clock_mono_s();
    if (audits->context.replays)
        update_check(&audits->update, step, stats);
    audits->spent_s[AUDIT_UPDATE] += clock_mono_s() - start;
}

void audits_step(struct audits *audits, int64_t step, double loss)
{
    const struct audit_context *c = &audits->context;
    struct err err = { 0 };
    if (step == audits->replay.from)
        mkdir(audits->folder, 0700);
    if (replay_note(&audits->replay, audits->folder, model_params(c->model), c->origin, step, loss,
                    &err) != 0)
        emit_log(c->emit, "warn", "no checkpoint for the replay: %s", err.message);
}

void audits_watch(struct audits *audits, bool on)
{
    const struct model_watch watch = { audits->evaluation.by_window, audits->nll, audits->nll_n };
    if (on)
        evaluation_begin(&audits->evaluation, CORPUS_VAL);
    audits->watching = on;
    model_watch_evaluation(audits->context.model, on ? &watch : NULL);
}

void audits_evaluated(struct audits *audits, enum corpus_part part, size_t i,
                      const int32_t *windows, size_t n, const struct model_eval *found)
{
    struct evaluation *e = &audits->evaluation;
    if (part == CORPUS_TEST && i == 0)
        evaluation_begin(e, CORPUS_TEST);
    if (part == CORPUS_TEST || audits->watching)
        evaluation_hand(e, part, i, windows, n);
    if (part == CORPUS_VAL && audits->watching)
        evaluation_note(e, i, windows, n, found);
}

void audits_told(struct audits *audits, double loss)
{
    if (audits->watching)
        audits->evaluation.told = loss;
}

void audits_end(struct audits *audits)
{
    make(audits, true);
}
