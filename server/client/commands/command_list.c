/* ls, runs: pages until there are enough. show: an object's members, a line each. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/terminal/grid.h"
#include "server/client/terminal/say.h"
#include "server/client/terminal/units.h"

#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000 };

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static long long integer_of(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

/* All items of a list as one array, at most `limit` (0: all). */
static int fetch(struct call *call, const struct buf *path, int64_t limit, json_t **ret,
                 struct err *err)
{
    json_t *items = json_array();
    char *token = NULL;
    int status = items == NULL ? err_no_memory(err, "the list") : 0;
    do {
        struct buf one;
        json_t *page = NULL;
        char size[24];
        int64_t left = limit - (int64_t)json_array_size(items);
        snprintf(size, sizeof size, "%lld", (long long)(limit > 0 && left < PAGE ? left : PAGE));
        buf_init(&one, 0);
        buf_add(&one, path->data, path->len);
        http_query(&one, "page_size", size);
        if (token != NULL)
            http_query(&one, "page_token", token);
        free(token);
        token = NULL;
        if (status == 0)
            status = one.failed ? err_no_memory(err, "the request")
                                : http_json(call->http, "GET", one.data, NULL, &page, err);
        buf_done(&one);
        size_t before = json_array_size(items);
        if (status == 0)
            json_array_extend(items, json_object_get(page, "items"));
        const char *next = text_of(page, "next_page_token");
        if (status == 0 && next != NULL && json_array_size(items) > before &&
            (limit == 0 || (int64_t)json_array_size(items) < limit))
            token = strdup(next);
        json_decref(page);
    } while (status == 0 && token != NULL);
    if (status != 0) {
        json_decref(items);
        return status;
    }
    *ret = items;
    return 0;
}

/* Lists are JSON as the API has it, without what goes to the next page. */
static int say_list(struct call *call, struct buf *path, void (*row)(const json_t *items),
                    struct err *err)
{
    int64_t limit = 0;
    json_t *items = NULL;
    int status = option_number(call, OPTION_LIMIT, 0, 1000000000, 100, &limit, err);
    if (status == 0)
        status = path->failed ? err_set(err, ERR_USAGE, "the filter is too long")
                              : fetch(call, path, limit, &items, err);
    if (status == 0 && call->option[OPTION_JSON] != NULL) {
        json_t *all = json_pack("{s:O}", "items", items);
        say_json(all);
        json_decref(all);
    } else if (status == 0) {
        row(items);
    }
    json_decref(items);
    buf_done(path);
    return status;
}

static const char *day_of(const char *time, char ret[UNITS_TEXT])
{
    snprintf(ret, UNITS_TEXT, "%.10s %.5s", time != NULL ? time : "",
             time != NULL && strlen(time) > 16 ? time + 11 : "");
    return ret;
}

static void say_experiments(const json_t *items)
{
    static const char *const head[] = { ">id",     "name",   "state",         ">done", ">runs",
                                        ">failed", "audits", "created (UTC)", NULL };
    struct grid grid;
    size_t i;
    json_t *e;
    grid_init(&grid, head);
    json_array_foreach(items, i, e)
    {
        char text[UNITS_TEXT];
        const json_t *counts = json_object_get(e, "counts"), *audits = json_object_get(e, "audits");
        long long failed = integer_of(counts, "failed"), bad = integer_of(audits, "fail");
        grid_addf(&grid, "%lld", integer_of(e, "id"));
        grid_add(&grid, text_of(e, "name"));
        grid_add(&grid, text_of(e, "state"));
        grid_addf(&grid, "%.0f %%", json_number_value(json_object_get(e, "progress")) * 100);
        grid_addf(&grid, "%lld", integer_of(e, "runs"));
        if (failed > 0)
            grid_addf(&grid, "%lld", failed);
        else
            grid_add(&grid, "");
        if (bad > 0)
            grid_addf(&grid, "%lld fail", bad);
        else
            grid_add(&grid, "");
        grid_add(&grid, day_of(text_of(e, "created_at"), text));
    }
    grid_say(&grid);
    grid_done(&grid);
}

/* What both lists are searched and sorted by. */
static void add_search(const struct call *call, struct buf *path)
{
    if (call->operands_n > 0)
        http_query(path, "filter", call->operands[0]);
    if (call->option[OPTION_ORDER_BY] != NULL)
        http_query(path, "order", call->option[OPTION_ORDER_BY]);
}

int command_ls(struct call *call, struct err *err)
{
    struct buf path = path_of("/experiments", 0);
    add_search(call, &path);
    if (call->option[OPTION_DELETED] != NULL)
        http_query(&path, "deleted", "1");
    return say_list(call, &path, say_experiments, err);
}

