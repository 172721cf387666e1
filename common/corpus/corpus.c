/* Three parts: the files are mapped and checked, documents are chosen and cut to the number of
 * tokens, then dealt out to the parts of a split. Building a split and only counting what it would
 * hold go by the same dealing. */
#include "common/corpus/corpus.h"

#include "common/corpus/families.h"
#include "common/philox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const corpus_part_names[CORPUS_PARTS] = { "train", "val", "test" };

/* the files */

static int map_file(const char *dir, const char *name, const void **ret, size_t *ret_bytes,
                    struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "there is no corpus file %s", path)
                               : err_errno(err, ERR_STORAGE, "can't open %s", path);
    struct stat info;
    int status = fstat(fd, &info) != 0 ? err_errno(err, ERR_STORAGE, "can't read %s", path) : 0;
    if (status == 0 && info.st_size == 0)
        status = err_set(err, ERR_BAD_DATA, "the corpus file %s is empty", path);
    void *at = MAP_FAILED;
    if (status == 0) {
        at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            status = err_errno(err, ERR_STORAGE, "can't map %s", path);
    }
    close(fd);
    if (status == 0) {
        *ret = at;
        *ret_bytes = (size_t)info.st_size;
    }
    return status;
}

/* Offsets rise and end where the text ends. */
static int check_index(const struct corpus *corpus, const char *dir, struct err *err)
{
    uint64_t last = 0;
    for (size_t i = 0; i < corpus->documents; i++) {
        if (corpus->ends[i] <= last)
            return err_set(err, ERR_BAD_DATA, "the corpus index in %s isn't sound at document %zu",
                           dir, i);
        last = corpus->ends[i];
    }
    if (last != corpus->text_bytes)
        return err_set(err, ERR_BAD_DATA,
                       "the corpus in %s is damaged: its index ends at byte %llu, its text at %zu",
                       dir, (unsigned long long)last, corpus->text_bytes);
    return 0;
}

/* Families can be found from the text: a file of them that is missing or unsound is ignored. */
static void map_families(struct corpus *corpus, const char *dir)
{
    const void *at = NULL;
    struct err ignored;
    if (map_file(dir, "families", &at, &corpus->maps[2], &ignored) != 0)
        return;
    const uint32_t *families = at;
    bool sound = corpus->maps[2] == corpus->documents * sizeof *families;
    for (size_t i = 0; sound && i < corpus->documents; i++)
        sound = families[i] <= i && families[families[i]] == families[i];
    if (sound)
        corpus->families = families;
    else
        munmap((void *)(uintptr_t)at, corpus->maps[2]);
}

int corpus_open(const char *dir, struct corpus *ret, struct err *err)
{
    struct corpus corpus = { 0 };
    const void *text = NULL, *index = NULL;
    int status = map_file(dir, "text", &text, &corpus.maps[0], err);
    if (status == 0) {
        corpus.text = text;
        corpus.text_bytes = corpus.maps[0];
        status = map_file(dir, "index", &index, &corpus.maps[1], err);
    }
    if (status == 0) {
        corpus.ends = index;
        corpus.documents = corpus.maps[1] / sizeof *corpus.ends;
        status = check_index(&corpus, dir, err);
    }
    if (status == 0)
        map_families(&corpus, dir);
    if (status != 0) {
        corpus_done(&corpus);
        return status;
    }
    *ret = corpus;
    return 0;
}

void corpus_done(struct corpus *corpus)
{
    if (corpus->text != NULL)
        munmap((void *)(uintptr_t)corpus->text, corpus->maps[0]);
    if (corpus->ends != NULL)
        munmap((void *)(uintptr_t)corpus->ends, corpus->maps[1]);
    if (corpus->families != NULL)
        munmap((void *)(uintptr_t)corpus->families, corpus->maps[2]);
    *corpus = (struct corpus){ 0 };
}

void corpus_digest(const struct corpus *corpus, char ret[DIGEST_HEX])
{
    struct digest digest;
    uint64_t from = 0;
    digest_init(&digest);
    for (size_t i = 0; i < corpus->documents; i++) {
        uint64_t len = corpus->ends[i] - from; /* as on disk: little-endian */
        digest_add(&digest, &len, sizeof len);
        digest_add(&digest, corpus->text + from, len);
        from = corpus->ends[i];
    }
    digest_end_hex(&digest, ret);
}

