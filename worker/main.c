/* ablate-worker: trains. `train` works alone and prints its events; `run` and `attempt` are the two
 * processes of an attempt that the daemon starts; `verify` checks a capsule. */
#include "common/audit/audits.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/stdio.h"
#include "common/base/version.h"
#include "common/json/jsonx.h"
#include "common/spec/spec_fields.h"
#include "common/spec/spec_json.h"
#include "common/sweep/sweep_fields.h"
#include "common/wire/launch.h"
#include "worker/capsule/capsule_check.h"
#include "worker/capsule/capsule_reader.h"
#include "worker/capsule/rerun.h"
#include "worker/ops/gemm.h"
#include "worker/process/keeper.h"
#include "worker/process/sandbox.h"
#include "worker/train/train.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct arguments {
    const char *file, *dataset, *out, *dir, *audit;
    int64_t threads, run, door;
    bool audits;
};

enum { SPEC_MAX = 1 << 20, THREADS_MAX = 256, ACK_GRACE_MS = 2000 };

static struct emit *emitting; /* for the signal handler */

static void on_signal(int signal)
{
    (void)signal;
    emit_stop(emitting, "the worker was told to end");
}

/* Whether json has what an experiment's specification has and a run's hasn't. */
static bool is_experiment(const json_t *json)
{
    if (json_object_get(json, "preset") != NULL)
        return true;
    for (size_t i = 0; i < sweep_table.n; i++) {
        bool runs = false;
        for (size_t k = 0; k < spec_run_table.n; k++)
            runs |= strcmp(sweep_table.rows[i].key, spec_run_table.rows[k].key) == 0;
        if (!runs && json_object_get(json, sweep_table.rows[i].key) != NULL)
            return true;
    }
    return false;
}

static int read_spec(const char *path, struct run_spec *ret, struct err *err)
{
    char *text = NULL;
    size_t len = 0;
    json_t *json = NULL;
    int status = files_read(path, SPEC_MAX, &text, &len, err);
    if (status == 0)
        status = jsonx_load(text, len, &json, err);
    if (status == 0)
        status = jsonx_check_integers(text, len, err);
    if (status == 0 && is_experiment(json))
        status =
            err_set(err, ERR_INVALID_VALUE,
                    "%s is an experiment's specification; a run's is one arm at one grid "
                    "point with one seed: \"spec\" of GET /api/v1/runs/ID, or runs/ID/spec.json "
                    "in the daemon's folder",
                    path);
    if (status == 0)
        status = run_spec_decode(json, "", ret, err);
    json_decref(json);
    free(text);
    return status;
}

static int train(const struct emit_config *emit_config, struct train_config *config,
                 enum train_end *ret, struct err *err)
{
    int status = emit_new(emit_config, &config->emit, err);
    if (status != 0)
        return status;
    emitting = config->emit;
    const struct sigaction stop = { .sa_handler = on_signal };
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    status = train_run(config, ret, err);
    emit_free(config->emit, ACK_GRACE_MS);
    return status;
}

