/* submit: the text goes as it is, since the daemon says of a mistake where it is. A key of its own
 * goes with it, so that it may be sent again when nobody knows whether it arrived. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/commands/command_watch.h"
#include "server/client/follow.h"
#include "server/client/terminal/grid.h"
#include "server/client/terminal/say.h"
#include "server/client/terminal/units.h"

#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "common/json/jsonx_fields.h"
#include "common/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPEC_BYTES = 16 << 20 };

static int read_all(FILE *from, struct buf *to, struct err *err)
{
    char part[16384];
    size_t n;
    while ((n = fread(part, 1, sizeof part, from)) > 0 && !to->failed)
        buf_add(to, part, n);
    if (ferror(from))
        return err_errno(err, ERR_STORAGE, "can't read the specification");
    if (to->full)
        return err_set(err, ERR_TOO_LARGE, "a specification has at most %d MiB", SPEC_BYTES >> 20);
    return to->failed ? err_no_memory(err, "the specification") : 0;
}

/* A file; or what is the name of no file, as a preset's. */
static int read_spec(const char *from, struct buf *to, struct err *err)
{
    struct stat info;
    if (strcmp(from, "-") == 0)
        return read_all(stdin, to, err);
    FILE *file = stat(from, &info) == 0 && !S_ISDIR(info.st_mode) ? fopen(from, "re") : NULL;
    if (file != NULL) {
        int status = read_all(file, to, err);
        fclose(file);
        return status;
    }
    if (stat(from, &info) == 0 && !S_ISDIR(info.st_mode))
        return err_errno(err, ERR_STORAGE, "can't read %s", from);
    if (!names_is_plain(from) || strstr(from, ".json") != NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", from);
    buf_adds(to, "{\"preset\":");
    jsonx_dump_string(from, strlen(from), to);
    buf_addc(to, '}');
    return 0;
}

static void make_key(char ret[33])
{
    unsigned char bytes[16] = { 0 };
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* Until the daemon has said something to it. parent: 0 = none. */
static int post(struct call *call, const struct buf *spec, int64_t parent, json_t **ret,
                struct err *err)
{
    bool dry = call->option[OPTION_DRY_RUN] != NULL;
    char made[33], path[64], of[32] = "";
    const char *key = call->option[OPTION_KEY];
    int64_t trouble_ms = 0;
    if (key == NULL && !dry) {
        make_key(made);
        key = made;
    }
    if (parent > 0)
        snprintf(of, sizeof of, "&parent=%lld", (long long)parent);
    snprintf(path, sizeof path, "/experiments?dry_run=%d%s", dry, of);
    for (;;) {
        int status = http_json_text(call->http, "POST", path, spec->data != NULL ? spec->data : "",
                                    spec->len, dry ? NULL : key, ret, err);
        if (status == 0 || dry || !follow_wait(call, status, err, &trouble_ms))
            return status;
    }
}

/* The dry run. */

static void say_runs(const json_t *runs)
{
    static const char *const head[] = { "arm",     "grid",   ">seed",    ">steps", ">parameters",
                                        ">memory", ">FLOPs", ">seconds", NULL };
    struct grid grid;
    size_t i;
    json_t *run;
    grid_init(&grid, head);
    json_array_foreach(runs, i, run)
    {
        char text[UNITS_TEXT], *at = jsonx_text(json_object_get(run, "grid"), JSONX_KEEP_ORDER);
        grid_add(&grid, json_string_value(json_object_get(run, "arm")));
        grid_add(&grid, at != NULL && strcmp(at, "{}") != 0 ? at : "");
        grid_addf(&grid, "%lld", (long long)json_integer_value(json_object_get(run, "seed")));
        grid_addf(&grid, "%lld", (long long)json_integer_value(json_object_get(run, "steps")));
        grid_add(&grid, units_si(json_number_value(json_object_get(run, "parameters")), text));
        grid_add(&grid, units_bytes(json_number_value(json_object_get(run, "memory_bytes")), text));
        grid_add(&grid, units_si(json_number_value(json_object_get(run, "flops_total")), text));
        grid_addf(&grid, "%.1f", json_number_value(json_object_get(run, "estimated_seconds")));
        free(at);
    }
    grid_say(&grid);
    grid_done(&grid);
}

static void say_audits(const json_t *audits)
{
    size_t i;
    json_t *audit;
    json_array_foreach(audits, i, audit)
    {
        const char *status = json_string_value(json_object_get(audit, "status"));
        const char *arm = json_string_value(json_object_get(audit, "arm"));
        char *name = say_name(json_string_value(json_object_get(audit, "name")));
        char *detail = say_name(json_string_value(json_object_get(audit, "detail")));
        char *remedy = say_name(json_string_value(json_object_get(audit, "remedy")));
        char *of = say_name(arm);
        bool bad = status != NULL && (strcmp(status, "fail") == 0 || strcmp(status, "warn") == 0);
        say("  %-8s %s%s%s%s: %s\n", status != NULL ? status : "", name, *of != '\0' ? " (" : "",
            of, *of != '\0' ? ")" : "", detail);
        if (bad && *remedy != '\0')
            say("           %s\n", remedy);
        free(name);
        free(detail);
        free(remedy);
        free(of);
    }
}

static void say_plan(const json_t *plan)
{
    const json_t *totals = json_object_get(plan, "totals");
    const json_t *audits = json_object_get(plan, "planned_audits");
    char bytes[UNITS_TEXT], flops[UNITS_TEXT], time[UNITS_TEXT];
    say_runs(json_object_get(plan, "runs"));
    say("\n%lld runs; about %s with the daemon's slots, %sFLOP, %s for the largest run\n",
        (long long)json_integer_value(json_object_get(totals, "runs")),
        units_seconds(json_number_value(json_object_get(totals, "estimated_seconds")), time),
        units_si(json_number_value(json_object_get(totals, "flops")), flops),
        units_bytes(json_number_value(json_object_get(totals, "memory_bytes")), bytes));
    if (json_array_size(audits) > 0)
        say("\nBefore a step is trained, the audits say:\n");
    say_audits(audits);
    say("\nNothing was submitted.\n");
}

int command_submit(struct call *call, struct err *err)
{
    bool dry = call->option[OPTION_DRY_RUN] != NULL, json = call->option[OPTION_JSON] != NULL;
    struct buf spec;
    json_t *made = NULL;
    int64_t patience, parent = 0;
    int status = option_number(call, OPTION_PATIENCE, 0, 31536000, 0, &patience, err);
    if (status == 0)
        status = option_number(call, OPTION_PARENT, 1, INT64_MAX, 0, &parent, err);
    if (status == 0 && dry && call->option[OPTION_WATCH] != NULL)
        status = err_set(err, ERR_USAGE, "--dry-run submits nothing that --watch could follow");
    buf_init(&spec, SPEC_BYTES);
    if (status == 0)
        status = read_spec(call->operands[0], &spec, err);
    if (status == 0)
        status = post(call, &spec, parent, &made, err);
    if (status == -ERR_UNKNOWN_PRESET && err != NULL && access(call->operands[0], F_OK) != 0)
        snprintf(err->message + strlen(err->message), sizeof err->message - strlen(err->message),
                 "; and there is no file %.100s", call->operands[0]);
    if (status == 0 && json)
        say_json(made);
    else if (status == 0 && dry)
        say_plan(made);
    int64_t id = json_integer_value(json_object_get(made, "id"));
    if (status == 0 && !json && !dry) {
        char *name = say_name(json_string_value(json_object_get(made, "name")));
        say("Submitted %s: experiment %lld, %lld runs\n", name, (long long)id,
            (long long)json_integer_value(json_object_get(made, "runs")));
        free(name);
    }
    json_decref(made);
    buf_done(&spec);
    if (status == 0 && call->option[OPTION_WATCH] != NULL)
        status = watch_experiment(call, id, err);
    return status;
}
