/* ablate: the API from a terminal. This file only wires: the command line, the daemon, the command,
 * and the exit status. */
#include "common/base/stdio.h"
#include "common/base/version.h"
#include "server/client/args.h"
#include "server/client/command.h"
#include "server/client/deliver.h"
#include "server/client/terminal/say.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static int run(struct call *call, struct err *err)
{
    int status = 0;
    if (!call->command->home)
        status = where_find(&call->where_options, &call->where, err);
    if (status == 0 && !call->command->home)
        status = http_new(&call->where, &call->http, err);
    if (status == 0)
        status = call->command->run(call, err);
    http_free(call->http);
    explicit_bzero(&call->where, sizeof call->where);
    return status;
}

int main(int argc, char **argv)
{
    struct call call;
    struct err err = { 0 };
    if (stdio_keep_open() != 0)
        return err_exit_status(ERR_INTERNAL);
    setlocale(LC_CTYPE, "");
    prctl(PR_SET_DUMPABLE, 0); /* a core would hold the token */
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("ablate %s\n", ablate_version());
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], DELIVER) == 0)
        return deliver_main();
    int status = call_parse(argc, argv, &call, &err);
    if (status == 0 && call.option[OPTION_HELP] != NULL)
        help_say(call.command);
    else if (status == 0)
        status = run(&call, &err);
    if (status == 0)
        status = say_flush(&err);
    if (status == 0)
        return call.option[OPTION_HELP] != NULL ? 0 : call.exit;
    if (err.message[0] != '\0')
        say_aside("%s", err.message);
    return err_exit_status(status);
}
