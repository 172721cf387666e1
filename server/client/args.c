/* The command line by the tables, and what is said of them: help and completion. */
#include "server/client/args.h"
#include "server/client/command.h"

#include "common/base/version.h"
#include "server/client/terminal/say.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum option find_long(const char *name, size_t len)
{
    for (enum option i = 0; i < OPTIONS_N; i++)
        if (strlen(option_table[i].name) == len && memcmp(option_table[i].name, name, len) == 0)
            return i;
    return OPTIONS_N;
}

static enum option find_short(char letter)
{
    for (enum option i = 0; i < OPTIONS_N; i++)
        if (letter != '\0' && option_table[i].letter == letter)
            return i;
    return OPTIONS_N;
}

/* An option at argv[*at]; moves *at over its value. */
static int take_option(int argc, char **argv, int *at, struct call *call, struct err *err)
{
    const char *text = argv[*at];
    bool is_long = text[1] == '-';
    size_t len = is_long ? strcspn(text + 2, "=") : 1;
    enum option option = is_long ? find_long(text + 2, len) : find_short(text[1]);
    const char *value = is_long && text[2 + len] == '=' ? text + 3 + len
                        : !is_long && text[2] != '\0'   ? text + 2
                                                        : NULL;
    if (option == OPTIONS_N)
        return err_set(err, ERR_USAGE, "there is no option %.60s; see ablate help", text);
    const struct option_row *row = &option_table[option];
    if (row->value == NULL && value != NULL)
        return err_set(err, ERR_USAGE, "--%s takes no value", row->name);
    if (row->value != NULL && value == NULL && ++*at < argc)
        value = argv[*at];
    if (row->value != NULL && value == NULL)
        return err_set(err, ERR_USAGE, "--%s needs a value: %s", row->name, row->value);
    call->option[option] = value != NULL ? value : "";
    return 0;
}

static int take_word(const char *text, struct call *call, struct err *err)
{
    if (call->command == NULL) {
        call->command = command_find(text);
        return call->command != NULL
                   ? 0
                   : err_set(err, ERR_USAGE, "there is no command \"%.60s\"; see ablate help",
                             text);
    }
    if (call->operands_n == OPERANDS)
        return err_set(err, ERR_USAGE, "at most %d operands are taken at a time", OPERANDS);
    call->operands[call->operands_n++] = text;
    return 0;
}

static int check(const struct call *call, struct err *err)
{
    const struct command *command = call->command;
    unsigned takes = OPTION_ALWAYS | command->options;
    for (enum option i = 0; i < OPTIONS_N; i++)
        if (call->option[i] != NULL && (takes & (1U << i)) == 0)
            return err_set(err, ERR_USAGE, "%s takes no --%s; see ablate help %s", command->name,
                           option_table[i].name, command->name);
    if (call->operands_n < command->min || call->operands_n > command->max)
        return err_set(err, ERR_USAGE, "usage: ablate %s %s", command->name, command->operands);
    return 0;
}

/* "-" is an operand, and so is what looks like a negative number. */
static bool is_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !isdigit((unsigned char)text[1]);
}

int call_parse(int argc, char **argv, struct call *ret, struct err *err)
{
    struct call call = { 0 };
    bool options = true;
    int status = 0;
    for (int i = 1; i < argc && status == 0; i++)
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && is_option(argv[i]))
            status = take_option(argc, argv, &i, &call, err);
        else
            status = take_word(argv[i], &call, err);
    if (status == 0 && call.command == NULL && call.option[OPTION_HELP] == NULL)
        status = err_set(err, ERR_USAGE, "which command? See ablate help");
    if (status == 0 && call.option[OPTION_HELP] == NULL)
        status = check(&call, err);
    call.where_options = (struct where_options){ .data = call.option[OPTION_DATA],
                                                 .url = call.option[OPTION_URL],
                                                 .token_file = call.option[OPTION_TOKEN_FILE] };
    if (status == 0)
        *ret = call;
    return status;
}

int take_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *ret,
                struct err *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max ||
        isspace((unsigned char)text[0]))
        return err_set(err, ERR_USAGE, "%s must be an integer from %lld to %lld, not \"%.60s\"",
                       what, (long long)min, (long long)max, text);
    *ret = value;
    return 0;
}

static const int64_t largest_id = 9007199254740991;

int take_run(const char *text, int64_t *ret, struct err *err)
{
    return take_number("a run", strncmp(text, "run/", 4) == 0 ? text + 4 : text, 1, largest_id, ret,
                       err);
}

