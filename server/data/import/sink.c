/* The corpus' files as they grow in a folder of tmp/. What was added last can be taken back, from
 * the buffer or, if it is longer than that, from the file; so nobody needs to know how a document
 * goes on before it is written.
 *
 * The content digest has each document's length before its bytes, and families need the whole
 * text's length, so that both are made from the files when all documents are there. */

#include "server/data/import/sink.h"

#include "common/base/files.h"
#include "common/base/utf8.h"
#include "common/corpus/families.h"
#include "server/base/random.h"
#include "server/data/import/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed(struct err *err)
{
    return err_errno(err, ERR_STORAGE, "can't store the corpus");
}

static void begin(struct sink *sink)
{
    sink->start = sink->now.at;
    sink->now.visible = false;
    digest_init(&sink->now.digest);
}

static void path_of(const struct sink *sink, const char *name, char ret[PATH_MAX + 16])
{
    snprintf(ret, PATH_MAX + 16, "%s/%s", sink->dir, name);
}

int sink_open(struct sink *sink, const struct datadir *datadir, struct err *err)
{
    char name[17], path[PATH_MAX + 16];
    random_hex(8, name);
    datadir_path(datadir, sink->dir, "tmp/corpus-%s", name);
    int status = files_make_folder(sink->dir, err);
    if (status == 0)
        status = copies_new(&sink->copies, err);
    if (status != 0)
        return status;
    path_of(sink, "text", path);
    sink->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    path_of(sink, "index", path);
    sink->index = fopen(path, "wx+e");
    begin(sink);
    return sink->fd < 0 || sink->index == NULL ? failed(err) : 0;
}

/* Adding, and taking back. */

static int flush(struct sink *sink, struct err *err)
{
    for (size_t at = 0; at < sink->held;) {
        ssize_t n = write(sink->fd, sink->bytes + at, sink->held - at);
        if (n < 0 && errno != EINTR)
            return failed(err);
        at += n > 0 ? (size_t)n : 0;
    }
    sink->held = 0;
    return 0;
}

/* Whether one of them leaves a mark: White_Space, controls and what has no width don't. */
static bool is_visible(const char *bytes, size_t n)
{
    static const struct {
        uint32_t first, last;
    } unseen[] = { { 0, 0x20 },        { 0x7F, 0xA0 },     { 0xAD, 0xAD },     { 0x1680, 0x1680 },
                   { 0x180E, 0x180E }, { 0x2000, 0x200F }, { 0x2028, 0x202F }, { 0x205F, 0x206F },
                   { 0x3000, 0x3000 }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF } };
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t c = utf8_decode(bytes + i, n - i, &length);
        bool seen = true;
        for (size_t k = 0; k < sizeof unseen / sizeof *unseen; k++)
            seen &= c < unseen[k].first || c > unseen[k].last;
        if (seen)
            return true;
    }
    return false;
}

int sink_add(struct sink *sink, const char *bytes, size_t n, struct err *err)
{
    int status = 0;
    sink->now.visible = sink->now.visible || is_visible(bytes, n);
    sink->now.at += (int64_t)n;
    digest_add(&sink->now.digest, bytes, n);
    while (n > 0 && status == 0) {
        size_t room = SINK_BYTES - sink->held, part = n < room ? n : room;
        memcpy(sink->bytes + sink->held, bytes, part);
        sink->held += part;
        bytes += part;
        n -= part;
        if (sink->held == SINK_BYTES)
            status = flush(sink, err);
    }
    return status;
}

int sink_rollback(struct sink *sink, const struct sink_mark *to, struct err *err)
{
    int64_t back = sink->now.at - to->at;
    sink->now = *to;
    if (back <= (int64_t)sink->held) {
        sink->held -= (size_t)back;
        return 0;
    }
    sink->held = 0;
    return ftruncate(sink->fd, to->at) != 0 || lseek(sink->fd, to->at, SEEK_SET) != to->at
               ? failed(err)
               : 0;
}

static int forget_document(struct sink *sink, struct err *err)
{
    struct sink_mark start = { .at = sink->start };
    digest_init(&start.digest);
    return sink_rollback(sink, &start, err);
}

static void to_le64(uint64_t value, uint8_t ret[8])
{
    for (int i = 0; i < 8; i++)
        ret[i] = (uint8_t)(value >> (8 * i));
}

