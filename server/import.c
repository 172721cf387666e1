/* What counts as a document, exactly:
 *
 *   text   Lines end in LF or CR LF (stored as LF). If any line is a lone "%", such lines separate
 * the documents, as in a fortune file; otherwise blank lines do. Blank lines at either end of a
 *          document are dropped, and documents without a visible character.
 *   jsonl  A JSON object a line, whose "text" is the document as it stands; other keys are ignored,
 *          blank lines too. An empty text is refused.
 *
 * A leading byte order mark is dropped. Everything must be UTF-8 without NUL. An exact copy of an
 * earlier document is dropped and counted. The upload is mapped, so memory grows with the number of
 * documents (a digest each), not with their size.
 */
#include "server/import.h"

#include "common/buf.h"
#include "common/corpus.h"
#include "common/families.h"
#include "common/files.h"
#include "common/jsonx.h"
#include "common/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const import_format_names[] = { "text", "jsonl", NULL };

struct import {
    const char *text; /* the upload, mapped */
    size_t len;
    char dir[PATH_MAX]; /* where the corpus grows */
    FILE *text_file, *index_file;
    struct digest digest;
    struct buf document;
    uint8_t (*seen)[16]; /* open addressing; all zero = free */
    size_t seen_size, seen_n;
    struct import_result result;
};

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

static int check_text(const struct import *im, struct err *err)
{
    size_t at = 0;
    const char *nul = memchr(im->text, '\0', im->len);
    if (!utf8_valid(im->text, im->len, &at))
        return err_set(err, ERR_BAD_UTF8, "the corpus is not UTF-8: line %zu, byte %zu (0x%02x)",
                       line_of(im->text, at), at, (unsigned)(uint8_t)im->text[at]);
    if (nul != NULL)
        return err_set(err, ERR_BAD_CORPUS, "the corpus holds a NUL: line %zu, byte %zu",
                       line_of(im->text, (size_t)(nul - im->text)), (size_t)(nul - im->text));
    return 0;
}

/* Copies of what was seen before. */

static bool grow_seen(struct import *im)
{
    size_t size = im->seen_size == 0 ? 1024 : im->seen_size * 2;
    uint8_t(*more)[16] = calloc(size, sizeof *more);
    static const uint8_t none[16];
    if (more == NULL)
        return false;
    for (size_t i = 0; i < im->seen_size; i++) {
        if (memcmp(im->seen[i], none, 16) == 0)
            continue;
        uint64_t at;
        memcpy(&at, im->seen[i], sizeof at);
        while (memcmp(more[at % size], none, 16) != 0)
            at++;
        memcpy(more[at % size], im->seen[i], 16);
    }
    free(im->seen);
    im->seen = more;
    im->seen_size = size;
    return true;
}

/* Returns 1 when the document is new, 0 when it isn't. */
static int remember(struct import *im, struct err *err)
{
    static const uint8_t none[16];
    uint8_t sum[DIGEST_BYTES];
    uint64_t at;
    if (2 * im->seen_n >= im->seen_size && !grow_seen(im))
        return err_set(err, ERR_NO_MEMORY, "no memory for %zu documents", im->seen_n);
    digest_of(im->document.data, im->document.len, sum);
    sum[0] |= 1; /* never all zero */
    memcpy(&at, sum, sizeof at);
    for (; memcmp(im->seen[at % im->seen_size], none, 16) != 0; at++)
        if (memcmp(im->seen[at % im->seen_size], sum, 16) == 0)
            return 0;
    memcpy(im->seen[at % im->seen_size], sum, 16);
    im->seen_n++;
    return 1;
}

static void to_le64(uint64_t value, uint8_t ret[8])
{
    for (int i = 0; i < 8; i++)
        ret[i] = (uint8_t)(value >> (8 * i));
}

/* Stores im->document. */
static int put_document(struct import *im, struct err *err)
{
    uint8_t number[8];
    if (im->document.failed)
        return err_set(err, ERR_NO_MEMORY, "no memory for a document");
    int new = remember(im, err);
    if (new < 0)
        return new;
    if (new == 0) {
        im->result.duplicates++;
        return 0;
    }
    im->result.documents++;
    im->result.bytes += (int64_t)im->document.len;
    to_le64(im->document.len, number);
    digest_add(&im->digest, number, sizeof number);
    digest_add(&im->digest, im->document.data, im->document.len);
    to_le64((uint64_t)im->result.bytes, number);
    if (fwrite(im->document.data, 1, im->document.len, im->text_file) != im->document.len ||
        fwrite(number, 1, sizeof number, im->index_file) != sizeof number)
        return err_errno(err, ERR_STORAGE, "can't store the corpus");
    return 0;
}

