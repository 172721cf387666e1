/* Both means forbid by default: a ruleset handles every right that this kernel knows, and a filter
 * answers EPERM to every call that no rule names. */
#include "common/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock. Rights are bits that newer kernels added to; what Debian 12's headers don't name yet
 * stands here by number (include/uapi/linux/landlock.h). */

enum { TRUNCATE_ABI = 3, TCP_ABI = 4, DEVICE_ABI = 5, SCOPE_ABI = 6 };
#define RIGHT_REFER    ((uint64_t)1 << 13)
#define RIGHT_TRUNCATE ((uint64_t)1 << 14)
#define RIGHT_DEVICE   ((uint64_t)1 << 15)
#define TCP_RIGHTS     ((uint64_t)3) /* bind, connect */
#define SCOPE_RIGHTS   ((uint64_t)3) /* abstract Unix sockets, signals */

struct ruleset {
    uint64_t files, tcp, scope;
};

static const struct {
    int abi;
    struct ruleset adds;
} known[] = {
    { 1, { .files = RIGHT_REFER - 1 } },           { 2, { .files = RIGHT_REFER } },
    { TRUNCATE_ABI, { .files = RIGHT_TRUNCATE } }, { TCP_ABI, { .tcp = TCP_RIGHTS } },
    { DEVICE_ABI, { .files = RIGHT_DEVICE } },     { SCOPE_ABI, { .scope = SCOPE_RIGHTS } },
};

#define READ_RIGHTS ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR))
#define WRITE_RIGHTS                                                                               \
    ((uint64_t)(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                    \
                LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                     \
                LANDLOCK_ACCESS_FS_MAKE_REG) |                                                     \
     RIGHT_REFER | RIGHT_TRUNCATE)
/* All that can be asked of a file that isn't a folder. */
#define FILE_RIGHTS                                                                                \
    ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE) | RIGHT_TRUNCATE)

/* A path that isn't there needs no right. */
static int allow(int rules, const char *path, uint64_t rights, struct err *err)
{
    struct stat about;
    int fd = open(path, O_PATH | O_CLOEXEC), status = 0;
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_STORAGE, "can't open %s", path);
    if (fstat(fd, &about) == 0 && !S_ISDIR(about.st_mode))
        rights &= FILE_RIGHTS;
    const struct landlock_path_beneath_attr beneath = { .allowed_access = rights, .parent_fd = fd };
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
        status = err_errno(err, ERR_INTERNAL, "no Landlock rule for %s", path);
    close(fd);
    return status;
}

static int allow_all(int rules, const char *const *paths, uint64_t rights, struct err *err)
{
    int status = 0;
    for (size_t i = 0; paths[i] != NULL && status == 0; i++)
        if (paths[i][0] != '\0')
            status = allow(rules, paths[i], rights, err);
    return status;
}

static int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : errno == EPERM ? CONFINE_FORBIDDEN : 0;
}

int confine_files(const struct confine_paths *lists, size_t n, int *ret_abi, struct err *err)
{
    struct ruleset handled = { 0 };
    int status = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(err, ERR_INTERNAL, "can't give up privileges");
    int abi = landlock_abi();
    if (abi <= 0) {
        *ret_abi = abi;
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (abi >= known[i].abi) {
            handled.files |= known[i].adds.files;
            handled.tcp |= known[i].adds.tcp;
            handled.scope |= known[i].adds.scope;
        }
    /* Older kernels take a larger structure when what they don't know is 0. */
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (rules < 0)
        return err_errno(err, ERR_INTERNAL, "no Landlock ruleset");
    uint64_t write = (READ_RIGHTS | WRITE_RIGHTS) & handled.files;
    for (size_t i = 0; i < n && status == 0; i++)
        status = allow_all(rules, lists[i].paths, lists[i].writable ? write : READ_RIGHTS, err);
    if (status == 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        status = err_errno(err, ERR_INTERNAL, "Landlock refuses");
    close(rules);
    if (status == 0)
        *ret_abi = abi;
    return status;
}

/* seccomp. */

int confine_calls(const char *const *calls, int (*add_shapes)(void *filter), bool *ret_filtered,
                  struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int status = filter == NULL ? -ENOMEM
                                /* the kernel's own errors, to tell one that lacks it */
                                : seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    if (status == 0)
        status = add_shapes(filter);
    for (size_t i = 0; calls[i] != NULL && status == 0; i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);
        status = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    bool built = status == 0;
    if (built)
        status = seccomp_load(filter);
    seccomp_release(filter);
    bool lacking = built && (status == -ENOSYS || status == -EINVAL);
    if (status != 0 && !lacking)
        return err_set(err, ERR_INTERNAL, "no seccomp filter: %s", strerror(-status));
    *ret_filtered = status == 0;
    return 0;
}

/* A kernel that has filters follows the pointer to one, which is NULL here: EFAULT. */
void confine_look(int *ret_abi, bool *ret_filters)
{
    *ret_abi = landlock_abi();
    *ret_filters = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) != 0 && errno == EFAULT;
}
