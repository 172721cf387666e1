/* import: from an uploaded file to a stored corpus (common/corpus/corpus.h).
 *
 * What counts as a document, exactly. The body is UTF-8 without NUL.
 *
 *   lines  LF ends a line, with any CRs right before it (CR LF; CR CR LF, which is CR LF translated
 *          once more). In a file without any LF a CR does. Stored as LF. A byte order mark at the
 *          beginning of a line is dropped: files were put together there. Inside of a line it is a
 *          character.
 *   text   Blank lines (of space, tab, FF, VT) separate the documents; or lone "%" lines do, as in
 *          a fortune file. They do if blank lines make at most 2·n² gaps between other lines, with
 *          n such lines: one in a text of paragraphs is a line like any other, many are separators.
 *          Blank lines at either end of a document are dropped, and documents without a visible
 *          character (U+00A0 and U+200B aren't).
 *   jsonl  A JSON object a line, whose "text" is the document as it stands; other keys are ignored,
 *          blank lines too. An empty text is refused. All but the text has at most
 *          IMPORT_BESIDE_MAX bytes.
 *
 * Unless `stated`, text whose lines (but blank ones) all begin with { and end with }, and the first
 * of which is an object with a string "text", is taken for jsonl; JSON of
 * another shape is text, and noted. An exact copy of an earlier
 * document is dropped and counted. What was done beyond the ordinary is in the notes.
 *
 * Memory grows with the number of documents, not with their size: half a digest in a table that is
 * at most half full, so 32 to 64 bytes a document, and while the table grows its former one.
 * IMPORT_DOCUMENTS_MAX bounds it, at 768 MiB.
 */
#ifndef ABLATE_SERVER_IMPORT_H
#define ABLATE_SERVER_IMPORT_H

#include "common/base/buf.h"
#include "common/base/digest.h"
#include "common/base/err.h"
#include "server/data/datadir.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { IMPORT_DOCUMENTS_MAX = 1 << 24, IMPORT_BESIDE_MAX = 1 << 20 };

enum import_format { IMPORT_TEXT, IMPORT_JSONL };
extern const char *const import_format_names[]; /* "text", "jsonl"; NULL at the end */

enum import_note {
    IMPORT_CR_ENDS,
    IMPORT_CRCRLF,
    IMPORT_MARKS,
    IMPORT_MARKS_KEPT,
    IMPORT_PERCENT_KEPT,
    IMPORT_TAKEN_AS_JSONL,
    IMPORT_LOOKS_LIKE_JSONL,
    IMPORT_JSON_KEPT,
    IMPORT_BRACKETS_KEPT,
    IMPORT_UNSEEN_DROPPED,
    IMPORT_UNSEEN_KEPT,
    IMPORT_NOTES
};

struct import_request {
    const char *upload; /* the path of the file; missing = empty */
    enum import_format format;
    bool stated;             /* the format is to be believed whatever the text looks like */
    const atomic_bool *stop; /* once true, the import is given up; may be NULL */
};

struct import_result {
    enum import_format format;
    char digest[DIGEST_HEX]; /* of the content */
    char folder[32];         /* below tmp/, where the corpus is; "" = nowhere any more */
    int64_t documents, bytes, duplicates;
    int64_t notes[IMPORT_NOTES]; /* how often each was done; 0 = there is nothing to say */
};

/* Leaves the upload's documents in a folder of tmp/, whole or not at all; import_drop follows.
 * Errors: BAD_UTF8 and BAD_CORPUS with line and byte, MALFORMED … with line and column, STORAGE,
 * DISK_FULL, NO_MEMORY, UNAVAILABLE (stopped). */
int import_file(const struct datadir *datadir, const struct import_request *request,
                struct import_result *ret, struct err *err);
/* Writer, in the transaction that names the corpus, so that none is collected (retention/collect.h)
 * in between: moves it to datasets/<digest>, unless the same content lies there. Errors: STORAGE,
 * DISK_FULL. */
int import_place(const struct datadir *datadir, const struct import_result *result,
                 struct err *err);
/* Removes what is left in tmp/. */
void import_drop(const struct datadir *datadir, struct import_result *result);
/* Appends a note as a sentence; nothing when there is nothing to say. */
void import_note(const struct import_result *result, enum import_note note, struct buf *to);

#endif