/* Plain text. */

struct line {
    const char *at;
    size_t len; /* without its end */
};

static bool next_line(const struct import *im, size_t *pos, struct line *ret)
{
    if (*pos >= im->len)
        return false;
    const char *at = im->text + *pos, *end = memchr(at, '\n', im->len - *pos);
    size_t len = end != NULL ? (size_t)(end - at) : im->len - *pos;
    *pos += len + 1;
    if (len > 0 && at[len - 1] == '\r')
        len--;
    *ret = (struct line){ at, len };
    return true;
}

static bool is_blank(struct line line)
{
    for (size_t i = 0; i < line.len; i++)
        if (strchr(" \t\f\v", line.at[i]) == NULL)
            return false;
    return true;
}

static bool is_percent(struct line line)
{
    return line.len == 1 && line.at[0] == '%';
}

static int end_document(struct import *im, struct err *err)
{
    struct buf *d = &im->document;
    while (d->len > 0 && d->data[d->len - 1] == '\n')
        d->data[--d->len] = '\0';
    int status = d->len > 0 ? put_document(im, err) : 0;
    buf_clear(d);
    return status;
}

static int import_text(struct import *im, struct err *err)
{
    bool percent = false;
    struct line line;
    int status = 0;
    size_t blank = 0; /* lines held back: they only count between others */
    for (size_t pos = 0; !percent && next_line(im, &pos, &line);)
        percent = is_percent(line);
    for (size_t pos = 0; status == 0 && next_line(im, &pos, &line);) {
        bool empty = is_blank(line);
        if (percent ? is_percent(line) : empty) {
            status = end_document(im, err);
            blank = 0;
        } else if (empty) {
            blank += im->document.len > 0;
        } else {
            for (; blank > 0; blank--)
                buf_addc(&im->document, '\n');
            buf_add(&im->document, line.at, line.len);
            buf_addc(&im->document, '\n');
        }
    }
    return status == 0 ? end_document(im, err) : status;
}

/* JSON lines. */

static int take_object(struct import *im, struct line line, size_t number, struct err *err)
{
    json_t *object = NULL;
    struct err why = { 0 };
    int status = jsonx_load(line.at, line.len, &object, &why);
    if (status != 0) {
        /* each line is a text of its own to the parser: "line 1, column 7: …" */
        static const char first[] = "line 1, ";
        bool placed = strncmp(why.message, first, strlen(first)) == 0;
        return err_set(err, (enum err_code)why.code, "line %zu%s%.400s", number,
                       placed ? ", " : ": ", why.message + (placed ? strlen(first) : 0));
    }
    const json_t *text = json_object_get(object, "text");
    if (!json_is_object(object))
        status = err_set(err, ERR_BAD_CORPUS, "line %zu is no JSON object", number);
    else if (!json_is_string(text))
        status = err_set(err, ERR_BAD_CORPUS, "line %zu has no string \"text\"", number);
    else if (json_string_length(text) == 0)
        status = err_set(err, ERR_BAD_CORPUS, "line %zu has an empty \"text\"", number);
    if (status == 0) {
        buf_add(&im->document, json_string_value(text), json_string_length(text));
        status = put_document(im, err);
        buf_clear(&im->document);
    }
    json_decref(object);
    return status;
}

static int import_jsonl(struct import *im, struct err *err)
{
    struct line line;
    size_t number = 0;
    int status = 0;
    for (size_t pos = 0; status == 0 && next_line(im, &pos, &line);) {
        number++;
        if (!is_blank(line))
            status = take_object(im, line, number, err);
    }
    return status;
}

/* Around them. */

