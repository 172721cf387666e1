/* corpus: a stored dataset as training sees it: documents, tokens, and the split into windows.
 *
 * On disk a corpus is a folder with three files, made once at import and never changed:
 *   text      the documents' UTF-8 bytes, one after another, nothing between them
 *   index     one little-endian u64 a document: the offset in `text` at which it ends
 *   families  one little-endian u32 a document: the first one of its family (families.h); a file
 *             that is missing or unsound is ignored, and the families found anew from the others
 * Its content digest is the SHA-256 over, document by document, its length (u64, little-endian) and
 * its bytes; it names the folder.
 *
 * Tokens (schema/numerics.md §4): the byte tokenizer gives 256 bytes values and 256, which ends
 * every document. The first `documents` documents, concatenated, cut to the first `tokens` tokens,
 * are what is split. `documents`: whole documents go to test, then val, in the order of a keyed
 * permutation (purpose "split", name "", step 0, element = document), until each holds at least
 * ⌈fraction·tokens⌉; the rest is train, in file order; window i is [iT, iT+T] of a split's own
 * concatenation. `families`: the same, but a document takes its whole family along, unless that
 * alone is more than the part wants. `windows`: every start 0 … n−T−1 of the whole stream; the
 * first tenth of the keyed permutation (element = start) is val, and test = val.
 */
#ifndef ABLATE_COMMON_CORPUS_H
#define ABLATE_COMMON_CORPUS_H

#include "common/spec/spec.h"

#include <stddef.h>
#include <stdint.h>

enum { CORPUS_END = 256 }; /* the token that ends a document */
enum corpus_part { CORPUS_TRAIN, CORPUS_VAL, CORPUS_TEST, CORPUS_PARTS };
extern const char *const corpus_part_names[CORPUS_PARTS];

struct corpus {
    const uint8_t *text; /* mapped, read-only */
    size_t text_bytes;
    const uint64_t *ends; /* [documents] offsets in text */
    size_t documents;
    const uint32_t *families; /* [documents]; NULL = not stored */
    size_t maps[3];           /* bytes of the mappings */
};

/* Maps the corpus in folder dir. Errors: NOT_FOUND, STORAGE, BAD_DATA (the files disagree). */
int corpus_open(const char *dir, struct corpus *ret, struct err *err);
void corpus_done(struct corpus *corpus);
/* The content digest, computed anew. */
void corpus_digest(const struct corpus *corpus, char ret[DIGEST_HEX]);

/* The tokens that a spec selects, and which of them belong to which part. */
struct corpus_split {
    uint16_t *tokens; /* owned; split `documents`: the parts one after another; `windows`: once */
    struct {
        size_t first, n; /* its stretch of tokens */
        /* owned; window i starts at tokens[first + starts[i]]; NULL: at first + i·T */
        uint32_t *starts;
        size_t windows;
    } parts[CORPUS_PARTS];
    size_t seq_len; /* T; a window has T + 1 tokens */
};
/* Errors: CORPUS_TOO_SHORT at "/data/dataset" unless train holds batch_size windows and val and
 * test one each, with the figures. */
int corpus_split_new(const struct corpus *corpus, const struct run_spec *spec,
                     struct corpus_split *ret, struct err *err);
/* Whether corpus_split_new would find enough, without building anything that grows with the tokens;
 * *ret_windows (may be NULL): how many there are to train on. Errors: the same. */
int corpus_split_check(const struct corpus *corpus, const struct run_spec *spec,
                       size_t *ret_windows, struct err *err);
void corpus_split_done(struct corpus_split *split);
/* Windows of a part that an evaluation looks at: all of them (0), or so many at even distances. */
size_t corpus_eval_windows(const struct corpus_split *split, enum corpus_part part,
                           int64_t eval_windows);
/* Copies window i (T + 1 tokens) of a part. */
void corpus_split_window(const struct corpus_split *split, enum corpus_part part, size_t i,
                         int32_t *ret);

#endif
