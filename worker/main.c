/* ablate-worker: trains. `train` works alone and prints its events; `run` and `attempt` are the two
 * processes of an attempt that the daemon starts. */
#include "common/files.h"
#include "common/launch.h"
#include "common/log.h"
#include "common/version.h"
#include "worker/keeper.h"
#include "worker/train.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *spec, *dataset, *out, *dir;
    long threads;
    bool audits;
};

enum { SPEC_MAX = 1 << 20, THREADS_MAX = 256, ACK_GRACE_MS = 2000 };

static struct emit *emitting; /* for the signal handler */

static void on_signal(int signal)
{
    (void)signal;
    emit_stop(emitting, "the worker was told to end");
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
        status = run_spec_decode(json, "", ret, err);
    json_decref(json);
    free(text);
    return status;
}

static int train(const struct emit_config *emit_config, struct train_config *config,
                 struct err *err)
{
    enum train_end end;
    int status = emit_new(emit_config, &config->emit, err);
    if (status != 0)
        return status;
    emitting = config->emit;
    const struct sigaction stop = { .sa_handler = on_signal };
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    status = train_run(config, &end, err);
    emit_free(config->emit, ACK_GRACE_MS);
    return status;
}

static int threads_of(long asked, int64_t from_spec)
{
    long n = asked > 0 ? asked : from_spec > 0 ? (long)from_spec : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

/* ablate-worker train RUNSPEC [--dataset DIR] --out DIR [--threads N] [--audits] */
static int command_train(const struct arguments *a, struct err *err)
{
    struct train_config config = { .dataset = a->dataset,
                                   .out = a->out,
                                   .audits = a->audits,
                                   .replays = a->audits,
                                   .resume = true };
    if (a->spec == NULL || a->out == NULL)
        return err_set(err, ERR_USAGE, "train needs RUNSPEC and --out DIR");
    int status = read_spec(a->spec, &config.spec, err);
    if (status == 0 && config.spec.data.kind == DATASET_STORED && a->dataset == NULL)
        status = err_set(err, ERR_USAGE, "a stored corpus needs --dataset DIR");
    if (status == 0)
        status = files_make_folder(a->out, err);
    if (status != 0)
        return status;
    config.threads = threads_of(a->threads, config.spec.train.threads);
    return train(&(struct emit_config){ 0 }, &config, err);
}

/* ablate-worker run --dir DIR: the keeper */
static int command_run(const struct arguments *a, struct err *err)
{
    return a->dir == NULL ? err_set(err, ERR_USAGE, "run needs --dir DIR")
                          : keeper_run(a->dir, err);
}

/* ablate-worker attempt --dir DIR: the trainer, started by its keeper */
static int command_attempt(const struct arguments *a, struct err *err)
{
    struct launch launch;
    struct train_config config = { 0 };
    char file[PATH_MAX];
    if (a->dir == NULL)
        return err_set(err, ERR_USAGE, "attempt needs --dir DIR");
    int status = launch_read(a->dir, &launch, err);
    if (status == 0)
        status = read_spec(launch.spec, &config.spec, err);
    if (status != 0)
        return status;
    snprintf(file, sizeof file, "%s/events.ndjson", a->dir);
    struct emit_config emit_config = {
        .file = file,
        .socket = launch.socket,
        .hello = { .run = launch.run, .attempt = launch.attempt, .pid = getpid() },
    };
    memcpy(emit_config.hello.token, launch.token, sizeof emit_config.hello.token);
    config.dataset = launch.dataset;
    config.out = launch.out;
    config.until = launch.steps;
    config.resume = launch.attempt > 1;
    config.audits = launch.audits;
    config.replays = launch.replays;
    config.threads = threads_of((long)launch.threads, 0);
    return train(&emit_config, &config, err);
}

static const struct {
    const char *name, *usage, *what;
    int (*run)(const struct arguments *a, struct err *err);
} commands[] = {
    { "train", "train RUNSPEC [--dataset DIR] --out DIR [--threads N] [--audits]",
      "trains the run in the file RUNSPEC and prints its events, a JSON object a line;\n"
      "      goes on from the last checkpoint in --out; --audits: checks itself (causality, …),\n"
      "      too. The daemon's folder has both inputs:\n"
      "      runs/ID/spec.json and datasets/DIGEST",
      command_train },
    { "run", "run --dir DIR", "keeps the attempt in DIR (started by the daemon)", command_run },
    { "attempt", "attempt --dir DIR", "trains the attempt in DIR (started by its keeper)",
      command_attempt },
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
    } texts[] = { { "--dataset", &a->dataset }, { "--out", &a->out }, { "--dir", &a->dir } };
    if (value == NULL)
        return err_set(err, ERR_USAGE, "%s needs a value", name);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].to = value;
            return 0;
        }
    if (strcmp(name, "--threads") != 0)
        return err_set(err, ERR_USAGE, "there is no option %s; see ablate-worker --help", name);
    char *end;
    a->threads = strtol(value, &end, 10);
    if (*end != '\0' || a->threads < 1 || a->threads > THREADS_MAX)
        return err_set(err, ERR_USAGE, "--threads must be 1 to %d, not %s", THREADS_MAX, value);
    return 0;
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
            } else if (a.spec == NULL) {
                a.spec = argv[i];
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
