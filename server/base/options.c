/* The command line and the file of settings, and the help. */
#include "server/base/options.h"

#include "common/base/files.h"
#include "common/base/version.h"
#include "server/base/options_fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static int set_line(struct options *o, char *line, struct err *err)
{
    line[strcspn(line, "#")] = '\0';
    char *name = trim(line), *equals = strchr(name, '=');
    if (*name == '\0')
        return 0;
    if (equals == NULL)
        return err_set(err, ERR_USAGE, "a line must be name = value, not \"%.60s\"", name);
    *equals = '\0';
    name = trim(name);
    const struct option_row *row = option_find(name, strlen(name));
    if (row == NULL || row->set == options_read_file)
        return err_set(err, ERR_USAGE, "there is no setting \"%.60s\"", name);
    return row->set(o, trim(equals + 1), err);
}

int options_read_file(struct options *o, const char *path, struct err *err)
{
    char *text = NULL;
    size_t len;
    int status = files_read(path, 1 << 20, &text, &len, err), number = 0;
    if (status != 0)
        return status;
    for (char *line = text, *end; line != NULL && status == 0; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        number++;
        status = set_line(o, line, err);
    }
    if (status != 0) {
        const struct err why = *err;
        status = err_set(err, ERR_USAGE, "%s line %d: %s", path, number, why.message);
    }
    free(text);
    return status;
}

bool options_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

void options_url(const struct options *o, int port, char *ret, size_t size)
{
    const char *host = strcmp(o->host, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(o->host, "::") == 0    ? "::1"
                                                       : o->host;
    bool v6 = strchr(host, ':') != NULL;
    if (o->public_url[0] != '\0')
        snprintf(ret, size, "%s%s", o->public_url, o->public_path);
    else
        snprintf(ret, size, "http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

/* What may stand in the first place instead of an option. */
static const struct command_row {
    const char *name;
    enum options_command command;
    const char *operand; /* what it needs beside --data; NULL = nothing */
    const char *what;
} commands[] = {
    { "link", OPTIONS_LINK, NULL, "print a log-in link for the page" },
    { "token", OPTIONS_TOKEN, NULL, "say where the tokens are; make one anew" },
    { "backup", OPTIONS_BACKUP, "TO",
      "copy everything into the new folder TO, and check it; a daemon may run" },
    { "restore", OPTIONS_RESTORE, "BACKUP",
      "make the new data folder DIR of a backup, after checking it" },
    { "purge", OPTIONS_PURGE, NULL, "remove deleted experiments for good, now; no daemon may run" },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct command_row *find_command(const char *name)
{
    for (int i = 0; name != NULL && i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int take_operand(const struct command_row *command, const char *text, struct options *o,
                        struct err *err)
{
    if (command == NULL || command->operand == NULL)
        return err_set(err, ERR_USAGE, "\"%.60s\" isn't an option; see ablated --help", text);
    if (o->operand[0] != '\0' && strcmp(o->operand, text) != 0)
        return err_set(err, ERR_USAGE, "\"%.60s\" is one argument too many", text);
    return options_take_path(o->operand, command->operand, text, err);
}

/* The configuration file first, whatever the order, so that the command line wins. */
static int take_all(int argc, char **argv, const struct command_row *command, bool config,
                    struct options *o, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        const char *name = argv[i], *value = NULL;
        if (strncmp(name, "--", 2) != 0) {
            int status = take_operand(command, name, o, err);
            if (status != 0)
                return status;
            continue;
        }
        name += 2;
        size_t len = strcspn(name, "=");
        const struct option_row *row = option_find(name, len);
        if (row == NULL)
            return err_set(err, ERR_USAGE, "there is no option --%.60s; see ablated --help", name);
        if (row->value == NULL && name[len] == '=')
            return err_set(err, ERR_USAGE, "--%s takes no value", row->name);
        if (row->value == NULL)
            value = "true";
        else if (name[len] == '=')
            value = name + len + 1;
        else if (i + 1 < argc)
            value = argv[++i];
        else
            return err_set(err, ERR_USAGE, "--%s needs a value: %s", row->name, row->value);
        if ((row->set == options_read_file) != config)
            continue;
        int status = row->set(o, value, err);
        if (status != 0)
            return status;
    }
    return 0;
}

static bool asks(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

int options_parse(int argc, char **argv, struct options *ret, enum options_command *ret_command,
                  struct err *err)
{
    struct options o;
    options_default(&o);
    if (asks(argc, argv, "--help") || asks(argc, argv, "-h")) {
        *ret_command = OPTIONS_HELP;
        return 0;
    }
    if (asks(argc, argv, "--version")) {
        *ret_command = OPTIONS_VERSION;
        return 0;
    }
    const struct command_row *row = find_command(argv[1]);
    int from = row != NULL ? 2 : 1;
    int status = take_all(argc - from, argv + from, row, true, &o, err);
    if (status == 0)
        status = take_all(argc - from, argv + from, row, false, &o, err);
    if (status == 0 && row != NULL && row->operand != NULL && o.operand[0] == '\0')
        status = err_set(err, ERR_USAGE, "ablated %s needs %s; see ablated --help", row->name,
                         row->operand);
    if (status == 0 && o.data[0] == '\0')
        status =
            err_set(err, ERR_USAGE, "--data DIR is needed: the folder for everything that is kept");
    if (status == 0 && o.no_auth && (!options_is_loopback(o.host) || o.public_url[0] != '\0'))
        status = err_set(err, ERR_USAGE,
                         "--no-auth is for loopback addresses only, and without --public-url");
    if (status == 0) {
        *ret = o;
        *ret_command = row != NULL ? row->command : OPTIONS_SERVE;
    }
    return status;
}

void options_help(FILE *to)
{
    char head[40];
    fprintf(to,
            "ablated %s: queues experiments, trains them, serves their curves\n\n"
            "  %-34s serve\n",
            ablate_version(), "ablated --data DIR [options]");
    for (int i = 0; i < COMMANDS; i++) {
        char line[64];
        snprintf(line, sizeof line, "ablated %s --data DIR %s", commands[i].name,
                 commands[i].operand != NULL ? commands[i].operand : "");
        fprintf(to, "  %-34s %s\n", line, commands[i].what);
    }
    fprintf(to, "\n");
    for (int i = 0; i < (int)option_rows_n; i++) {
        snprintf(head, sizeof head, "--%s%s%s", option_rows[i].name,
                 option_rows[i].value != NULL ? " " : "",
                 option_rows[i].value != NULL ? option_rows[i].value : "");
        fprintf(to, "  %-29s %s\n", head, option_rows[i].what);
    }
    fprintf(to, "  %-29s print this\n  %-29s print the version\n", "--help", "--version");
}
