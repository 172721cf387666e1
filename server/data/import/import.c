/* The passes over an upload: it is checked, looked at, and stored. What was done beyond the
 * ordinary is counted on the way, and said in `sentences`.
 *
 * The parts, in the order in which a piece of the upload passes them:
 *
 *   source       reads the upload, in pieces of whole characters, and checks them
 *   lines        makes every line end with LF; drops byte order marks that lines begin with
 *   look         tells what kind of file it is (a pass before the one that stores)
 *   text, jsonl  find the documents
 *   sink         writes them, and takes back what turns out to be none (copies)
 *
 * A part is handed pieces of any size and keeps no more than it needs to go on, so that neither a
 * line nor a document has to fit into memory.
 */

#include "server/data/import/import.h"

#include "common/base/files.h"
#include "server/data/import/jsonl.h"
#include "server/data/import/lines.h"
#include "server/data/import/look.h"
#include "server/data/import/sink.h"
#include "server/data/import/source.h"
#include "server/data/import/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const import_format_names[] = { "text", "jsonl", NULL };

/* %lld is how often. */
static const char *const sentences[IMPORT_NOTES] = {
    [IMPORT_CR_ENDS] = "There is no LF: each of %lld CRs was taken for the end of a line.",
    [IMPORT_CRCRLF] = "%lld lines end in CR CR LF: each was taken for one end.",
    [IMPORT_MARKS] = "%lld byte order marks at the beginning of lines were dropped.",
    [IMPORT_MARKS_KEPT] = "%lld byte order marks inside of lines were kept as characters.",
    [IMPORT_PERCENT_KEPT] =
        "%lld lines of just % are few in a text of paragraphs: blank lines separate the documents, "
        "and those are lines like any other.",
    [IMPORT_TAKEN_AS_JSONL] = "Each of %lld lines is a JSON object: they were taken as JSON lines. "
                              "format=text takes them as they are.",
    [IMPORT_LOOKS_LIKE_JSONL] =
        "Each of %lld lines is a JSON object, and they were taken as text, as format=text asks.",
    [IMPORT_JSON_KEPT] = "Each of %lld lines looks like a JSON object, but the first has no string "
                         "\"text\": they were taken as text.",
    [IMPORT_BRACKETS_KEPT] =
        "It begins and ends as JSON does, and its %lld lines were taken as text. JSON lines are an "
        "object a line with a \"text\": of an array of such objects jq -c '.[]' makes them.",
    [IMPORT_UNSEEN_DROPPED] = "%lld documents without a visible character were dropped.",
    [IMPORT_UNSEEN_KEPT] = "%lld documents have no visible character.",
};

void import_note(const struct import_result *result, enum import_note note, struct buf *to)
{
    static const char number[] = "%lld";
    const char *at = strstr(sentences[note], number);
    if (result->notes[note] == 0)
        return;
    buf_add(to, sentences[note], (size_t)(at - sentences[note]));
    buf_addf(to, number, (long long)result->notes[note]);
    buf_adds(to, at + strlen(number));
}

struct import {
    const struct import_request *request;
    struct source source;
    struct lines lines; /* of the pass under way */
    struct look look;
    struct sink sink;
    bool cr_ends;
    struct import_result result;
};

/* A pass in which `to` gets lines. */
static int read_lines(struct import *im, struct taker to, struct err *err)
{
    struct taker taker = { lines_take, &im->lines };
    im->lines = (struct lines){ .cr_ends = im->cr_ends, .to = to };
    int status = source_read(&im->source, &taker, err);
    return status == 0 ? lines_end(&im->lines, err) : status;
}

/* Whether the first line is what JSON lines are made of. */
static int first_is_object(struct import *im, bool *ret, struct err *err)
{
    struct jsonl jsonl;
    jsonl_init(&jsonl, NULL);
    int status = read_lines(im, (struct taker){ jsonl_take, &jsonl }, err);
    if (status == 0)
        status = jsonl_end(&jsonl, err);
    jsonl_done(&jsonl);
    if (status == -ERR_STORAGE || status == -ERR_UNAVAILABLE || status == -ERR_NO_MEMORY)
        return status;
    *ret = status == JSONL_FIRST;
    return 0;
}