int take_subject(const char *text, bool *ret_run, int64_t *ret, struct err *err)
{
    *ret_run = strncmp(text, "run/", 4) == 0;
    return *ret_run
               ? take_run(text, ret, err)
               : take_number("an experiment (of a run say run/ID)", text, 1, largest_id, ret, err);
}

int option_number(const struct call *call, enum option option, int64_t min, int64_t max,
                  int64_t preset, int64_t *ret, struct err *err)
{
    char what[40];
    snprintf(what, sizeof what, "--%s", option_table[option].name);
    *ret = preset;
    return call->option[option] == NULL
               ? 0
               : take_number(what, call->option[option], min, max, ret, err);
}

struct buf path_of(const char *format, int64_t id)
{
    struct buf path;
    buf_init(&path, 64 << 10);
    char text[200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, (long long)id);
#pragma GCC diagnostic pop
    buf_adds(&path, text);
    return path;
}

static void say_option(const struct option_row *row)
{
    char head[40], letter[8] = "    ";
    if (row->letter != '\0')
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(head, sizeof head, "%s--%s%s%s", letter, row->name, row->value != NULL ? " " : "",
             row->value != NULL ? row->value : "");
    say("  %-24s %s\n", head, row->what);
}

static void say_options(unsigned which)
{
    for (enum option i = 0; i < OPTIONS_N; i++)
        if ((which & (1U << i)) != 0)
            say_option(&option_table[i]);
}

void help_say(const struct command *command)
{
    if (command != NULL) {
        say("ablate %s %s: %s\n\n", command->name, command->operands, command->what);
        say_options(command->options | OPTION_ALWAYS);
        return;
    }
    say("ablate %s: experiments from a terminal\n\n", ablate_version());
    for (int i = 0; i < command_table_n; i++) {
        char line[64];
        snprintf(line, sizeof line, "ablate %s %s", command_table[i].name,
                 command_table[i].operands);
        say("  %-36s %s\n", line, command_table[i].what);
    }
    say("\nEach command takes these; `ablate help COMMAND` says what else one takes:\n\n");
    say_options(OPTION_ALWAYS);
    say("      %-20s %s\n", "--version", "print the version");
}

int command_help(struct call *call, struct err *err)
{
    const struct command *of = NULL;
    if (call->operands_n > 0) {
        of = command_find(call->operands[0]);
        if (of == NULL)
            return err_set(err, ERR_USAGE, "there is no command \"%.60s\"; see ablate help",
                           call->operands[0]);
    }
    help_say(of);
    return 0;
}

/* Words after a command; files where a file may stand. */
static void say_case(const struct command *command)
{
    say("    %s) words=\"", command->name);
    for (enum option i = 0; i < OPTIONS_N; i++)
        if (((command->options | OPTION_ALWAYS) & (1U << i)) != 0)
            say("--%s ", option_table[i].name);
    if (strcmp(command->name, "completion") == 0)
        say("bash ");
    if (strcmp(command->name, "help") == 0)
        say("$commands ");
    say("\"%s ;;\n", strstr(command->operands, "FILE") != NULL ? " files=yes" : "");
}

int command_completion(struct call *call, struct err *err)
{
    if (strcmp(call->operands[0], "bash") != 0)
        return err_set(err, ERR_USAGE, "there is a completion for bash alone, not for \"%.60s\"",
                       call->operands[0]);
    say("# bash completion for ablate; `ablate completion bash` prints it.\n_ablate()\n{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= "
        "words= files= i\n    local commands=\"");
    for (int i = 0; i < command_table_n; i++)
        say("%s%s", i > 0 ? " " : "", command_table[i].name);
    say("\"\n    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case \" $commands \" in *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]}; break ;; "
        "esac\n    done\n    case $before in\n");
    say("    --data) mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return ;;\n"
        "    --token-file | --output | -o) mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return "
        ";;\n"
        "    --access) mapfile -t COMPREPLY < <(compgen -W 'read submit admin' -- \"$word\"); return "
        ";;\n"
        "    --format) mapfile -t COMPREPLY < <(compgen -W 'md csv json text jsonl tensorboard' -- \"$word\"); "
        "return ;;\n"
        "    --what) mapfile -t COMPREPLY < <(compgen -W 'capsule curves runs' -- \"$word\"); return ;;\n"
        "    --table) mapfile -t COMPREPLY < <(compgen -W 'rows claims' -- \"$word\"); return ;;\n"
        "    esac\n    case $command in\n");
    for (int i = 0; i < command_table_n; i++)
        say_case(&command_table[i]);
    say("    *) words=\"$commands --data --url --token-file --json --help --version\" ;;\n    esac\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
        "    [ -z \"$files\" ] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "
        "\"$word\")\n}\ncomplete -o filenames -F _ablate ablate\n");
    return 0;
}
