/* Keeper and trainer share one open file description of the attempt's `lock`, so that it is held
 * exactly as long as one of them lives. The trainer dies with its keeper; a keeper that is told to
 * end passes that on and waits. Signals come only while it waits, so none is missed: the end of the
 * trainer is one of them. */
#include "worker/process/keeper.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/wire/launch.h"
#include "worker/ops/gemm.h"
#include "worker/process/door.h"
#include "worker/process/growth.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t trainer;

static void pass_on(int signal)
{
    if (trainer > 0 && signal != SIGCHLD)
        kill(trainer, signal);
}

/* *ret_before: the mask to wait with. */
static void hold_signals(sigset_t *ret_before)
{
    static const int held[] = { SIGTERM, SIGINT, SIGCHLD };
    const struct sigaction pass = { .sa_handler = pass_on };
    sigset_t all;
    sigemptyset(&all);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        sigaddset(&all, held[i]);
        sigaction(held[i], &pass, NULL);
    }
    sigprocmask(SIG_BLOCK, &all, ret_before);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        sigdelset(ret_before, held[i]);
    signal(SIGHUP, SIG_IGN);
}

/* The keeper writes its pid into the lock, for a daemon that dies before it has stored the pid. An
 * attempt is kept once: a lock that has been written to belongs to an attempt that was kept before,
 * or that the daemon has settled as lost. */
static int take_lock(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600); /* inherited by the trainer */
    if (fd < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, ERR_RUNNING, "the attempt in %s is running already", dir);
    if (fstat(fd, &info) == 0 && info.st_size > 0)
        return err_set(err, ERR_CONFLICT, "the attempt in %s is over", dir);
    dprintf(fd, "%d\n", (int)getpid()); /* on a full disk only the store has it */
    return 0;
}

static int redirect(const char *dir, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log.txt", dir);
    int out = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return err_errno(err, ERR_STORAGE, "can't open %s", path);
    close(out);
    close(in);
    return 0;
}

enum {
    NICENESS = 10,         /* the daemon, and people, come first */
    STACK_BYTES = 8 << 20, /* of a thread */
    STEP_BYTES = 4096,     /* more than a step says */
    DESCRIPTORS = 256,     /* a trainer has some ten */
    FILES_LARGEST = 8,     /* a run's files together, in the largest that one may be */
    LOOK_MS = 1000,        /* between looks at how the run's folders grow */
    FAULTS_MAX = 60,       /* a second each */
};

/* Memory, and a file's size: twice the estimate and some. Bounds against runaways, not budgets.
 * What threads map, and hardly touch, isn't in the estimate. Returns a file's bound, 0 = none. */
static int64_t limit(const struct launch *launch)
{
    const struct rlimit descriptors = { DESCRIPTORS, DESCRIPTORS };
    setrlimit(RLIMIT_NOFILE, &descriptors);
    setpriority(PRIO_PROCESS, 0, NICENESS);
    const struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    if (launch->memory_bytes > 0) {
        rlim_t bytes = 2 * (rlim_t)launch->memory_bytes + ((rlim_t)512 << 20) +
                       (rlim_t)launch->threads * (GEMM_BUFFER_BYTES + STACK_BYTES);
        const struct rlimit data = { bytes, bytes };
        setrlimit(RLIMIT_DATA, &data);
        bytes += STEP_BYTES * (rlim_t)(launch->steps > 0 ? launch->steps : 0);
        const struct rlimit file = { bytes, bytes };
        setrlimit(RLIMIT_FSIZE, &file);
        return (int64_t)bytes;
    }
    return 0;
}

/* The number behind a word in a file of lines "word number"; -1 when there is none. */
static long number_in(const char *path, const char *word)
{
    char line[512];
    size_t len = strlen(word);
    long number = -1;
    FILE *file = fopen(path, "re");
    while (file != NULL && number < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, word, len) == 0 && line[len] == ' ')
            sscanf(line + len, "%ld", &number);
    if (file != NULL)
        fclose(file);
    return number;
}

/* A file of this process' control group; "" when it has none there. A line of /proc/self/cgroup is
 * "4:memory:/path", with version 2 "0::/path". */
static void group_file(const char *controller, const char *mount, const char *name,
                       char ret[PATH_MAX])
{
    char line[512];
    FILE *file = fopen("/proc/self/cgroup", "re");
    ret[0] = '\0';
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        if (strcmp(list + 1, controller) == 0)
            snprintf(ret, PATH_MAX, "%s%s/%s", mount, path, name);
    }
    if (file != NULL)
        fclose(file);
}

/* How often the kernel has killed for want of memory in this control group, of either version, else
 * on this machine; 0 when unknown. */
static long oom_kills(void)
{
    char path[PATH_MAX];
    group_file("", "/sys/fs/cgroup", "memory.events", path);
    long kills = number_in(path, "oom_kill");
    if (kills < 0) {
        group_file("memory", "/sys/fs/cgroup/memory", "memory.oom_control", path);
        kills = number_in(path, "oom_kill");
    }
    if (kills < 0)
        kills = number_in("/proc/vmstat", "oom_kill");
    return kills > 0 ? kills : 0;
}

enum { OOM_ADJ = 300, OOM_ADJ_MAX = 1000 };

/* When memory runs out the kernel is to kill trainers, before the daemon and before their keepers,
 * which must tell of it. Where it can't be told so it chooses by size, which is mostly the same. */
static void offer_itself(void)
{
    int adj = 0;
    FILE *file = fopen("/proc/self/oom_score_adj", "r+e");
    if (file != NULL && fscanf(file, "%d", &adj) == 1) {
        rewind(file);
        fprintf(file, "%d", adj + OOM_ADJ < OOM_ADJ_MAX ? adj + OOM_ADJ : OOM_ADJ_MAX);
    }
    if (file != NULL)
        fclose(file);
}