static int map_upload(struct import *im, const char *upload, struct err *err)
{
    int fd = open(upload, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info = { 0 };
    if (fd < 0 && errno != ENOENT)
        return err_errno(err, ERR_STORAGE, "can't read the upload");
    if (fd >= 0 && fstat(fd, &info) != 0)
        info.st_size = 0;
    void *at = MAP_FAILED;
    if (info.st_size > 0)
        at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (info.st_size == 0)
        return err_set(err, ERR_BAD_CORPUS, "the body is empty: send the corpus in it");
    if (at == MAP_FAILED)
        return err_errno(err, ERR_STORAGE, "can't read the upload");
    im->text = at;
    im->len = (size_t)info.st_size;
    return 0;
}

static int open_files(struct import *im, const struct datadir *datadir, struct err *err)
{
    char name[17], path[PATH_MAX + 16];
    datadir_random_hex(8, name);
    datadir_path(datadir, im->dir, "tmp/corpus-%s", name);
    int status = files_make_folder(im->dir, err);
    if (status != 0)
        return status;
    snprintf(path, sizeof path, "%s/text", im->dir);
    im->text_file = fopen(path, "wxe");
    snprintf(path, sizeof path, "%s/index", im->dir);
    im->index_file = fopen(path, "wxe");
    return im->text_file == NULL || im->index_file == NULL
               ? err_errno(err, ERR_STORAGE, "can't store the corpus")
               : 0;
}

static bool close_file(FILE **file, bool sync)
{
    bool ok = *file == NULL || (fflush(*file) == 0 && (!sync || fsync(fileno(*file)) == 0));
    ok &= *file == NULL || fclose(*file) == 0;
    *file = NULL;
    return ok;
}

/* Finds the families of what was written, and stores them beside it. */
static int put_families(const struct import *im, struct err *err)
{
    char path[PATH_MAX + 16];
    struct corpus corpus;
    int status = corpus_open(im->dir, &corpus, err);
    if (status != 0)
        return status;
    uint32_t *families = calloc(corpus.documents, sizeof *families);
    snprintf(path, sizeof path, "%s/families", im->dir);
    if (families == NULL)
        status = err_set(err, ERR_NO_MEMORY, "no memory for %zu documents", corpus.documents);
    if (status == 0)
        status = families_find(corpus.text, corpus.ends, corpus.documents, families, err);
    if (status == 0)
        status = files_write(path, families, corpus.documents * sizeof *families, 0600, err);
    free(families);
    corpus_done(&corpus);
    return status;
}

/* The folder gets its name last, so that a name stands for a whole corpus. */
static int publish_folder(struct import *im, const struct datadir *datadir, struct err *err)
{
    char to[PATH_MAX], file[PATH_MAX + 16];
    digest_end_hex(&im->digest, im->result.digest);
    datadir_path(datadir, to, "datasets/%s", im->result.digest);
    if (!close_file(&im->text_file, true) || !close_file(&im->index_file, true))
        return err_errno(err, ERR_STORAGE, "can't store the corpus");
    snprintf(file, sizeof file, "%s/text", im->dir);
    int status = put_families(im, err);
    if (status == 0)
        status = files_sync_folder(file, err);
    if (status != 0)
        return status;
    if (rename(im->dir, to) == 0) {
        im->dir[0] = '\0';
        return files_sync_folder(to, err);
    }
    if (errno == EEXIST || errno == ENOTEMPTY)
        return 0; /* the same content was stored before */
    return err_errno(err, ERR_STORAGE, "can't store the corpus");
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = { "text", "index", "families" };
    char path[PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

int import_file(const struct datadir *datadir, const char *upload, enum import_format format,
                struct import_result *ret, struct err *err)
{
    static int (*const importers[])(struct import *, struct err *) = {
        [IMPORT_TEXT] = import_text,
        [IMPORT_JSONL] = import_jsonl,
    };
    struct import im = { 0 };
    const char *map = NULL;
    size_t map_len = 0;
    buf_init(&im.document, 0);
    digest_init(&im.digest);
    int status = map_upload(&im, upload, err);
    if (status == 0) {
        map = im.text;
        map_len = im.len;
        status = check_text(&im, err);
    }
    if (status == 0 && im.len >= 3 && memcmp(im.text, "\xEF\xBB\xBF", 3) == 0) {
        im.text += 3;
        im.len -= 3;
    }
    if (status == 0)
        status = open_files(&im, datadir, err);
    if (status == 0)
        status = importers[format](&im, err);
    if (status == 0 && im.result.documents == 0)
        status =
            err_set(err, ERR_BAD_CORPUS, "the corpus has no document with a visible character");
    if (status == 0)
        status = publish_folder(&im, datadir, err);
    close_file(&im.text_file, false);
    close_file(&im.index_file, false);
    if (im.dir[0] != '\0')
        remove_folder(im.dir);
    if (map != NULL)
        munmap((void *)(uintptr_t)map, map_len);
    free(im.seen);
    buf_done(&im.document);
    if (status == 0)
        *ret = im.result;
    return status;
}
