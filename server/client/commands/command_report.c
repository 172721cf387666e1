/* report: text for people, in the format that is asked for. */
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/terminal/say.h"

#include <string.h>

int command_report(struct call *call, struct err *err)
{
    const char *format = call->option[OPTION_FORMAT];
    struct http_reply reply = { 0 };
    int64_t id = 0;
    if (format == NULL)
        format = call->option[OPTION_JSON] != NULL    ? "json"
                 : call->option[OPTION_TABLE] != NULL ? "csv"
                                                      : "md";
    int status = take_number("an experiment", call->operands[0], 1, 9007199254740991, &id, err);
    if (status == 0 && call->option[OPTION_JSON] != NULL && strcmp(format, "json") != 0)
        status = err_set(err, ERR_USAGE, "--json is --format json, not %.40s", format);
    if (status != 0)
        return status;
    struct buf path = path_of("/experiments/%lld/report", id);
    http_query(&path, "format", format);
    if (call->option[OPTION_TABLE] != NULL)
        http_query(&path, "table", call->option[OPTION_TABLE]);
    const struct http_call one = { .method = "GET", .path = path.data };
    status = http_call(call->http, &one, &reply, err);
    if (status == 0)
        say_text(reply.body.data != NULL ? reply.body.data : "", reply.body.len);
    if (status == 0 && reply.body.len > 0 && reply.body.data[reply.body.len - 1] != '\n')
        say("\n");
    http_reply_done(&reply);
    buf_done(&path);
    return status;
}