/* A trainer is told nothing of where its daemon runs: of the environment it gets what decides how
 * it is loaded, computes (as `ablate-worker train` would here) or is analysed. */
static bool is_passed_on(const char *variable)
{
    static const char *const beginnings[] = {
        "OPENBLAS_",     "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
        "LSAN_OPTIONS=", "TSAN_OPTIONS=",    "UBSAN_OPTIONS="
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(variable, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* Keeps of environ what is passed on. */
static void clean_environment(void)
{
    char **kept = environ;
    for (char **at = environ; *at != NULL; at++)
        if (is_passed_on(*at))
            *kept++ = *at;
    *kept = NULL;
}

static pid_t start(const char *dir, int door, const sigset_t *signals, struct err *err)
{
    char number[16];
    snprintf(number, sizeof number, "%d", door);
    pid_t keeper = getpid(), pid = fork();
    if (pid < 0) {
        err_errno(err, ERR_INTERNAL, "can't start the trainer");
        return -1;
    }
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(70); /* it died before we could ask to die with it */
    offer_itself();
    fcntl(door, F_SETFD, 0);
    clean_environment();
    sigprocmask(SIG_SETMASK, signals, NULL);
    execl("/proc/self/exe", "ablate-worker", "attempt", "--dir", dir, "--door", number,
          (char *)NULL);
    perror("exec");
    _exit(70);
}

/* Stops a trainer whose files can't be counted, and lets it go on when they can. */
static void hold(pid_t pid, bool hidden, bool *held)
{
    if (hidden == *held)
        return;
    *held = hidden;
    if (hidden)
        log_warn("the trainer is held: a folder of the run can't be read");
    else
        log_info("the trainer goes on: the run's folders can be read again");
    kill(pid, hidden ? SIGSTOP : SIGCONT);
}

/* Ends a trainer that fills the disk with files, and says why. */
static void look_at(pid_t pid, struct growth *growth, bool *held, struct launch_exit *info)
{
    char bytes[48] = "";
    if (info->ended[0] != '\0')
        return;
    enum growth_state state = growth_look(growth);
    if (state != GROWTH_EXCEEDED) {
        hold(pid, state == GROWTH_HIDDEN, held);
        return;
    }
    if (growth->more_bytes > 0)
        snprintf(bytes, sizeof bytes, ", or %lld MiB,", (long long)growth->more_bytes >> 20);
    snprintf(info->ended, sizeof info->ended,
             "it had made more than %lld files%s in the run's folder",
             (long long)growth->more_files, bytes);
    log_error("the trainer is ended: %s", info->ended);
    kill(pid, SIGKILL);
}

/* Serves the door until the trainer has ended, and notes how. */
static void await(pid_t pid, struct door *door, struct growth *growth, const sigset_t *signals,
                  struct launch_exit *info)
{
    int how;
    bool held = false;
    struct rusage usage;
    int64_t look_ms = clock_mono_ms() + LOOK_MS;
    while (wait4(pid, &how, WNOHANG, &usage) != pid) {
        struct pollfd asked;
        int64_t ms = door_poll(door, &asked), left = look_ms - clock_mono_ms();
        if (left <= 0) {
            look_at(pid, growth, &held, info);
            look_ms = clock_mono_ms() + LOOK_MS;
            left = LOOK_MS;
        }
        ms = ms >= 0 && ms < left ? ms : left;
        const struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };
        if (ppoll(&asked, 1, &wait, signals) > 0)
            door_answer(door);
    }
    info->exited = WIFEXITED(how);
    info->status = WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how);
    info->max_rss_bytes = (int64_t)usage.ru_maxrss * 1024;
}

static int write_exit(const char *dir, const struct launch_exit *info, struct err *err)
{
    char path[PATH_MAX], *text = NULL;
    int status = launch_exit_encode(info, &text, err);
    if (status != 0)
        return status;
    snprintf(path, sizeof path, "%s/exit.json", dir);
    int faults = 0; /* a full disk is waited for, a folder that is away for a while */
    while ((status = files_write(path, text, strlen(text), 0600, err)) == -ERR_DISK_FULL ||
           (status == -ERR_STORAGE && ++faults < FAULTS_MAX))
        sleep(1);
    free(text);
    return status;
}

int keeper_run(const char *attempt_dir, struct err *err)
{
    struct launch launch;
    close_range(3, ~0U, 0); /* whatever the daemon itself was started with */
    int status = launch_read(attempt_dir, &launch, err);
    if (status == 0)
        status = take_lock(attempt_dir, err);
    if (status == 0)
        status = redirect(attempt_dir, err);
    if (status != 0)
        return status;
    struct growth growth = {
        .folders = { launch.out, attempt_dir },
        .more_files = GROWTH_FILES,
        .more_bytes = FILES_LARGEST * limit(&launch),
    };
    growth_begin(&growth);
    struct door door;
    int trainer_door;
    status = door_init(&door, launch.socket, &trainer_door, err);
    if (status != 0)
        return status;
    sigset_t signals;
    hold_signals(&signals);
    long kills = oom_kills();
    double begin = clock_mono_s();
    pid_t pid = start(attempt_dir, trainer_door, &signals, err);
    close(trainer_door);
    if (pid < 0)
        return -ERR_INTERNAL;
    trainer = pid;
    struct launch_exit info = { 0 };
    await(pid, &door, &growth, &signals, &info);
    trainer = 0;
    info.oom = info.exited ? info.status == EXIT_OUT_OF_MEMORY
                           : info.status == SIGKILL && oom_kills() > kills;
    info.seconds = clock_mono_s() - begin;
    return write_exit(attempt_dir, &info, err);
}