/* the split */

/* A document's tokens: its bytes and the end, as far as the limit on tokens reaches. */
struct piece {
    uint64_t from; /* offset in text */
    size_t bytes, tokens;
    enum corpus_part part;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The documents that a spec takes, cut to its number of tokens. */
static int take_pieces(const struct corpus *corpus, const struct spec_data *data,
                       struct piece **ret, size_t *ret_n, size_t *ret_tokens, struct err *err)
{
    size_t n = corpus->documents, left = data->tokens > 0 ? (size_t)data->tokens : SIZE_MAX;
    if (data->documents > 0)
        n = least(n, (size_t)data->documents);
    struct piece *pieces = calloc(n > 0 ? n : 1, sizeof *pieces);
    if (pieces == NULL)
        return err_no_memory(err, "%zu documents", n);
    size_t taken = 0, total = 0;
    for (; taken < n && left > 0; taken++) {
        struct piece *p = &pieces[taken];
        p->from = taken > 0 ? corpus->ends[taken - 1] : 0;
        p->bytes = least((size_t)(corpus->ends[taken] - p->from), left);
        p->tokens = least((size_t)(corpus->ends[taken] - p->from) + 1, left);
        left -= left == SIZE_MAX ? 0 : p->tokens;
        total += p->tokens;
    }
    *ret = pieces;
    *ret_n = taken;
    *ret_tokens = total;
    return 0;
}

static void put_piece(const struct corpus *corpus, const struct piece *p, uint16_t *to)
{
    for (size_t i = 0; i < p->bytes; i++)
        to[i] = corpus->text[p->from + i];
    if (p->tokens > p->bytes)
        to[p->bytes] = CORPUS_END;
}

/* Windows of T + 1 tokens, each beginning with the last token of the one before. */
static size_t windows_in(size_t tokens, size_t seq_len)
{
    return tokens > 0 ? (tokens - 1) / seq_len : 0;
}

/* Starts of windows in a stream. */
static size_t starts_in(size_t tokens, size_t seq_len)
{
    return tokens > seq_len ? tokens - seq_len : 0;
}

/* Families as rings of documents, whose members go to one part of a split together. */
struct kin {
    uint32_t *next; /* [n] the next member; after the last, the first. NULL = each goes alone */
};

static void kin_done(struct kin *kin)
{
    free(kin->next);
}

/* Rings of the members among the first n documents. */
static int kin_find(const struct corpus *corpus, const struct spec_data *data, size_t n,
                    struct kin *ret, struct err *err)
{
    size_t all = corpus->documents;
    const uint32_t *families = corpus->families;
    uint32_t *found = NULL;
    int status = 0;
    if (data->split != SPLIT_FAMILIES)
        return 0;
    ret->next = calloc(all + 1, sizeof *ret->next);
    if (families == NULL)
        families = found = calloc(all + 1, sizeof *found);
    if (ret->next == NULL || families == NULL)
        status = err_no_memory(err, "the families of %zu documents", all);
    if (status == 0 && found != NULL)
        status = families_find(corpus->text, corpus->ends, all, found, err);
    for (size_t i = 0; i < n && status == 0; i++) {
        uint32_t first = families[i]; /* never after i */
        ret->next[i] = first == i ? first : ret->next[first];
        ret->next[first] = (uint32_t)i;
    }
    free(found);
    return status;
}

static uint32_t next_of_kin(const struct kin *kin, uint32_t document)
{
    return kin->next != NULL ? kin->next[document] : document;
}

/* Deals a document, with its family if it has one, to a part that wants so many tokens. A family
 * that alone is larger than that (documents that share a licence, say) stays where it is. Returns
 * the tokens dealt. */
static size_t deal(struct piece *pieces, const struct kin *kin, uint32_t document, size_t wanted,
                   enum corpus_part part)
{
    size_t tokens = pieces[document].tokens, n = 1;
    for (uint32_t i = next_of_kin(kin, document); i != document; i = next_of_kin(kin, i), n++)
        tokens += pieces[i].tokens;
    if (n > 1 && tokens > wanted)
        return 0;
    pieces[document].part = part;
    for (uint32_t i = next_of_kin(kin, document); i != document; i = next_of_kin(kin, i))
        pieces[i].part = part;
    return tokens;
}

/* Whole documents to test, then val, in keyed order, until each holds its fraction. */
static int deal_documents(const struct corpus *corpus, const struct spec_data *data,
                          struct piece *pieces, size_t n, size_t tokens, struct err *err)
{
    static const enum corpus_part order[] = { CORPUS_TEST, CORPUS_VAL };
    uint32_t *permutation = calloc(n > 0 ? n : 1, sizeof *permutation);
    const struct philox stream = philox_stream(data->split_seed, "split", "");
    struct kin kin = { 0 };
    int status = kin_find(corpus, data, n, &kin, err);
    if (status == 0 &&
        (permutation == NULL || philox_permutation(&stream, 0, (uint32_t)n, permutation) != 0))
        status = err_no_memory(err, "the split of %zu documents", n);
    for (size_t i = 0, next = 0; i < sizeof order / sizeof *order && status == 0; i++) {
        double fraction = order[i] == CORPUS_TEST ? data->test_fraction : data->val_fraction;
        size_t wanted = (size_t)ceil(fraction * (double)tokens), held = 0;
        for (; held < wanted && next < n; next++)
            if (pieces[permutation[next]].part == CORPUS_TRAIN) /* else its family was dealt */
                held += deal(pieces, &kin, permutation[next], wanted, order[i]);
    }
    free(permutation);
    kin_done(&kin);
    return status;
}

static int split_documents(const struct corpus *corpus, const struct run_spec *spec,
                           struct piece *pieces, size_t n, size_t tokens, struct corpus_split *out,
                           struct err *err)
{
    int status = deal_documents(corpus, &spec->data, pieces, n, tokens, err);
    size_t at = 0;
    for (int part = 0; part < CORPUS_PARTS && status == 0; part++) {
        out->parts[part].first = at;
        for (size_t i = 0; i < n; i++)
            if (pieces[i].part == (enum corpus_part)part) {
                put_piece(corpus, &pieces[i], out->tokens + at);
                at += pieces[i].tokens;
            }
        size_t held = at - out->parts[part].first;
        out->parts[part].n = held;
        out->parts[part].windows = windows_in(held, out->seq_len);
    }
    return status;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Every start 0 … n−T−1; the first tenth of the keyed permutation is val, and test is val too. Both
 * parts list their starts in ascending order. */
static int split_windows(const struct corpus *corpus, const struct run_spec *spec,
                         const struct piece *pieces, size_t n, size_t tokens,
                         struct corpus_split *out, struct err *err)
{
    size_t starts = starts_in(tokens, out->seq_len), held = starts / 10, at = 0;
    for (size_t i = 0; i < n; i++) {
        put_piece(corpus, &pieces[i], out->tokens + at);
        at += pieces[i].tokens;
    }
    uint32_t *permutation = calloc(starts > 0 ? starts : 1, sizeof *permutation);
    const struct philox stream = philox_stream(spec->data.split_seed, "split", "");
    if (permutation == NULL || starts > UINT32_MAX ||
        philox_permutation(&stream, 0, (uint32_t)starts, permutation) != 0) {
        free(permutation);
        return err_no_memory(err, "the split of %zu windows", starts);
    }
    const struct {
        size_t from, n;
    } ranges[CORPUS_PARTS] = { [CORPUS_TRAIN] = { held, starts - held },
                               [CORPUS_VAL] = { 0, held },
                               [CORPUS_TEST] = { 0, held } };
    int status = 0;
    for (int part = 0; part < CORPUS_PARTS && status == 0; part++) {
        size_t count = ranges[part].n;
        uint32_t *list = calloc(count > 0 ? count : 1, sizeof *list);
        if (list == NULL) {
            status = err_no_memory(err, "the split of %zu windows", starts);
            break;
        }
        memcpy(list, permutation + ranges[part].from, count * sizeof *list);
        qsort(list, count, sizeof *list, ascending);
        out->parts[part].n = tokens;
        out->parts[part].starts = list;
        out->parts[part].windows = count;
    }
    free(permutation);
    return status;
}

/* What would do where families leave too little to a part. */
static const char *advise(const struct corpus *corpus, const struct run_spec *spec)
{
    struct run_spec other = *spec;
    if (spec->data.split != SPLIT_FAMILIES)
        return "";
    other.data.split = SPLIT_DOCUMENTS;
    return corpus_split_check(corpus, &other, NULL, NULL) == 0
               ? ". data.split families holds documents that share 33 bytes out together, and here "
                 "that leaves too little; \"documents\" would do, though what validation asks for "
                 "may then stand in training, too, which split_overlap measures"
               : ". A shorter seq_len, a smaller batch_size or a larger corpus would do";
}

static int check_enough(const struct corpus *corpus, const struct run_spec *spec,
                        const struct corpus_split *split, size_t documents, size_t tokens,
                        struct err *err)
{
    size_t batch = (size_t)spec->train.batch_size, train = split->parts[CORPUS_TRAIN].windows,
           val = split->parts[CORPUS_VAL].windows, test = split->parts[CORPUS_TEST].windows;
    if (train >= batch && val >= 1 && test >= 1)
        return 0;
    return err_set_at(
        err, ERR_CORPUS_TOO_SHORT, "/data/dataset",
        "%zu documents with %zu tokens give %zu training, %zu validation and %zu test "
        "windows of seq_len %zu; training needs %zu (batch_size), the others 1 each%s",
        documents, tokens, train, val, test, split->seq_len, batch, advise(corpus, spec));
}

int corpus_split_new(const struct corpus *corpus, const struct run_spec *spec,
                     struct corpus_split *ret, struct err *err)
{
    struct corpus_split out = { .seq_len = (size_t)spec->data.seq_len };
    struct piece *pieces = NULL;
    size_t n = 0, tokens = 0;
    int status = take_pieces(corpus, &spec->data, &pieces, &n, &tokens, err);
    if (status == 0 && (out.tokens = calloc(tokens > 0 ? tokens : 1, sizeof *out.tokens)) == NULL)
        status = err_no_memory(err, "%zu tokens", tokens);
    if (status == 0)
        status = spec->data.split != SPLIT_WINDOWS
                     ? split_documents(corpus, spec, pieces, n, tokens, &out, err)
                     : split_windows(corpus, spec, pieces, n, tokens, &out, err);
    if (status == 0)
        status = check_enough(corpus, spec, &out, n, tokens, err);
    free(pieces);
    if (status != 0) {
        corpus_split_done(&out);
        return status;
    }
    *ret = out;
    return 0;
}

int corpus_split_check(const struct corpus *corpus, const struct run_spec *spec,
                       size_t *ret_windows, struct err *err)
{
    struct corpus_split out = { .seq_len = (size_t)spec->data.seq_len };
    struct piece *pieces = NULL;
    size_t n = 0, tokens = 0;
    int status = take_pieces(corpus, &spec->data, &pieces, &n, &tokens, err);
    bool whole = spec->data.split != SPLIT_WINDOWS;
    if (status == 0 && whole)
        status = deal_documents(corpus, &spec->data, pieces, n, tokens, err);
    for (size_t i = 0; i < n && status == 0; i++)
        out.parts[pieces[i].part].n += pieces[i].tokens;
    size_t starts = starts_in(tokens, out.seq_len), held = starts / 10;
    for (int part = 0; part < CORPUS_PARTS; part++)
        out.parts[part].windows = whole ? windows_in(out.parts[part].n, out.seq_len)
                                  : part == CORPUS_TRAIN ? starts - held
                                                         : held;
    if (status == 0)
        status = check_enough(corpus, spec, &out, n, tokens, err);
    if (status == 0 && ret_windows != NULL)
        *ret_windows = out.parts[CORPUS_TRAIN].windows;
    free(pieces);
    return status;
}

void corpus_split_done(struct corpus_split *split)
{
    for (int part = 0; part < CORPUS_PARTS; part++)
        free(split->parts[part].starts);
    free(split->tokens);
    *split = (struct corpus_split){ 0 };
}

size_t corpus_eval_windows(const struct corpus_split *split, enum corpus_part part,
                           int64_t eval_windows)
{
    size_t n = split->parts[part].windows, m = (size_t)eval_windows;
    return m == 0 || m > n ? n : m;
}

void corpus_split_window(const struct corpus_split *split, enum corpus_part part, size_t i,
                         int32_t *ret)
{
    size_t start =
        split->parts[part].starts != NULL ? split->parts[part].starts[i] : i * split->seq_len;
    const uint16_t *from = split->tokens + split->parts[part].first + start;
    for (size_t k = 0; k <= split->seq_len; k++)
        ret[k] = from[k];
}