static void say_runs(const json_t *items)
{
    static const char *const head[] = { ">run",  ">experiment", "arm",       "grid",   ">seed",
                                        "state", ">step",       ">val/loss", "reason", NULL };
    struct grid grid;
    size_t i;
    json_t *run;
    grid_init(&grid, head);
    json_array_foreach(items, i, run)
    {
        char text[UNITS_TEXT], *at = jsonx_text(json_object_get(run, "grid"), JSONX_KEEP_ORDER);
        const json_t *loss = json_object_get(json_object_get(run, "final"), "val/loss");
        grid_addf(&grid, "%lld", integer_of(run, "id"));
        grid_addf(&grid, "%lld", integer_of(run, "experiment_id"));
        grid_add(&grid, text_of(run, "arm"));
        grid_add(&grid, at != NULL && strcmp(at, "{}") != 0 ? at : "");
        grid_addf(&grid, "%lld", integer_of(run, "seed"));
        grid_add(&grid, text_of(run, "state"));
        grid_addf(&grid, "%lld/%lld", integer_of(run, "step"), integer_of(run, "steps"));
        grid_add(&grid, loss != NULL ? units_value(loss, text) : "");
        grid_add(&grid, text_of(run, "reason"));
        free(at);
    }
    grid_say(&grid);
    grid_done(&grid);
}

int command_runs(struct call *call, struct err *err)
{
    struct buf path = path_of("/runs", 0);
    int64_t experiment = 0;
    int status = option_number(call, OPTION_EXPERIMENT, 1, 9007199254740991, 0, &experiment, err);
    if (status != 0) {
        buf_done(&path);
        return status;
    }
    if (experiment != 0)
        http_query(&path, "experiment", call->option[OPTION_EXPERIMENT]);
    add_search(call, &path);
    return say_list(call, &path, say_runs, err);
}

/* show */

/* A member that isn't a scalar: what it holds, one after the other. */
static void say_value(const json_t *value, int depth)
{
    char text[UNITS_TEXT];
    const char *key;
    json_t *one;
    size_t i, n = 0;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, one)
        {
            char *name = say_name(key);
            say("%s%s%s", n++ > 0 ? ", " : "", name, depth > 0 ? " " : ": ");
            free(name);
            say_value(one, depth + 1);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, one)
        {
            if (i > 0)
                say(", ");
            say_value(one, depth + 1);
        }
    } else if (json_is_string(value)) {
        char *name = say_name(json_string_value(value));
        say("%s", name);
        free(name);
    } else if (json_is_real(value)) {
        say("%s", units_value(value, text));
    } else if (json_is_integer(value)) {
        say("%lld", (long long)json_integer_value(value));
    } else {
        say("%s", json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "–");
    }
}

static void say_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    bool empty = value == NULL || json_is_null(value) || json_is_false(value) ||
                 (json_is_string(value) && json_string_length(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0) ||
                 (json_is_object(value) && json_object_size(value) == 0);
    if (empty)
        return;
    say("%-13s ", name);
    say_value(value, 0);
    say("\n");
}

static void say_members(const json_t *object, const char *const *names)
{
    for (; *names != NULL; names++)
        say_member(object, *names);
}

static void say_experiment(const json_t *e)
{
    static const char *const names[] = { "id",         "name",       "state",      "runs",
                                         "counts",     "arms",       "grid",       "seeds",
                                         "tags",       "audits",     "hypothesis", "notes",
                                         "created_at", "started_at", "ended_at",   "deleted_at",
                                         NULL };
    say_members(e, names);
    say("%-13s %.0f %%\n", "progress", json_number_value(json_object_get(e, "progress")) * 100);
}

static void say_run(const json_t *run)
{
    static const char *const names[] = {
        "id",         "experiment_id",    "arm",        "grid",       "seed",     "state",
        "reason",     "cancel_requested", "priority",   "attempt",    "step",     "steps",
        "parameters", "digest",           "created_at", "started_at", "ended_at", "final",
        NULL
    };
    const json_t *verify = json_object_get(run, "verify");
    size_t i;
    json_t *attempt;
    say_members(run, names);
    if (json_is_object(verify)) {
        char *reason = say_name(text_of(verify, "reason"));
        say("%-13s %s%s%s\n", "verification", text_of(verify, "state"), *reason != '\0' ? ": " : "",
            reason);
        free(reason);
    }
    json_array_foreach(json_object_get(run, "attempts"), i, attempt)
    {
        char *outcome = say_name(text_of(attempt, "outcome"));
        say("attempt %-5lld %s, %s to %s%s%s\n", integer_of(attempt, "attempt"),
            text_of(attempt, "kind"), text_of(attempt, "started_at"),
            text_of(attempt, "ended_at") != NULL ? text_of(attempt, "ended_at") : "now",
            *outcome != '\0' ? ": " : "", outcome);
        free(outcome);
    }
}

int command_show(struct call *call, struct err *err)
{
    bool run = false;
    int64_t id = 0;
    json_t *value = NULL;
    int status = take_subject(call->operands[0], &run, &id, err);
    if (status != 0)
        return status;
    struct buf path = path_of(run ? "/runs/%lld" : "/experiments/%lld", id);
    status = http_json(call->http, "GET", path.data, NULL, &value, err);
    if (status == 0 && call->option[OPTION_JSON] != NULL)
        say_json(value);
    else if (status == 0)
        (run ? say_run : say_experiment)(value);
    json_decref(value);
    buf_done(&path);
    return status;
}