/* What kind of file it is. */
static int look(struct import *im, struct err *err)
{
    int64_t *notes = im->result.notes;
    bool objects = false;
    int status = source_read(&im->source, NULL, err);
    im->cr_ends = im->source.lf == 0 && im->source.cr > 0;
    im->result.format = im->request->format;
    look_init(&im->look);
    if (status == 0)
        status = read_lines(im, (struct taker){ look_take, &im->look }, err);
    look_end(&im->look);
    if (status != 0 || im->request->format != IMPORT_TEXT || !im->look.braces)
        return status;
    status = first_is_object(im, &objects, err);
    if (status != 0)
        return status;
    if (objects && !im->request->stated)
        im->result.format = IMPORT_JSONL;
    notes[!objects              ? IMPORT_JSON_KEPT
          : im->request->stated ? IMPORT_LOOKS_LIKE_JSONL
                                : IMPORT_TAKEN_AS_JSONL] = im->look.contents;
    return 0;
}

static int store_text(struct import *im, struct err *err)
{
    struct text text;
    bool percent = look_percent_separates(&im->look);
    text_init(&text, &im->sink, percent);
    im->result.notes[IMPORT_PERCENT_KEPT] = percent ? 0 : im->look.percents;
    if (!im->look.braces && look_brackets(&im->look))
        im->result.notes[IMPORT_BRACKETS_KEPT] = im->look.contents;
    int status = read_lines(im, (struct taker){ text_take, &text }, err);
    return status == 0 ? text_end(&text, err) : status;
}

static int store_jsonl(struct import *im, struct err *err)
{
    struct jsonl jsonl;
    jsonl_init(&jsonl, &im->sink);
    im->sink.keeps_unseen = true; /* a text stays as it stands */
    int status = read_lines(im, (struct taker){ jsonl_take, &jsonl }, err);
    if (status == 0)
        status = jsonl_end(&jsonl, err);
    jsonl_done(&jsonl);
    return status;
}

static void sum_up(struct import *im)
{
    struct import_result *result = &im->result;
    result->documents = im->sink.documents;
    result->duplicates = im->sink.duplicates;
    result->bytes = im->sink.now.at;
    result->notes[IMPORT_CR_ENDS] = im->cr_ends ? im->lines.ends : 0;
    result->notes[IMPORT_CRCRLF] = im->lines.crcrlf;
    result->notes[IMPORT_MARKS] = im->lines.marks;
    result->notes[IMPORT_MARKS_KEPT] = im->lines.marks_kept;
    result->notes[im->sink.keeps_unseen ? IMPORT_UNSEEN_KEPT : IMPORT_UNSEEN_DROPPED] =
        im->sink.unseen;
}

int import_file(const struct datadir *datadir, const struct import_request *request,
                struct import_result *ret, struct err *err)
{
    static int (*const stores[])(struct import *, struct err *) = {
        [IMPORT_TEXT] = store_text, [IMPORT_JSONL] = store_jsonl
    };
    struct import im = { .request = request, .source.stop = request->stop, .sink.fd = -1 };
    int status = source_open(&im.source, request->upload, err);
    if (status == 0)
        status = look(&im, err);
    if (status == 0)
        status = sink_open(&im.sink, datadir, err);
    if (status == 0)
        status = stores[im.result.format](&im, err);
    if (status == 0)
        sum_up(&im);
    if (status == 0 && im.sink.visible == 0)
        status =
            err_set(err, ERR_BAD_CORPUS, "the corpus has no document with a visible character");
    if (status == 0)
        status = sink_complete(&im.sink, request->stop, im.result.digest, err);
    if (status == 0)
        sink_take(&im.sink, im.result.folder, sizeof im.result.folder);
    sink_done(&im.sink);
    source_done(&im.source);
    if (status == 0)
        *ret = im.result;
    return status;
}

int import_place(const struct datadir *datadir, const struct import_result *result, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    datadir_path(datadir, from, "tmp/%s", result->folder);
    datadir_path(datadir, to, "datasets/%s", result->digest);
    if (rename(from, to) == 0)
        return files_sync_folder(to, err);
    bool was_moved = errno == ENOENT && access(to, F_OK) == 0; /* by a transaction that was lost */
    return errno == EEXIST || errno == ENOTEMPTY || was_moved
               ? 0
               : err_errno(err, ERR_STORAGE, "can't store the corpus");
}

void import_drop(const struct datadir *datadir, struct import_result *result)
{
    char path[PATH_MAX];
    if (result->folder[0] == '\0')
        return;
    datadir_path(datadir, path, "tmp/%s", result->folder);
    files_remove_folder(path);
    result->folder[0] = '\0';
}
