/* The two tables. */
#include "server/client/command.h"

#include <string.h>

#define B(symbol) OPTION_BIT(symbol)

const struct option_row option_table[OPTIONS_N] = {
#define OPTION_ROW(symbol, name, letter, value, what)                                              \
    [OPTION_##symbol] = { name, letter, value, what },
    OPTION_LIST(OPTION_ROW)
};

const struct command command_table[] = {
    { "submit", "FILE|PRESET|-", 1, 1,
      B(WATCH) | B(DRY_RUN) | B(KEY) | B(PARENT) | B(ASCII) | B(PATIENCE), false, command_submit,
      "submit an experiment: a file, a preset's name, or standard input" },
    { "ls", "[FILTER]", 0, 1, B(DELETED) | B(ORDER_BY) | B(LIMIT), false, command_ls,
      "search experiments, newest first, e.g. 'verdict = better'" },
    { "show", "EXPERIMENT|run/RUN", 1, 1, 0, false, command_show,
      "say what is known of an experiment or a run" },
    { "watch", "EXPERIMENT", 1, 1, B(ASCII) | B(PATIENCE), false, command_watch,
      "follow an experiment to its end, then say its verdict" },
    { "runs", "[FILTER]", 0, 1, B(EXPERIMENT) | B(ORDER_BY) | B(LIMIT), false, command_runs,
      "search runs, e.g. 'state = failed'" },
    { "logs", "RUN", 1, 1, B(FOLLOW) | B(PATIENCE), false, command_logs,
      "print what a run's newest attempts said" },
    { "cancel", "EXPERIMENT|run/RUN...", 1, OPERANDS, 0, false, command_cancel,
      "cancel what hasn't ended of experiments or runs" },
    { "retry", "RUN...", 1, OPERANDS, 0, false, command_retry,
      "queue failed or cancelled runs again" },
    { "priority", "RUN N", 2, 2, 0, false, command_priority,
      "move a queued run: of all the greatest, -1000 to 1000, goes first" },
    { "report", "EXPERIMENT", 1, 1, B(FORMAT) | B(TABLE), false, command_report,
      "print an experiment's report" },
    { "export", "EXPERIMENT", 1, 1, B(WHAT) | B(FORMAT) | B(ARM) | B(NAMES) | B(OUTPUT), false,
      command_export, "save an experiment's capsule, or its curves or runs as a table" },
    { "put", "NAME FILE|-", 2, 2, B(FORMAT), false, command_put,
      "store a corpus: text, or JSON lines with a member text" },
    { "link", "", 0, 0, B(ACCESS), true, command_link,
      "print a link that logs a browser in; takes the data folder" },
    { "completion", "bash", 1, 1, 0, true, command_completion, "print the completion for a shell" },
    { "help", "[COMMAND]", 0, 1, 0, true, command_help, "print how a command is used" },
};
const int command_table_n = sizeof command_table / sizeof *command_table;

const struct command *command_find(const char *name)
{
    for (int i = 0; i < command_table_n; i++)
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    return NULL;
}
