/* cancel, retry, priority: one request a subject. All of them are tried; the first that is refused
 * decides how it ends. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/terminal/say.h"

#include <stdlib.h>

struct act {
    const char *path, *experiment_path; /* NULL: it does runs alone */
    const json_t *body;
    const char *done;
};

static void say_done(struct call *call, const struct act *act, bool run, const json_t *value)
{
    const char *state = json_string_value(json_object_get(value, "state"));
    if (call->option[OPTION_JSON] != NULL)
        say_json(value);
    else
        say("%s %lld: %s; it is %s\n", run ? "run" : "experiment",
            (long long)json_integer_value(json_object_get(value, "id")), act->done,
            state != NULL ? state : "somewhere");
}

static int act_on(struct call *call, const struct act *act, const char *subject, struct err *err)
{
    bool run = true;
    int64_t id = 0;
    json_t *value = NULL;
    int status = act->experiment_path != NULL ? take_subject(subject, &run, &id, err)
                                              : take_run(subject, &id, err);
    if (status != 0)
        return status;
    struct buf path = path_of(run ? act->path : act->experiment_path, id);
    status = http_json(call->http, "POST", path.data, act->body, &value, err);
    if (status == 0)
        say_done(call, act, run, value);
    json_decref(value);
    buf_done(&path);
    return status;
}

static int act_all(struct call *call, const struct act *act, int n, struct err *err)
{
    int first = 0;
    for (int i = 0; i < n; i++) {
        struct err why = { 0 };
        int status = act_on(call, act, call->operands[i], &why);
        if (status != 0 && first == 0) {
            first = status;
            *err = why;
        } else if (status != 0) {
            say_aside("%s", why.message);
        }
    }
    return first;
}

int command_cancel(struct call *call, struct err *err)
{
    static const struct act act = { "/runs/%lld/cancel", "/experiments/%lld/cancel", NULL,
                                    "asked to end" };
    return act_all(call, &act, call->operands_n, err);
}

int command_retry(struct call *call, struct err *err)
{
    static const struct act act = { "/runs/%lld/retry", NULL, NULL, "goes on" };
    return act_all(call, &act, call->operands_n, err);
}

int command_priority(struct call *call, struct err *err)
{
    int64_t priority = 0;
    int status = take_number("a priority", call->operands[1], -1000, 1000, &priority, err);
    if (status != 0)
        return status;
    json_t *body = json_pack("{s:I}", "priority", (json_int_t)priority);
    const struct act act = { "/runs/%lld/priority", NULL, body, "moved" };
    status = act_all(call, &act, 1, err);
    json_decref(body);
    return status;
}
