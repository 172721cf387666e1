/* The writer puts a header in place when the size of its file is known; the reader makes each
 * header anew and compares it. Both call tar_header, so that the one takes exactly what the other
 * makes. */
#include "common/wire/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Numbers are octal digits with a NUL behind them. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100],
        magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is a block");

static const uint8_t zeros[2 * TAR_BLOCK];

static bool part_ok(const char *part, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    bool dots = len <= 2 && strspn(part, ".") >= len;
    return len > 0 && !dots && strspn(part, allowed) >= len;
}

bool tar_path_ok(const char *path)
{
    for (;; path++) {
        size_t len = strcspn(path, "/");
        if (!part_ok(path, len))
            return false;
        path += len;
        if (*path == '\0')
            return true;
    }
}

/* The first slash that leaves few enough characters behind it parts prefix and name. */
static int put_path(struct header *h, const char *path, struct err *err)
{
    size_t len = strlen(path), skip = 0;
    if (!tar_path_ok(path))
        return err_set(err, ERR_INVALID_VALUE, "%.100s is no path for an archive", path);
    if (len > sizeof h->name) {
        const char *slash = strchr(path + len - sizeof h->name - 1, '/');
        if (slash == NULL || (size_t)(slash - path) > sizeof h->prefix)
            return err_set(err, ERR_INVALID_VALUE, "%.100s… is too long for an archive", path);
        memcpy(h->prefix, path, (size_t)(slash - path));
        skip = (size_t)(slash - path) + 1;
    }
    memcpy(h->name, path + skip, len - skip);
    return 0;
}

int tar_header(const char *path, int64_t bytes, uint8_t ret[TAR_BLOCK], struct err *err)
{
    struct header h = { .mode = "0000644",
                        .uid = "0000000",
                        .gid = "0000000",
                        .mtime = "00000000000",
                        .checksum = { ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ' },
                        .type = '0',
                        .magic = "ustar",
                        .version = { '0', '0' },
                        .major = "0000000",
                        .minor = "0000000" };
    unsigned sum = 0;
    int status = put_path(&h, path, err);
    if (status != 0)
        return status;
    if (bytes < 0 || bytes > TAR_FILE_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s is too large for an archive: %lld bytes", path,
                       (long long)bytes);
    snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long)bytes);
    for (size_t i = 0; i < sizeof h; i++)
        sum += ((const uint8_t *)&h)[i];
    snprintf(h.checksum, sizeof h.checksum, "%06o", sum & 0777777);
    memcpy(ret, &h, sizeof h);
    return 0;
}

/* writing */

static int put(struct tar_writer *tar, const void *bytes, size_t len, struct err *err)
{
    errno = 0;
    if (!ferror(tar->file) && fwrite(bytes, 1, len, tar->file) == len)
        return 0;
    return err_errno(err, ERR_STORAGE, "can't write the archive");
}

