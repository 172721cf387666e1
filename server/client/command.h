/* commands: what `ablate` can do: a row a command, a row an option.
 *
 * The help, the completion and what is refused come out of these two tables; the manual page is
 * written by hand, and a test holds it against them (tests/e2e/command/command.test.mjs).
 */
#ifndef ABLATE_CLIENT_COMMAND_H
#define ABLATE_CLIENT_COMMAND_H

#include "common/base/err.h"
#include "server/client/http.h"
#include "server/client/where.h"

#include <stdbool.h>
#include <stdint.h>

/*  symbol      name          short value       what */
#define OPTION_LIST(X)                                                                             \
    X(DATA, "data", 0, "DIR", "the daemon's data folder (ABLATE_DATA)")                            \
    X(URL, "url", 0, "URL", "the daemon's address (ABLATE_URL), instead of its folder")            \
    X(TOKEN_FILE, "token-file", 0, "FILE", "with --url: the token's file (or ABLATE_TOKEN)")       \
    X(JSON, "json", 0, NULL, "print JSON; a line of it for each event")                            \
    X(HELP, "help", 'h', NULL, "print how the command is used")                                    \
    X(WATCH, "watch", 'w', NULL, "follow the experiment to its end, as watch does")                \
    X(DRY_RUN, "dry-run", 'n', NULL, "say what would run, what it costs and what audits foresee")  \
    X(KEY, "key", 0, "KEY", "idempotency key: the same one submits once (a random one)")           \
    X(PARENT, "parent", 0, "ID", "the experiment that this one was made from")                     \
    X(ASCII, "ascii", 0, NULL, "draw with ASCII alone")                                            \
    X(PATIENCE, "patience", 0, "S", "seconds without a daemon before giving up (600)")             \
    X(DELETED, "deleted", 0, NULL, "list what was deleted, instead")                               \
    X(LIMIT, "limit", 0, "N", "at most so many; 0: all (100)")                                     \
    X(EXPERIMENT, "experiment", 'e', "ID", "runs of this experiment")                              \
    X(ORDER_BY, "order-by", 0, "FIELDS", "sort by fields of filters; -FIELD: greatest first")      \
    X(FOLLOW, "follow", 'f', NULL, "go on until the run has ended")                                \
    X(WHAT, "what", 0, "WHAT", "capsule, curves or runs (capsule)")                                \
    X(ARM, "arm", 0, "ARM", "curves or runs of this arm alone")                                    \
    X(NAMES, "names", 0, "NAMES", "curves of these metrics alone, with commas between")            \
    X(FORMAT, "format", 0, "FORMAT", "how it is written; the manual page lists what there is")     \
    X(TABLE, "table", 0, "TABLE", "of a report as csv: rows or claims (rows)")                     \
    X(OUTPUT, "output", 'o', "FILE", "write there; - is standard output")                          \
    X(ACCESS, "access", 0, "KIND", "what the link may: read, submit or admin (admin)")

enum option {
#define OPTION_ENUM(symbol, name, letter, value, what) OPTION_##symbol,
    OPTION_LIST(OPTION_ENUM)
#undef OPTION_ENUM
        OPTIONS_N
};
#define OPTION_BIT(symbol) (1U << OPTION_##symbol)

struct option_row {
    const char *name;
    char letter;       /* 0 = none */
    const char *value; /* NULL = a flag */
    const char *what;
};
extern const struct option_row option_table[OPTIONS_N];

enum { OPERANDS = 64 };

/* A command line, taken apart. */
struct call {
    const struct command *command;
    const char *operands[OPERANDS];
    int operands_n;
    const char *option[OPTIONS_N]; /* NULL: not given; a flag's is "" */
    struct where_options where_options;
    struct where where;
    struct http *http; /* NULL for a command that is at home */
    int exit;          /* what a command that succeeds ends the program with */
};

/* Prints what it has to say. Errors: as http.h; USAGE. */
typedef int command_run(struct call *call, struct err *err);

struct command {
    const char *name;
    const char *operands; /* as the help has them; an ellipsis: more of the last */
    int min, max;         /* how many */
    unsigned options;     /* OPTION_BIT of what it takes beside those of every command */
    bool home;            /* it asks no daemon */
    command_run *run;
    const char *what;
};
extern const struct command command_table[];
extern const int command_table_n;
#define OPTION_ALWAYS                                                                              \
    (OPTION_BIT(DATA) | OPTION_BIT(URL) | OPTION_BIT(TOKEN_FILE) | OPTION_BIT(JSON) |              \
     OPTION_BIT(HELP))

const struct command *command_find(const char *name);
command_run command_submit, command_ls, command_show, command_watch, command_runs, command_logs,
    command_cancel, command_retry, command_priority, command_report, command_export, command_put,
    command_link, command_completion, command_help;

#endif