static int threads_of(int64_t asked, int64_t from_spec)
{
    int64_t n = asked > 0 ? asked : from_spec > 0 ? from_spec : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

/* ablate-worker train RUNSPEC [--dataset DIR] --out DIR [--threads N] [--audits | --audit NAME] */
static int command_train(const struct arguments *a, struct err *err)
{
    struct train_config config = { .dataset = a->dataset,
                                   .out = a->out,
                                   .audits = a->audits || a->audit != NULL,
                                   .replays = a->audits || a->audit != NULL,
                                   .only = a->audit,
                                   .resume = true };
    if (a->file == NULL || a->out == NULL)
        return err_set(err, ERR_USAGE, "train needs RUNSPEC and --out DIR");
    if (a->audit != NULL && audit_find(a->audit) == NULL)
        return err_set(err, ERR_USAGE, "there is no audit %s", a->audit);
    int status = read_spec(a->file, &config.spec, err);
    if (status == 0 && config.spec.data.kind == DATASET_STORED && a->dataset == NULL)
        status = err_set(err, ERR_USAGE, "a stored corpus needs --dataset DIR");
    if (status == 0)
        status = files_make_folder(a->out, err);
    if (status != 0)
        return status;
    config.threads = threads_of(a->threads, config.spec.train.threads);
    enum train_end end = TRAIN_FINISHED;
    status = train(&(struct emit_config){ 0 }, &config, &end, err);
    if (status == 0 && end == TRAIN_STOPPED)
        status = err_set(err, ERR_UNAVAILABLE,
                         "stopped by a signal before its last step; the same command goes on from "
                         "the last checkpoint in %s",
                         a->out);
    return status;
}

/* ablate-worker run --dir DIR: the keeper */
static int command_run(const struct arguments *a, struct err *err)
{
    return a->dir == NULL ? err_set(err, ERR_USAGE, "run needs --dir DIR")
                          : keeper_run(a->dir, err);
}

/* Called when all that lies elsewhere has been read: from here on the attempt reaches no more than
 * its own folders and, for reading, its corpus. */
static int confine(const char *dir, const struct launch *launch, struct err *err)
{
    const char *const writable[] = { dir, launch->out, NULL };
    const char *const readable[] = { launch->dataset, NULL };
    char said[200];
    int status = sandbox_enter(&(struct sandbox){ writable, readable }, said, sizeof said, err);
    if (status == 0)
        log_info("%s", said);
    return status;
}

/* ablate-worker attempt --dir DIR [--door FD]: the trainer, started by its keeper */
static int command_attempt(const struct arguments *a, struct err *err)
{
    struct launch launch;
    struct train_config config = { 0 };
    char file[PATH_MAX];
    if (a->dir == NULL)
        return err_set(err, ERR_USAGE, "attempt needs --dir DIR");
    prctl(PR_SET_NAME, "ablate-trainer"); /* else "exe", by the path it was started by */
    int status = launch_read(a->dir, &launch, err);
    if (status == 0)
        status = read_spec(launch.spec, &config.spec, err);
    if (status == 0)
        status = gemm_init(threads_of(launch.threads, 0), err); /* not to be read in the sandbox */
    if (status == 0)
        status = confine(a->dir, &launch, err);
    if (status != 0)
        return status;
    snprintf(file, sizeof file, "%s/events.ndjson", a->dir);
    struct emit_config emit_config = {
        .file = file,
        .door = (int)a->door,
        .hello = { .run = launch.run, .attempt = launch.attempt, .pid = getpid() },
    };
    memcpy(emit_config.hello.token, launch.token, sizeof emit_config.hello.token);
    config.dataset = launch.dataset;
    config.out = launch.out;
    config.until = launch.steps;
    config.resume = launch.attempt > 1;
    config.audits = launch.audits;
    config.replays = launch.replays;
    config.settled = sandbox_seal;
    config.threads = threads_of(launch.threads, 0);
    enum train_end end; /* the daemon reads it in the events */
    return train(&emit_config, &config, &end, err);
}

static int rerun(const struct capsule *capsule, const struct arguments *a, struct err *err)
{
    struct rerun *rerun = NULL;
    int status =
        rerun_new(capsule, a->run, a->dataset, a->out, threads_of(a->threads, 0), &rerun, err);
    if (status != 0)
        return status;
    enum train_end end;
    rerun_announce(rerun);
    status = train(rerun_emit(rerun), rerun_train(rerun), &end, err);
    status = rerun_conclude(rerun, status, err);
    rerun_free(rerun);
    return status;
}

/* ablate-worker verify CAPSULE [--run ID [--dataset DIR] [--threads N] [--out DIR]] */
static int command_verify(const struct arguments *a, struct err *err)
{
    struct capsule capsule;
    if (a->file == NULL)
        return err_set(err, ERR_USAGE, "verify needs CAPSULE");
    if (a->run == 0 && (a->dataset != NULL || a->out != NULL || a->threads != 0))
        return err_set(err, ERR_USAGE, "--dataset, --out and --threads belong to --run ID");
    int status = capsule_open(a->file, &capsule, err);
    if (status != 0)
        return status;
    status = capsule_check(&capsule, err);
    if (status == 0)
        capsule_tell(&capsule);
    if (status == 0 && a->run > 0)
        status = rerun(&capsule, a, err);
    capsule_done(&capsule);
    return status;
}

static const struct {
    const char *name, *usage, *what;
    int (*run)(const struct arguments *a, struct err *err);
} commands[] = {
    { "train", "train RUNSPEC [--dataset DIR] --out DIR [--threads N] [--audits | --audit NAME]",
      "trains the run in the file RUNSPEC and prints its events, a JSON object a line;\n"
      "      goes on from the last checkpoint in --out (exit status 75: a signal stopped it\n"
      "      before its last step); --audits: checks itself (causality, …), too;\n"
      "      --audit: by this one alone. The daemon's folder has both inputs:\n"
      "      runs/ID/spec.json and datasets/DIGEST",
      command_train },
    { "verify", "verify CAPSULE [--run ID [--dataset DIR] [--threads N] [--out DIR]]",
      "checks the archive of experiments/ID/capsule: every file, every run's specification;\n"
      "      --run: trains that run again and compares every bit with what is stored",
      command_verify },
    { "run", "run --dir DIR", "keeps the attempt in DIR (started by the daemon)", command_run },
    { "attempt", "attempt --dir DIR [--door FD]",
      "trains the attempt in DIR (started by its keeper)", command_attempt },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(void)
{
    printf("ablate-worker %s: trains one run\n\n", ablate_version());
    for (int i = 0; i < COMMANDS; i++)
        printf("  ablate-worker %s\n      %s\n", commands[i].usage, commands[i].what);
    printf("  ablate-worker --version | --help\n");
}

static int take_option(struct arguments *a, const char *name, const char *value, struct err *err)
{
    const struct {
        const char *name, **to;
    } texts[] = { { "--dataset", &a->dataset },
                  { "--out", &a->out },
                  { "--dir", &a->dir },
                  { "--audit", &a->audit } };
    const struct {
        const char *name;
        int64_t *to, max;
    } numbers[] = { { "--threads", &a->threads, THREADS_MAX },
                    { "--run", &a->run, INT64_MAX },
                    { "--door", &a->door, INT_MAX } };
    if (value == NULL)
        return err_set(err, ERR_USAGE, "%s needs a value", name);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].to = value;
            return 0;
        }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        char *end;
        errno = 0;
        *numbers[i].to = strtoll(value, &end, 10);
        if (*end == '\0' && errno == 0 && *numbers[i].to >= 1 && *numbers[i].to <= numbers[i].max)
            return 0;
        return err_set(err, ERR_USAGE, "%s must be 1 to %lld, not %s", name,
                       (long long)numbers[i].max, value);
    }
    return err_set(err, ERR_USAGE, "there is no option %s; see ablate-worker --help", name);
}

