/* GET datasets/{name} and datasets/{name}/preview: who uses a corpus, and what it looks like: some
 * documents in a row, each as far as it is asked for, and how long all of them are. What a document
 * has of characters that aren't seen is made visible, so that a preview can be printed anywhere: a
 * control character (not LF, not tab) is the sign that Unicode has for it, and one that would turn
 * the direction of text U+FFFD. */
#include "server/api/api.h"

#include "common/base/utf8.h"
#include "common/corpus/corpus.h"
#include "server/data/datadir.h"
#include "server/http/exchange/exchange_request.h"
#include "server/objects/objects.h"
#include "server/store/store_datasets.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENTS = 10, DOCUMENTS_MAX = 100, BYTES = 400, BYTES_MAX = 4096, BITS = 64 };

struct shown {
    char *text; /* owned */
    size_t text_len;
    int64_t bytes;
    bool whole;
};
struct look {
    struct dataset_row row;
    struct dataset_users users;
    int64_t from, documents, bytes;
    struct shown shown[DOCUMENTS_MAX];
    size_t shown_n;
    int64_t least, greatest, by_bits[BITS + 1]; /* lengths: so many below 2^i and no lower power */
};

static void look_free(void *arg)
{
    struct look *l = arg;
    for (size_t i = 0; i < l->shown_n; i++)
        free(l->shown[i].text);
    free(l);
}

/* GET datasets/{name} */

int dataset_get_decode(struct request *req, struct err *err)
{
    return request_state(req, sizeof(struct look), look_free, err) == NULL ? -ERR_NO_MEMORY : 0;
}

int dataset_get_read(struct request *req, struct store *store, struct err *err)
{
    struct look *l = req->state;
    int status = store_dataset_get(store, req->params[0], &l->row, err);
    return status == 0 ? store_dataset_users(store, l->row.digest, &l->users, err) : status;
}

int dataset_get_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct look *l = req->state;
    json_t *dataset = objects_dataset(&l->row), *users = json_array();
    for (size_t i = 0; i < l->users.n; i++)
        json_array_append_new(users, json_integer(l->users.experiments[i]));
    json_object_set_new(dataset, "used_by", users);
    json_object_set_new(dataset, "used_by_more", json_boolean(l->users.more));
    reply_json(reply, 200, dataset, req->as_of);
    return 0;
}

/* GET datasets/{name}/preview */

int dataset_preview_decode(struct request *req, struct err *err)
{
    struct look *l = request_state(req, sizeof *l, look_free, err);
    if (l == NULL)
        return -ERR_NO_MEMORY;
    int status = request_arg_int(req, "from", 0, INT64_MAX, 0, &l->from, err);
    if (status == 0)
        status = request_arg_int(req, "documents", 1, DOCUMENTS_MAX, DOCUMENTS, &l->documents, err);
    return status == 0 ? request_arg_int(req, "bytes", 1, BYTES_MAX, BYTES, &l->bytes, err)
                       : status;
}

static void add_visible(uint32_t c, const char *bytes, size_t n, struct buf *to)
{
    char sign[4];
    bool turns = c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
                 (c >= 0x2066 && c <= 0x2069);
    if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && !turns))
        buf_add(to, bytes, n);
    else
        buf_add(to, sign, utf8_encode(c < 0x20 ? 0x2400 + c : c == 0x7f ? 0x2421 : 0xfffd, sign));
}

/* At most `most` bytes of the document, and no part of a character. */
static int show(const char *document, size_t len, size_t most, struct shown *ret, struct err *err)
{
    struct buf text;
    size_t at = 0, n;
    buf_init(&text, 0);
    while (at < len && (n = utf8_char(document + at, len - at)) > 0 && at + n <= most) {
        add_visible(utf8_decode(document + at, n, &n), document + at, n, &text);
        at += n;
    }
    buf_addc(&text, '\0');
    if (text.failed) {
        buf_done(&text);
        return err_no_memory(err, "a preview");
    }
    *ret = (struct shown){ text.data, text.len - 1, (int64_t)len, at == len };
    return 0;
}

static void measure(const struct corpus *corpus, struct look *l)
{
    uint64_t before = 0;
    l->least = INT64_MAX;
    for (size_t i = 0; i < corpus->documents; i++) {
        int64_t len = (int64_t)(corpus->ends[i] - before);
        l->least = len < l->least ? len : l->least;
        l->greatest = len > l->greatest ? len : l->greatest;
        l->by_bits[len > 0 ? BITS - __builtin_clzll((unsigned long long)len) : 0]++;
        before = corpus->ends[i];
    }
}

int dataset_preview_read(struct request *req, struct store *store, struct err *err)
{
    struct look *l = req->state;
    struct corpus corpus;
    char dir[PATH_MAX];
    int status = store_dataset_get(store, req->params[0], &l->row, err);
    if (status != 0)
        return status;
    datadir_path(req->app->datadir, dir, "datasets/%s", l->row.digest);
    status = corpus_open(dir, &corpus, err);
    if (status != 0)
        return status;
    measure(&corpus, l);
    for (int64_t i = l->from; i < (int64_t)corpus.documents && i - l->from < l->documents; i++) {
        uint64_t begin = i > 0 ? corpus.ends[i - 1] : 0;
        status = show((const char *)corpus.text + begin, corpus.ends[i] - begin, (size_t)l->bytes,
                      &l->shown[l->shown_n], err);
        if (status != 0)
            break;
        l->shown_n++;
    }
    corpus_done(&corpus);
    return status;
}

/* [[8, 3], [16, 40]]: 3 documents below 8 bytes, 40 from 8 to below 16. */
static json_t *lengths_json(const struct look *l)
{
    json_t *below = json_array();
    for (int i = 0; i < BITS - 1; i++)
        if (l->by_bits[i] > 0)
            json_array_append_new(
                below, json_pack("[I, I]", (json_int_t)1 << i, (json_int_t)l->by_bits[i]));
    return json_pack("{s:I, s:I, s:f, s:o}", "least", (json_int_t)l->least, "greatest",
                     (json_int_t)l->greatest, "mean",
                     (double)l->row.bytes / (double)(l->row.documents > 0 ? l->row.documents : 1),
                     "below", below);
}

int dataset_preview_encode(struct request *req, struct reply *reply, struct err *err)
{
    (void)err;
    const struct look *l = req->state;
    json_t *items = json_array();
    for (size_t i = 0; i < l->shown_n; i++) {
        const struct shown *shown = &l->shown[i];
        json_array_append_new(items, json_pack("{s:I, s:I, s:b, s:o}", "document",
                                               (json_int_t)(l->from + (int64_t)i), "bytes",
                                               (json_int_t)shown->bytes, "whole", (int)shown->whole,
                                               "text", json_stringn(shown->text, shown->text_len)));
    }
    reply_json(reply, 200,
               json_pack("{s:o, s:o, s:o}", "dataset", objects_dataset(&l->row), "lengths",
                         lengths_json(l), "items", items),
               req->as_of);
    return 0;
}
