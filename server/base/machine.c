/* What is asked of the kernel: sysconf and the memory.max of every control group above us, the
 * process' set of cores, and the path of the running program. */
#include "server/base/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number in a file of the kernel; `missing` when there is none. */
static int64_t read_number(const char *path, int64_t missing)
{
    char line[32] = "", *end;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return missing;
    long long value = fgets(line, sizeof line, file) != NULL ? strtoll(line, &end, 10) : 0;
    fclose(file);
    return line[0] != '\0' && end > line ? value : missing;
}

int64_t machine_memory(void)
{
    char group[PATH_MAX] = "", path[2 * PATH_MAX];
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file != NULL && (fscanf(file, "0::%4095[^\n]", group) != 1))
        group[0] = '\0';
    if (file != NULL)
        fclose(file);
    for (char *slash;; *slash = '\0') {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
        int64_t most = read_number(path, bytes);
        bytes = most > 0 && most < bytes ? most : bytes;
        if ((slash = strrchr(group, '/')) == NULL)
            return bytes;
    }
}

int64_t machine_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? n : 1;
}

void machine_find_program(const char *name, char ret[PATH_MAX])
{
    char self[PATH_MAX], path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    snprintf(ret, PATH_MAX, "%.*s/%s", slash != NULL ? (int)(slash - self) : 0, self, name);
    const char *folders = getenv("PATH");
    while (access(ret, X_OK) != 0 && folders != NULL) {
        size_t n = strcspn(folders, ":");
        snprintf(path, sizeof path, "%.*s/%s", (int)n, folders, name);
        if (n > 0 && access(path, X_OK) == 0) {
            snprintf(ret, PATH_MAX, "%s", path);
            return;
        }
        folders = folders[n] == ':' ? folders + n + 1 : NULL;
    }
}
