#include "server/http/gate.h"

#include "common/utf8.h"
#include "server/http/auth.h"
#include "server/http/exchange.h"
#include "server/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_FIELDS = 100 };

/* What is counted while walking over the header. */
struct head {
    int fields, hosts, lengths, encodings, bad_names;
    const char *host, *length, *encoding;
};

static bool is_token(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (name[0] == '\0')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr(others, *c) == NULL)
            return false;
    return true;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    (void)kind;
    struct head *head = arg;
    const struct {
        const char *name;
        int *count;
        const char **value;
    } rows[] = { { "Host", &head->hosts, &head->host },
                 { "Content-Length", &head->lengths, &head->length },
                 { "Transfer-Encoding", &head->encodings, &head->encoding } };
    head->fields++;
    head->bad_names += !is_token(key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcasecmp(key, rows[i].name) == 0) {
            ++*rows[i].count;
            *rows[i].value = value != NULL ? value : "";
        }
    return MHD_YES;
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* The address as it came: percent signs may not hide what has a meaning, and what they spell is
 * UTF-8 without control characters. */
static int check_uri(const char *uri, struct err *err)
{
    char plain[EXCHANGE_URI_MAX];
    size_t path = strcspn(uri, "?"), n = 0;
    if (strlen(uri) > EXCHANGE_URI_MAX)
        return err_set(err, ERR_URI_TOO_LONG, "an address may have at most %d bytes",
                       EXCHANGE_URI_MAX);
    if (uri[0] != '/' && strcmp(uri, "*") != 0)
        return err_set(err, ERR_BAD_REQUEST, "the address must be a path that begins with /");
    for (size_t i = 0; uri[i] != '\0'; i++) {
        unsigned char c = (unsigned char)uri[i];
        if (c <= ' ' || c >= 0x7f || c == '\\')
            return err_set(err, ERR_BAD_REQUEST,
                           "the address holds a character that must be percent-encoded");
        if (c != '%') {
            plain[n++] = (char)c;
            continue;
        }
        if (!isxdigit((unsigned char)uri[i + 1]) || !isxdigit((unsigned char)uri[i + 2]))
            return err_set(err, ERR_BAD_REQUEST,
                           "a %% in the address isn't followed by two hexadecimal digits");
        int code = digit(uri[i + 1]) * 16 + digit(uri[i + 2]);
        if (code == 0 || (i < path && (code < ' ' || code == 0x7f || strchr("/\\%", code) != NULL)))
            return err_set(err, ERR_BAD_REQUEST, "the address hides %.3s", uri + i);
        plain[n++] = (char)code;
        i += 2;
    }
    return utf8_valid(plain, n, NULL)
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "the address spells something that isn't UTF-8");
}

/* Dot segments, after decoding. */
static int check_path(const char *path, struct err *err)
{
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        size_t len = strcspn(at, "/");
        if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.'))
            return err_set(err, ERR_BAD_REQUEST, "the address has a dot segment");
    }
    return 0;
}

/* Where the request ends: nothing may be said twice, or in two ways. */
static int check_framing(const struct head *head, bool old, struct err *err)
{
    if (head->bad_names > 0)
        return err_set(err, ERR_BAD_REQUEST, "the name of a header holds a forbidden character");
    if (head->lengths > 1)
        return err_set(err, ERR_BAD_REQUEST, "there is more than one Content-Length");
    if (head->lengths == 1 && strspn(head->length, "0123456789") != strlen(head->length))
        return err_set(err, ERR_BAD_REQUEST, "Content-Length is no number");
    if (head->encodings > 1 || (head->encodings == 1 && strcasecmp(head->encoding, "chunked") != 0))
        return err_set(err, ERR_BAD_REQUEST, "the only Transfer-Encoding taken is chunked, once");
    if (head->lengths > 0 && head->encodings > 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "Content-Length and Transfer-Encoding contradict each other");
    if (head->encodings > 0 && old)
        return err_set(err, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    if (head->hosts != 1)
        return err_set(err, ERR_BAD_REQUEST, "there must be one Host, not %d", head->hosts);
    return 0;
}

/* Whatever fits into microhttpd's pool has come this far. */
static int check_size(const struct exchange *x, const struct head *head, struct err *err)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    int64_t most = x->req.app->options->limits.header_bytes;
    if (head->fields > HEADER_FIELDS)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "a header may have at most %d fields",
                       HEADER_FIELDS);
    if (info != NULL && (int64_t)info->header_size > most)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "a header may have at most %lld bytes",
                       (long long)most);
    return 0;
}

static const char *text_of(const struct exchange *x, const char *name)
{
    const char *value = exchange_header(x, name);
    return value != NULL ? value : "";
}

int gate_check(struct exchange *x, const char *version, struct err *err)
{
    struct head head = { 0 };
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, &head);
    x->req.content_type = text_of(x, "Content-Type");
    x->req.idempotency_key = text_of(x, "Idempotency-Key");
    x->req.last_event_id = text_of(x, "Last-Event-ID");
    x->req.if_none_match = text_of(x, "If-None-Match");
    x->req.session = "";
    x->expects = exchange_header(x, "Expect") != NULL;
    x->length = head.lengths > 0 ? strtoll(head.length, NULL, 10) : head.encodings > 0 ? -1 : 0;
    int status = check_framing(&head, strcmp(version, "HTTP/1.1") != 0, err);
    x->close = status != 0;
    if (status == 0)
        status = check_uri(x->uri, err);
    if (status == 0)
        status = check_size(x, &head, err);
    if (status == 0)
        status = check_path(x->path, err);
    if (status == 0 && !auth_host_allowed(x->req.app->auth, head.host))
        status = err_set(err, ERR_MISDIRECTED,
                         "Host \"%.100s\" isn't this server's; give the name it is reached by as "
                         "--public-url",
                         head.host);
    if (status == 0 && x->length != 0 &&
        (x->head || strcmp(x->method, "GET") == 0 || strcmp(x->method, "OPTIONS") == 0))
        status = err_set(err, ERR_BAD_REQUEST, "%s takes no body", x->method);
    return status;
}

static bool is_json(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0;
}

int gate_body(const struct exchange *x, struct err *err)
{
    const struct endpoint *endpoint = x->req.endpoint;
    int64_t most =
        endpoint->body == BODY_UPLOAD ? x->req.app->options->upload_limit : ENDPOINT_BODY_MAX;
    if (endpoint->body == BODY_NONE && x->length != 0)
        return err_set(err, ERR_BAD_REQUEST, "%s %s takes no body", x->method, endpoint->path);
    if (x->length > most)
        return err_set(err, ERR_TOO_LARGE, "a body of %lld bytes is more than the %lld allowed",
                       (long long)x->length, (long long)most);
    const char *coding = exchange_header(x, "Content-Encoding");
    if (x->length != 0 && coding != NULL && strcasecmp(coding, "identity") != 0)
        return err_set(err, ERR_UNSUPPORTED_TYPE, "the body must come as it is, not %.40s", coding);
    bool json =
        endpoint->body == BODY_JSON || (endpoint->body == BODY_JSON_OPTIONAL && x->length != 0);
    if (json && !is_json(x->req.content_type))
        return err_set(err, ERR_UNSUPPORTED_TYPE, "the body must be application/json, not %.100s",
                       x->req.content_type[0] != '\0' ? x->req.content_type : "without a type");
    return 0;
}
