/* args: a command line taken apart, and what its words stand for. */
#ifndef ABLATE_SERVER_CLIENT_ARGS_H
#define ABLATE_SERVER_CLIENT_ARGS_H

#include "server/client/command.h"

/* Takes a command line apart. Errors: USAGE. */
int call_parse(int argc, char **argv, struct call *ret, struct err *err);
/* The help: of all commands, or of one. */
void help_say(const struct command *command);

/* Operands and options as numbers; `what` names them in the error. Errors: USAGE. */
int take_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret,
                struct err *err);
/* "12", or "run/12" where a run may be meant. *ret_run: whether it was one. Errors: USAGE. */
int take_subject(const char *text, bool *ret_run, int64_t *ret, struct err *err);
/* "12" or "run/12", a run both. */
int take_run(const char *text, int64_t *ret, struct err *err);
/* An option's number, or what holds without it. */
int option_number(const struct call *call, enum option option, int64_t min, int64_t max,
                  int64_t preset, int64_t *ret, struct err *err);
/* A path below /api/v1: "/runs/%lld/…". */
struct buf path_of(const char *format, int64_t id);

#endif
