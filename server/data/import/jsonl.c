/* JSON lines. Whatever its size the text goes to the sink as it is read; the rest of the line, with
 * "" in the text's place, is kept and parsed as any JSON (jsonx_load) when the line is whole. So
 * only where the text stands and how a string is spelt has to be known here. */

#include "server/data/import/jsonl.h"

#include "common/base/utf8.h"
#include "common/json/jsonx.h"
#include "server/data/import/import.h"
#include "server/data/import/sink.h"

#include <stdlib.h>
#include <string.h>

static void begin_line(struct jsonl *jsonl)
{
    buf_clear(&jsonl->beside);
    jsonl->column = jsonl->cut_at = jsonl->cut = jsonl->depth = 0;
    jsonl->object = jsonl->colon = jsonl->named = jsonl->escaped = false;
    jsonl->digits = 0;
    jsonl->high = 0;
    jsonl->text_bytes = 0;
    jsonl->state = JSONL_PLAIN;
}

void jsonl_init(struct jsonl *jsonl, struct sink *sink)
{
    *jsonl = (struct jsonl){ .sink = sink, .line = 1 };
    buf_init(&jsonl->beside, IMPORT_BESIDE_MAX);
    begin_line(jsonl);
}

void jsonl_done(struct jsonl *jsonl)
{
    buf_done(&jsonl->beside);
}

/* Characters, as columns count them. */
static size_t characters(const char *bytes, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return found;
}

static int malformed(const struct jsonl *jsonl, const char *what, struct err *err)
{
    return err_set(err, ERR_MALFORMED, "line %zu, column %zu: %s in \"text\"", jsonl->line,
                   jsonl->column, what);
}

/* The text. */

static int put(struct jsonl *jsonl, const char *bytes, size_t n, struct err *err)
{
    jsonl->text_bytes += (int64_t)n;
    return jsonl->sink != NULL && n > 0 ? sink_add(jsonl->sink, bytes, n, err) : 0;
}

static int put_code(struct jsonl *jsonl, struct err *err)
{
    char bytes[4];
    unsigned code = jsonl->code;
    bool low = code >= 0xDC00 && code <= 0xDFFF;
    if (low != (jsonl->high != 0))
        return malformed(jsonl, "half of a surrogate pair", err);
    if (code == 0)
        return malformed(jsonl, "\\u0000", err);
    if (code >= 0xD800 && code <= 0xDBFF) {
        jsonl->high = code;
        return 0;
    }
    if (low)
        code = 0x10000 + ((jsonl->high - 0xD800) << 10) + (code - 0xDC00);
    jsonl->high = 0;
    return put(jsonl, bytes, utf8_encode(code, bytes), err);
}

static int take_digit(struct jsonl *jsonl, char c, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = memchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c, 16);
    if (digit == NULL)
        return malformed(jsonl, "an escape that is none", err);
    jsonl->code = jsonl->code << 4 | (unsigned)(digit - digits);
    return --jsonl->digits == 0 ? put_code(jsonl, err) : 0;
}

static int take_escape(struct jsonl *jsonl, char c, struct err *err)
{
    static const char spelt[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *at = memchr(spelt, c, sizeof spelt - 1);
    jsonl->escaped = false;
    if (c == 'u') {
        jsonl->digits = 4;
        jsonl->code = 0;
        return 0;
    }
    if (at == NULL)
        return malformed(jsonl, "an escape that is none", err);
    return jsonl->high != 0 ? malformed(jsonl, "half of a surrogate pair", err)
                            : put(jsonl, meant + (at - spelt), 1, err);
}

/* Bytes of a string up to its end, an escape or a control character. */
static size_t plain_run(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && bytes[i] != '"' && bytes[i] != '\\' && (unsigned char)bytes[i] >= ' ')
        i++;
    return i;
}

/* Takes the next part of the text; *ret: so many bytes. */
static int take_text(struct jsonl *jsonl, const char *bytes, size_t n, size_t *ret, struct err *err)
{
    char c = bytes[0];
    bool special = jsonl->digits > 0 || jsonl->escaped;
    size_t run = special ? 0 : plain_run(bytes, n), width = characters(bytes, run);
    *ret = run > 0 ? run : 1;
    jsonl->column += run > 0 ? width : 1;
    jsonl->cut += run > 0 ? width : 1;
    if (jsonl->digits > 0)
        return take_digit(jsonl, c, err);
    if (jsonl->escaped)
        return take_escape(jsonl, c, err);
    if (jsonl->high != 0 && c != '\\')
        return malformed(jsonl, "half of a surrogate pair", err);
    if (run > 0)
        return put(jsonl, bytes, run, err);
    if (c == '\\') {
        jsonl->escaped = true;
        return 0;
    }
    if (c != '"')
        return malformed(jsonl, "a control character", err);
    jsonl->cut--;
    buf_addc(&jsonl->beside, '"');
    jsonl->state = JSONL_PLAIN;
    return 0;
}

/* What stands beside it. */

static bool is_text_key(const char *key, size_t n)
{
    if (memchr(key, '\\', n) == NULL)
        return n == 6 && memcmp(key, "\"text\"", 6) == 0;
    json_t *value = json_loadb(key, n, JSON_DECODE_ANY, NULL);
    bool same = value != NULL && strcmp(json_string_value(value), "text") == 0;
    json_decref(value);
    return same;
}

