/* link: codes are files of the data folder, which is `ablated`'s affair: it is started, the one
 * beside this program or the one in PATH. */
#include "server/client/command.h"
#include "server/client/terminal/say.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void find_daemon(char ret[PATH_MAX])
{
    char self[PATH_MAX - 16];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        char *slash = strrchr(self, '/');
        if (slash != NULL)
            *slash = '\0';
        snprintf(ret, PATH_MAX, "%s/ablated", self);
    }
    if (n <= 0 || access(ret, X_OK) != 0)
        snprintf(ret, PATH_MAX, "ablated");
}

/* Its first line; what it complains of goes to standard error by itself. */
static int ask(const char *folder, const char *access, char *ret, size_t size, int *ret_exit,
               struct err *err)
{
    char program[PATH_MAX];
    int ends[2];
    find_daemon(program);
    if (pipe(ends) != 0)
        return err_errno(err, ERR_INTERNAL, "can't make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp(program, "ablated", "link", "--data", folder, "--access", access, (char *)NULL);
        fprintf(stderr, "ablate: can't start %s: %s\n", program, strerror(errno));
        _exit(69);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n = 1; pid > 0 && n > 0; len += n > 0 ? (size_t)n : 0)
        n = len < size - 1 ? read(ends[0], ret + len, size - 1 - len) : 0;
    close(ends[0]);
    ret[len] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
    int ended = 0;
    if (pid < 0 || waitpid(pid, &ended, 0) != pid)
        return err_errno(err, ERR_INTERNAL, "can't start a process");
    *ret_exit = WIFEXITED(ended) ? WEXITSTATUS(ended) : 70;
    return 0;
}

int command_link(struct call *call, struct err *err)
{
    const char *access = call->option[OPTION_ACCESS], *folder = call->option[OPTION_DATA];
    char link[1024];
    if (folder == NULL && call->option[OPTION_URL] == NULL)
        folder = getenv("ABLATE_DATA");
    if (folder == NULL || folder[0] == '\0')
        return err_set(
            err, ERR_USAGE,
            "a link is made by who may write the data folder: give --data DIR or ABLATE_DATA");
    int status =
        ask(folder, access != NULL ? access : "admin", link, sizeof link, &call->exit, err);
    if (status != 0 || call->exit != 0)
        return status;
    if (call->option[OPTION_JSON] == NULL) {
        say("%s\n", link);
        return 0;
    }
    json_t *value = json_pack("{s:s}", "link", link);
    say_json(value);
    json_decref(value);
    return 0;
}