static int dispatch(int argc, char **argv, struct err *err)
{
    struct arguments a = { 0 };
    for (int c = 0; c < COMMANDS; c++) {
        if (strcmp(argv[1], commands[c].name) != 0)
            continue;
        int status = 0;
        for (int i = 2; i < argc && status == 0; i++)
            if (strcmp(argv[i], "--audits") == 0) {
                a.audits = true;
            } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
                status = take_option(&a, argv[i], i + 1 < argc ? argv[i + 1] : NULL, err);
                i++;
            } else if (a.file == NULL) {
                a.file = argv[i];
            } else {
                status = err_set(err, ERR_USAGE, "%s is one argument too many", argv[i]);
            }
        return status != 0 ? status : commands[c].run(&a, err);
    }
    return err_set(err, ERR_USAGE, "there is no command %s; see ablate-worker --help", argv[1]);
}

int main(int argc, char **argv)
{
    struct err err = { 0 };
    if (stdio_keep_open() != 0)
        return err_exit_status(ERR_INTERNAL); /* there may be nowhere to say it */
    umask(077);                               /* all that is made here is its owner's alone */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return 0;
        }
    if (argc < 2) {
        help();
        return err_exit_status(ERR_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("ablate-worker %s\n", ablate_version());
        return 0;
    }
    int status = dispatch(argc, argv, &err);
    if (status == 0)
        return 0;
    log_error("%s%s%s", err.pointer, err.pointer[0] != '\0' ? ": " : "", err.message);
    return err_exit_status(status);
}