static size_t padding(int64_t bytes)
{
    return (size_t)((TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK);
}

int tar_begin(struct tar_writer *tar, const char *path, struct err *err)
{
    snprintf(tar->path, sizeof tar->path, "%s", path);
    tar->bytes = 0;
    tar->begin = ftello(tar->file);
    digest_init(&tar->digest);
    return put(tar, zeros, TAR_BLOCK, err);
}

int tar_add(struct tar_writer *tar, const void *bytes, size_t len, struct err *err)
{
    digest_add(&tar->digest, bytes, len);
    tar->bytes += (int64_t)len;
    return put(tar, bytes, len, err);
}

int tar_end(struct tar_writer *tar, char ret_digest[DIGEST_HEX], struct err *err)
{
    uint8_t header[TAR_BLOCK];
    int status = tar_header(tar->path, tar->bytes, header, err);
    if (status == 0)
        status = put(tar, zeros, padding(tar->bytes), err);
    if (status == 0 && fseeko(tar->file, tar->begin, SEEK_SET) != 0)
        status = err_errno(err, ERR_STORAGE, "can't write the archive");
    if (status == 0)
        status = put(tar, header, sizeof header, err);
    if (status == 0 && fseeko(tar->file, 0, SEEK_END) != 0)
        status = err_errno(err, ERR_STORAGE, "can't write the archive");
    if (status == 0)
        digest_end_hex(&tar->digest, ret_digest);
    return status;
}

int tar_finish(struct tar_writer *tar, struct err *err)
{
    int status = put(tar, zeros, sizeof zeros, err);
    if (status == 0 && fflush(tar->file) != 0)
        status = err_errno(err, ERR_STORAGE, "can't write the archive");
    return status;
}

/* reading */

int tar_open(const char *path, struct tar_reader *ret, struct err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no file %s", path)
                               : err_errno(err, ERR_STORAGE, "can't open %s", path);
    int status = 0;
    if (fstat(fd, &info) != 0)
        status = err_errno(err, ERR_STORAGE, "can't read %s", path);
    else if (!S_ISREG(info.st_mode))
        status = err_set(err, ERR_BAD_DATA, "%s is no plain file", path);
    else if (info.st_size == 0 || info.st_size % TAR_BLOCK != 0)
        status = err_set(err, ERR_BAD_DATA,
                         "%s is cut off or no archive: its %lld bytes aren't whole blocks of %d",
                         path, (long long)info.st_size, TAR_BLOCK);
    if (status != 0) {
        close(fd);
        return status;
    }
    *ret = (struct tar_reader){ .fd = fd, .bytes = info.st_size };
    return 0;
}

void tar_done(struct tar_reader *tar)
{
    if (tar->fd >= 0)
        close(tar->fd);
    tar->fd = -1;
}

int tar_read(const struct tar_reader *tar, int64_t offset, void *ret, size_t len, struct err *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(tar->fd, (char *)ret + at, len - at, offset + (int64_t)at);
        if (n < 0 && errno != EINTR)
            return err_errno(err, ERR_STORAGE, "can't read the archive");
        if (n == 0)
            return err_set(err, ERR_BAD_DATA, "the archive is cut off at byte %lld",
                           (long long)(offset + (int64_t)at));
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* The path as it stands; what it may be is checked afterwards. */
static void get_path(const struct header *h, char ret[TAR_PATH_BYTES])
{
    int prefix = (int)strnlen(h->prefix, sizeof h->prefix),
        name = (int)strnlen(h->name, sizeof h->name);
    snprintf(ret, TAR_PATH_BYTES, "%.*s%s%.*s", prefix, h->prefix, prefix > 0 ? "/" : "", name,
             h->name);
}

/* −1 when it isn't eleven octal digits. */
static int64_t get_size(const struct header *h)
{
    int64_t size = 0;
    for (size_t i = 0; i + 1 < sizeof h->size; i++) {
        if (h->size[i] < '0' || h->size[i] > '7')
            return -1;
        size = size * 8 + (h->size[i] - '0');
    }
    return size;
}

static int check(const struct header *h, struct tar_entry *entry, struct err *err)
{
    uint8_t expected[TAR_BLOCK];
    get_path(h, entry->path);
    entry->bytes = get_size(h);
    if (!tar_path_ok(entry->path))
        return err_set(err, ERR_BAD_DATA, "the archive holds a path that it may not: \"%s\"",
                       entry->path);
    if (h->type != '0')
        return err_set(err, ERR_BAD_DATA, "%s is no plain file in the archive", entry->path);
    if (entry->bytes < 0 || tar_header(entry->path, entry->bytes, expected, NULL) != 0 ||
        memcmp(h, expected, sizeof expected) != 0)
        return err_set(err, ERR_BAD_DATA, "the archive's header of %s isn't as it was written",
                       entry->path);
    return 0;
}

/* The second block of zeros, and nothing after it. */
static int check_end(const struct tar_reader *tar, struct err *err)
{
    uint8_t block[TAR_BLOCK];
    int status = tar_read(tar, tar->next + TAR_BLOCK, block, sizeof block, err);
    if (status == 0 &&
        (memcmp(block, zeros, sizeof block) != 0 || tar->next + 2 * TAR_BLOCK != tar->bytes))
        status = err_set(err, ERR_BAD_DATA, "something follows the end of the archive");
    return status;
}

int tar_next(struct tar_reader *tar, struct tar_entry *ret, struct err *err)
{
    struct header h;
    struct tar_entry entry;
    uint8_t fill[TAR_BLOCK];
    int status = tar_read(tar, tar->next, &h, sizeof h, err);
    if (status == 0 && memcmp(&h, zeros, sizeof h) == 0)
        return check_end(tar, err);
    if (status == 0)
        status = check(&h, &entry, err);
    if (status != 0)
        return status;
    entry.offset = tar->next + TAR_BLOCK;
    size_t pad = padding(entry.bytes);
    status = tar_read(tar, entry.offset + entry.bytes, fill, pad, err);
    if (status == 0 && memcmp(fill, zeros, pad) != 0)
        status =
            err_set(err, ERR_BAD_DATA, "something stands behind %s in the archive", entry.path);
    if (status == 0 && entry.offset + entry.bytes + (int64_t)pad > tar->bytes)
        status = err_set(err, ERR_BAD_DATA, "the archive is cut off in %s", entry.path);
    if (status != 0)
        return status;
    tar->next = entry.offset + entry.bytes + (int64_t)pad;
    *ret = entry;
    return 1;
}
