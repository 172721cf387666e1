/* command_watch: watching an experiment. */
#ifndef ABLATE_SERVER_CLIENT_COMMAND_WATCH_H
#define ABLATE_SERVER_CLIENT_COMMAND_WATCH_H

#include "server/client/command.h"

/* What submit --watch goes on with. */
int watch_experiment(struct call *call, int64_t id, struct err *err);

#endif
