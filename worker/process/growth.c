/* A walk by descriptors and through no link that stops once the bound is passed: what a hostile
 * trainer makes costs its keeper no more than that. Blocks are counted, not sizes. */
#include "worker/process/growth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEPEST = 16 };

struct sum {
    int64_t files, bytes;
    int64_t most; /* files; no further is counted */
    bool hidden;
};

/* What lies deeper than DEEPEST counts as too many files: training makes no such folder. One whose
 * own place can't be looked at hides nothing: somebody is changing the folder above it. */
static void add_folder(int at, const char *name, int depth, struct sum *sum)
{
    struct stat info;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL && fd >= 0)
        close(fd);
    if (fd < 0 && errno == EACCES && fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW) == 0)
        sum->hidden = true;
    for (struct dirent *one; dir != NULL && (one = readdir(dir)) != NULL;) {
        if (strcmp(one->d_name, ".") == 0 || strcmp(one->d_name, "..") == 0)
            continue;
        if (++sum->files > sum->most)
            break;
        if (fstatat(dirfd(dir), one->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            sum->hidden |= errno == EACCES;
            continue; /* else it has gone */
        }
        sum->bytes += (int64_t)info.st_blocks * 512;
        if (S_ISDIR(info.st_mode) && depth < DEEPEST)
            add_folder(dirfd(dir), one->d_name, depth + 1, sum);
        else if (S_ISDIR(info.st_mode))
            sum->files = sum->most + 1;
    }
    if (dir != NULL)
        closedir(dir);
}

static struct sum look(const struct growth *growth, int64_t most)
{
    struct sum sum = { .most = most };
    for (size_t i = 0; i < GROWTH_FOLDERS && sum.files <= most; i++)
        if (growth->folders[i] != NULL && growth->folders[i][0] != '\0')
            add_folder(AT_FDCWD, growth->folders[i], 0, &sum);
    return sum;
}

void growth_begin(struct growth *growth)
{
    struct sum sum = look(growth, INT64_MAX / 2);
    growth->begun = !sum.hidden;
    growth->files = sum.files;
    growth->bytes = sum.bytes;
}

enum growth_state growth_look(struct growth *growth)
{
    if (!growth->begun) {
        growth_begin(growth);
        return growth->begun ? GROWTH_WITHIN : GROWTH_HIDDEN;
    }
    struct sum sum = look(growth, growth->files + growth->more_files);
    if (sum.files > sum.most ||
        (growth->more_bytes > 0 && sum.bytes > growth->bytes + growth->more_bytes))
        return GROWTH_EXCEEDED;
    return sum.hidden ? GROWTH_HIDDEN : GROWTH_WITHIN;
}