static void take_string(struct jsonl *jsonl, char c)
{
    struct buf *beside = &jsonl->beside;
    if (jsonl->escaped || c == '\\') {
        jsonl->escaped = !jsonl->escaped;
        return;
    }
    if (c != '"')
        return;
    jsonl->state = JSONL_PLAIN;
    if (jsonl->depth == 1 && jsonl->object && !jsonl->colon && !beside->failed)
        jsonl->named = is_text_key(beside->data + jsonl->string_at, beside->len - jsonl->string_at);
}

static void take_plain(struct jsonl *jsonl, char c)
{
    bool outermost = jsonl->depth == 1;
    switch (c) {
    case '"':
        jsonl->string_at = jsonl->beside.len - 1;
        jsonl->state = JSONL_STRING;
        if (!outermost || !jsonl->object || !jsonl->colon || !jsonl->named)
            break;
        jsonl->state = JSONL_TEXT;
        jsonl->cut_at = jsonl->cut == 0 ? jsonl->column : jsonl->cut_at;
        break;
    case '{':
    case '[':
        if (jsonl->depth++ == 0)
            jsonl->object = c == '{';
        break;
    case '}':
    case ']':
        jsonl->depth -= jsonl->depth > 0;
        break;
    case ':':
        jsonl->colon |= outermost;
        break;
    case ',':
        if (outermost)
            jsonl->colon = jsonl->named = false;
        break;
    default:
        break;
    }
}

static int take_beside(struct jsonl *jsonl, char c, struct err *err)
{
    jsonl->column += ((unsigned char)c & 0xC0) != 0x80;
    buf_addc(&jsonl->beside, c);
    if (jsonl->state == JSONL_STRING)
        take_string(jsonl, c);
    else
        take_plain(jsonl, c);
    if (!jsonl->beside.failed)
        return 0;
    return jsonl->beside.full
               ? err_set(err, ERR_BAD_CORPUS, "line %zu has more than %d bytes beside its \"text\"",
                         jsonl->line, IMPORT_BESIDE_MAX)
               : err_no_memory(err, "line %zu of the corpus", jsonl->line);
}

/* Lines. */

/* The parser's message speaks of one line, and of columns without the text. */
static int refuse_line(const struct jsonl *jsonl, const struct err *why, struct err *err)
{
    static const char first[] = "line 1, column ";
    if (strncmp(why->message, first, strlen(first)) != 0)
        return err_set(err, (enum err_code)why->code, "line %zu: %.400s", jsonl->line,
                       why->message);
    char *rest;
    size_t column = strtoul(why->message + strlen(first), &rest, 10);
    return err_set(err, (enum err_code)why->code, "line %zu, column %zu%.400s", jsonl->line,
                   column > jsonl->cut_at ? column + jsonl->cut : column, rest);
}

static int check_object(const struct jsonl *jsonl, const json_t *object, struct err *err)
{
    if (!json_is_object(object))
        return err_set(err, ERR_BAD_CORPUS, "line %zu is no JSON object", jsonl->line);
    if (!json_is_string(json_object_get(object, "text")))
        return err_set(err, ERR_BAD_CORPUS, "line %zu has no string \"text\"", jsonl->line);
    if (jsonl->text_bytes == 0)
        return err_set(err, ERR_BAD_CORPUS, "line %zu has an empty \"text\"", jsonl->line);
    return 0;
}

static bool is_blank(const struct buf *buf)
{
    for (size_t i = 0; i < buf->len; i++)
        if (strchr(" \t\f\v", buf->data[i]) == NULL)
            return false;
    return true;
}

static int end_line(struct jsonl *jsonl, struct err *err)
{
    json_t *object = NULL;
    struct err why = { 0 };
    int status = 0;
    if (jsonl->state == JSONL_TEXT)
        return err_set(err, ERR_TRUNCATED, "line %zu, column %zu: \"text\" doesn't end on its line",
                       jsonl->line, jsonl->column);
    if (!is_blank(&jsonl->beside)) {
        status = jsonx_load(jsonl->beside.data, jsonl->beside.len, &object, &why);
        status = status != 0 ? refuse_line(jsonl, &why, err) : check_object(jsonl, object, err);
        if (status == 0)
            status = jsonl->sink != NULL ? sink_end(jsonl->sink, err) : JSONL_FIRST;
        json_decref(object);
    }
    begin_line(jsonl);
    jsonl->line++;
    return status;
}

int jsonl_take(void *self, const char *bytes, size_t n, struct err *err)
{
    struct jsonl *jsonl = self;
    int status = 0;
    for (size_t took = 0; n > 0 && status == 0; bytes += took, n -= took) {
        took = 1;
        if (bytes[0] == '\n')
            status = end_line(jsonl, err);
        else if (jsonl->state == JSONL_TEXT)
            status = take_text(jsonl, bytes, n, &took, err);
        else
            status = take_beside(jsonl, bytes[0], err);
    }
    return status;
}

int jsonl_end(struct jsonl *jsonl, struct err *err)
{
    return end_line(jsonl, err);
}
