/* Starting a program by posix_spawn. */
#include "server/base/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

static int add_descriptor(posix_spawn_file_actions_t *actions, int from, int to)
{
    return from >= 0 ? posix_spawn_file_actions_adddup2(actions, from, to)
                     : posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0);
}

static int describe(const struct program *program, posix_spawn_file_actions_t *actions,
                    posix_spawnattr_t *attributes)
{
    const int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                      (program->session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setflags(attributes, (short)flags);
    int code = add_descriptor(actions, program->in, STDIN_FILENO);
    if (code == 0)
        code = add_descriptor(actions, program->out, STDOUT_FILENO);
    if (code == 0)
        code = add_descriptor(actions, program->err, STDERR_FILENO);
    if (code == 0 && program->folder != NULL)
        code = posix_spawn_file_actions_addchdir_np(actions, program->folder);
    return code;
}

int program_start(const struct program *program, pid_t *ret_pid)
{
    /* posix_spawn's arguments aren't const for history's sake; it changes none. */
    char *const *args = (char *const *)(uintptr_t)program->args;
    char *const *env = program->env != NULL ? (char *const *)(uintptr_t)program->env : environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int code = describe(program, &actions, &attributes);
    if (code == 0)
        code = posix_spawnp(ret_pid, program->path, &actions, &attributes, args, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}
