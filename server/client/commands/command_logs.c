/* logs: the log as it is, then, with -f, the log lines that come as events.
 *
 * The log is asked for between two looks at the run; an event between those two may be in it
 * already, and then isn't said again.
 */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/follow.h"
#include "server/client/terminal/say.h"

#include <stdlib.h>
#include <string.h>

struct logs {
    struct call *call;
    int64_t run;
    bool json, over;
    char *shown;   /* the log as it was said; borrowed */
    int64_t known; /* events up to this one may be in it */
    char *state;   /* in which it ended */
};

static int get_run(struct call *call, int64_t id, int64_t *ret_as_of, bool *ret_over,
                   struct err *err)
{
    json_t *run = NULL;
    struct buf path = path_of("/runs/%lld", id);
    int status = http_json(call->http, "GET", path.data, NULL, &run, err);
    const char *state = json_string_value(json_object_get(run, "state"));
    if (status == 0) {
        *ret_as_of = json_integer_value(json_object_get(run, "as_of"));
        *ret_over =
            state == NULL || (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0);
    }
    json_decref(run);
    buf_done(&path);
    return status;
}

static void say_log(struct call *call, const char *text, size_t len)
{
    if (call->option[OPTION_JSON] == NULL) {
        say_text(text, len);
        return;
    }
    json_t *value = json_pack("{s:o}", "log", json_stringn_nocheck(text, len));
    say_json(value);
    json_decref(value);
}

static int get_log(struct call *call, int64_t id, struct http_reply *reply, struct err *err)
{
    struct buf path = path_of("/runs/%lld/log", id);
    const struct http_call one = { .method = "GET", .path = path.data };
    int status = http_call(call->http, &one, reply, err);
    buf_done(&path);
    if (status == 0)
        say_log(call, reply->body.data != NULL ? reply->body.data : "", reply->body.len);
    fflush(stdout);
    return status;
}

static void say_line(struct logs *l, int64_t id, const json_t *data)
{
    const char *level = json_string_value(json_object_get(data, "level"));
    const char *message = json_string_value(json_object_get(data, "message"));
    char *line = NULL;
    if (l->json)
        say_json(data);
    else if (asprintf(&line, "%-5s %s\n", level != NULL ? level : "",
                      message != NULL ? message : "") >= 0) {
        if (id > l->known || l->shown == NULL || strstr(l->shown, line) == NULL)
            say("%s", line);
        free(line);
    }
    fflush(stdout);
}

static int on_event(void *arg, int64_t id, const char *name, const json_t *data)
{
    struct logs *l = arg;
    const json_t *run = json_object_get(data, "run");
    if (strcmp(name, "resync") == 0)
        say_aside("some of the log may be missing here; ablate logs %lld has all",
                  (long long)l->run);
    else if (strcmp(name, "log") == 0)
        say_line(l, id, data);
    const char *state = json_string_value(json_object_get(run, "state"));
    if (strcmp(name, "run") != 0 || state == NULL)
        return 0;
    l->over = strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
    if (l->over)
        l->state = strdup(state);
    return l->over;
}

static int follow(struct logs *l, int64_t after, struct err *err)
{
    char text[24];
    struct buf path = path_of("/events", 0);
    snprintf(text, sizeof text, "%lld", (long long)l->run);
    http_query(&path, "run", text);
    struct follow stream = {
        .call = l->call, .path = path.data, .after = after, .take = on_event, .arg = l
    };
    int status = follow_events(&stream, err);
    buf_done(&path);
    return status;
}

int command_logs(struct call *call, struct err *err)
{
    struct logs l = { .call = call, .json = call->option[OPTION_JSON] != NULL };
    struct http_reply reply = { 0 };
    int64_t before = 0, patience;
    bool follows = call->option[OPTION_FOLLOW] != NULL, over = false;
    int status = take_run(call->operands[0], &l.run, err);
    if (status == 0)
        status = option_number(call, OPTION_PATIENCE, 0, 31536000, 0, &patience, err);
    if (status == 0 && follows)
        status = get_run(call, l.run, &before, &over, err);
    if (status == 0)
        status = get_log(call, l.run, &reply, err);
    if (status == 0 && follows && !over) {
        follow_catch();
        l.shown = reply.body.data;
        status = get_run(call, l.run, &l.known, &over, err);
        if (status == 0)
            status = follow(&l, before, err);
        if (status == 0 && follow_interrupted())
            call->exit = 130;
        else if (status == 0 && l.state != NULL && !l.json)
            say_aside("run %lld has %s", (long long)l.run, l.state);
    }
    free(l.state);
    http_reply_done(&reply);
    return status;
}