int sink_end(struct sink *sink, struct err *err)
{
    uint8_t end[8];
    if (!sink->now.visible) {
        sink->unseen++;
        if (!sink->keeps_unseen)
            return forget_document(sink, err);
    }
    int new = copies_add(sink->copies, &sink->now.digest, err);
    if (new < 0)
        return new;
    if (new == 0) {
        sink->duplicates++;
        return forget_document(sink, err);
    }
    sink->documents++;
    sink->visible += sink->now.visible;
    to_le64((uint64_t)sink->now.at, end);
    begin(sink);
    return fwrite(end, 1, sizeof end, sink->index) != sizeof end ? failed(err) : 0;
}

/* What follows from the files. */

struct survey {
    struct digest digest;
    struct families *families;
    const atomic_bool *stop;
};

static uint64_t from_le64(const uint8_t bytes[8])
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* The next `length` bytes of the text are a document. */
static int survey_document(struct sink *sink, struct survey *survey, uint64_t length,
                           struct err *err)
{
    uint8_t number[8];
    to_le64(length, number);
    digest_add(&survey->digest, number, sizeof number);
    while (length > 0) {
        if (sink->held == sink->read_at) {
            ssize_t n = read(sink->fd, sink->bytes, sizeof sink->bytes);
            if (n < 0 && errno == EINTR)
                continue;
            if (n <= 0)
                return failed(err);
            if (survey->stop != NULL && atomic_load(survey->stop))
                return err_set(err, ERR_UNAVAILABLE, "the daemon is stopping");
            sink->held = (size_t)n;
            sink->read_at = 0;
        }
        size_t n = sink->held - sink->read_at;
        n = length < n ? (size_t)length : n;
        digest_add(&survey->digest, sink->bytes + sink->read_at, n);
        families_add(survey->families, (const uint8_t *)sink->bytes + sink->read_at, n);
        sink->read_at += n;
        length -= n;
    }
    families_next(survey->families);
    return 0;
}

static int survey_all(struct sink *sink, struct survey *survey, struct err *err)
{
    uint8_t end[8];
    uint64_t last = 0;
    int status = 0;
    rewind(sink->index);
    if (lseek(sink->fd, 0, SEEK_SET) != 0)
        return failed(err);
    sink->held = sink->read_at = 0;
    for (int64_t i = 0; i < sink->documents && status == 0; i++) {
        if (fread(end, 1, sizeof end, sink->index) != sizeof end)
            return failed(err);
        uint64_t at = from_le64(end);
        status = survey_document(sink, survey, at - last, err);
        last = at;
    }
    return status;
}

/* The digest, and the families beside the rest. */
static int derive(struct sink *sink, const atomic_bool *stop, char ret_digest[DIGEST_HEX],
                  struct err *err)
{
    char path[PATH_MAX + 16];
    size_t n = (size_t)sink->documents;
    struct survey survey = { .stop = stop };
    uint32_t *families = calloc(n, sizeof *families);
    digest_init(&survey.digest);
    int status = families == NULL
                     ? err_no_memory(err, "%zu documents", n)
                     : families_new(families, n, (uint64_t)sink->now.at, &survey.families, err);
    if (status == 0)
        status = survey_all(sink, &survey, err);
    if (status == 0)
        families_end(survey.families);
    path_of(sink, "families", path);
    if (status == 0)
        status = files_write(path, families, n * sizeof *families, 0600, err);
    if (status == 0)
        digest_end_hex(&survey.digest, ret_digest);
    families_free(survey.families);
    free(families);
    return status;
}

int sink_complete(struct sink *sink, const atomic_bool *stop, char ret_digest[DIGEST_HEX],
                  struct err *err)
{
    char path[PATH_MAX + 16];
    int status = flush(sink, err);
    if (status == 0 &&
        (fflush(sink->index) != 0 || fsync(fileno(sink->index)) != 0 || fsync(sink->fd) != 0))
        status = failed(err);
    copies_free(sink->copies);
    sink->copies = NULL;
    if (status == 0)
        status = derive(sink, stop, ret_digest, err);
    path_of(sink, "text", path);
    return status == 0 ? files_sync_folder(path, err) : status;
}

void sink_take(struct sink *sink, char *ret_name, size_t size)
{
    snprintf(ret_name, size, "%s", strrchr(sink->dir, '/') + 1);
    sink->dir[0] = '\0';
}

void sink_done(struct sink *sink)
{
    if (sink->fd >= 0)
        close(sink->fd);
    if (sink->index != NULL)
        fclose(sink->index);
    copies_free(sink->copies);
    if (sink->dir[0] != '\0')
        files_remove_folder(sink->dir);
}
