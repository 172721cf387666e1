/* Reads the upload. A character that a piece breaks off in is kept for the next one. */

#include "server/data/import/source.h"

#include "common/base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 65536, CHARACTER = 4 };

int source_open(struct source *source, const char *path, struct err *err)
{
    struct stat info = { 0 };
    source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (source->fd < 0 && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't read the upload");
    if (source->fd >= 0 && fstat(source->fd, &info) != 0)
        return err_errno(err, ERR_STORAGE, "can't read the upload");
    if (info.st_size == 0)
        return err_set(err, ERR_BAD_CORPUS, "the body is empty: send the corpus in it");
    return 0;
}

void source_done(struct source *source)
{
    if (source->fd >= 0)
        close(source->fd);
}

static int64_t count(const char *bytes, size_t n, char c)
{
    int64_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += bytes[i] == c;
    return found;
}

static void count_ends(struct source *source, const char *bytes, size_t n)
{
    source->lf += count(bytes, n, '\n');
    source->cr += count(bytes, n, '\r');
}

/* Where the pass stands, for a message: CRs count where there is no LF. */
static long long line(const struct source *source)
{
    return 1 + (long long)(source->lf > 0 ? source->lf : source->cr);
}

static int refuse_byte(struct source *source, const char *bytes, size_t at, int64_t before,
                       struct err *err)
{
    count_ends(source, bytes, at);
    if (bytes[at] == '\0')
        return err_set(err, ERR_BAD_CORPUS, "the corpus holds a NUL: line %lld, byte %lld",
                       line(source), (long long)before + (long long)at);
    return err_set(err, ERR_BAD_UTF8, "the corpus is not UTF-8: line %lld, byte %lld (0x%02x)",
                   line(source), (long long)before + (long long)at, (unsigned)(uint8_t)bytes[at]);
}

/* Whole characters of a piece that begins at byte `before` are handed on; *n: those that weren't.
 */
static int take(struct source *source, const struct taker *to, char *bytes, size_t *n, bool last,
                int64_t before, struct err *err)
{
    size_t whole = 0;
    const char *nul = memchr(bytes, '\0', *n);
    bool sound = utf8_valid(bytes, *n, &whole) || (!last && *n - whole < CHARACTER);
    if (nul != NULL && (size_t)(nul - bytes) < whole)
        return refuse_byte(source, bytes, (size_t)(nul - bytes), before, err);
    if (!sound)
        return refuse_byte(source, bytes, whole, before, err);
    count_ends(source, bytes, whole);
    int status = to != NULL && whole > 0 ? to->take(to->self, bytes, whole, err) : 0;
    *n -= whole;
    memmove(bytes, bytes + whole, *n);
    return status;
}

int source_read(struct source *source, const struct taker *to, struct err *err)
{
    char bytes[PIECE];
    int64_t before = 0;
    size_t n = 0;
    int status = lseek(source->fd, 0, SEEK_SET) != 0
                     ? err_errno(err, ERR_STORAGE, "can't read the upload")
                     : 0;
    source->lf = source->cr = 0;
    for (bool last = false; status == 0 && !last;) {
        ssize_t got = read(source->fd, bytes + n, sizeof bytes - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, ERR_STORAGE, "can't read the upload");
        if (source->stop != NULL && atomic_load(source->stop))
            return err_set(err, ERR_UNAVAILABLE, "the daemon is stopping");
        size_t held = n += (size_t)got;
        last = got == 0;
        status = take(source, to, bytes, &n, last, before, err);
        before += (int64_t)(held - n);
    }
    return status;
}
