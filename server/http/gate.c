/* The checks of a request line and header, a function each: framing, address, size, Host; then the
 * announced body. */
#include "server/http/gate.h"

#include "common/base/utf8.h"
#include "server/base/options.h"
#include "server/coding/gzip.h"
#include "server/http/auth.h"
#include "server/http/exchange/state.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADER_FIELDS = 100 };

/* Header fields that decide something, and may occur once. */
enum { HOST, LENGTH, ENCODING, ORIGIN, SITE, AUTHORIZATION, TYPE, CODING, KEY, EXPECT, SINGLES };
static const char *const singles[SINGLES] = {
    [HOST] = "Host",         [LENGTH] = "Content-Length",   [ENCODING] = "Transfer-Encoding",
    [ORIGIN] = "Origin",     [SITE] = "Sec-Fetch-Site",     [AUTHORIZATION] = "Authorization",
    [TYPE] = "Content-Type", [CODING] = "Content-Encoding", [KEY] = "Idempotency-Key",
    [EXPECT] = "Expect",
};

/* What a walk over the header has found. */
struct head {
    int fields, counts[SINGLES];
    const char *values[SINGLES];
    bool bad_name, bad_value;
    const char *not_text; /* one of the singles that isn't UTF-8 */
    bool apart;           /* a part doesn't follow the one before */
    const char *at;       /* where the next one must begin */
    const char *begin, *end;
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

static bool is_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

/* microhttpd parses a header where it has arrived: it writes zeros over the colon and over the end
 * of a line, two for CR LF. So what it glosses over shows in the places: a line that LF ends alone,
 * a NUL in a value, a folded line (which it appends to the name, elsewhere), more than one space in
 * the request line. Each part must begin where the one before has ended. Later versions look at
 * lines themselves, and keep fields otherwise. */
static bool places_tell(void)
{
    const char *version = MHD_get_version();
    return strncmp(version, "0.9.7", 5) == 0 && version[5] < '7';
}

static void check_place(struct head *head, const char *key, const char *value)
{
    head->apart |= key != head->at || value < key || value >= head->end;
    head->at = value + strlen(value) + 2;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    (void)kind;
    struct head *head = arg;
    value = value != NULL ? value : "";
    head->fields++;
    head->bad_name |= !is_token(key);
    head->bad_value |= !is_value(value);
    check_place(head, key, value);
    for (size_t i = 0; i < SINGLES; i++)
        if (strcasecmp(key, singles[i]) == 0) {
            head->counts[i]++;
            head->values[i] = value;
            if (!utf8_valid(value, strlen(value), NULL))
                head->not_text = singles[i];
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
static int check_framing(const struct head *head, const char *version, struct err *err)
{
    const char *length = head->values[LENGTH], *encoding = head->values[ENCODING];
    bool old = strcmp(version, "HTTP/1.0") == 0;
    if (!old && strcmp(version, "HTTP/1.1") != 0)
        return err_set(err, ERR_BAD_REQUEST, "the protocol must be HTTP/1.1 or 1.0");
    if (head->bad_name)
        return err_set(err, ERR_BAD_REQUEST, "the name of a header holds a forbidden character");
    if (head->bad_value)
        return err_set(err, ERR_BAD_REQUEST, "the value of a header holds a forbidden character");
    if (head->not_text != NULL)
        return err_set(err, ERR_BAD_REQUEST, "the value of %s isn't UTF-8", head->not_text);
    if (places_tell() && (head->apart || head->at + 2 != head->end))
        return err_set(err, ERR_BAD_REQUEST,
                       "request line and header must be lines that end with CR LF, without folds, "
                       "NULs and needless blanks");
    for (size_t i = 0; i < SINGLES; i++)
        if (head->counts[i] > 1)
            return err_set(err, ERR_BAD_REQUEST, "there is more than one %s", singles[i]);
    if (length != NULL && (*length == '\0' || length[strspn(length, "0123456789")] != '\0'))
        return err_set(err, ERR_BAD_REQUEST, "Content-Length is no number");
    if (encoding != NULL && strcasecmp(encoding, "chunked") != 0)
        return err_set(err, ERR_BAD_REQUEST, "the only Transfer-Encoding taken is chunked, once");
    if (length != NULL && encoding != NULL)
        return err_set(err, ERR_BAD_REQUEST,
                       "Content-Length and Transfer-Encoding contradict each other");
    if (encoding != NULL && old)
        return err_set(err, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    return 0;
}

/* Probes of load balancers speak HTTP/1.0 and have no name to ask for. */
static bool may_lack_host(const struct exchange *x, const char *version)
{
    return strcmp(version, "HTTP/1.0") == 0 && strcmp(x->path, "/healthz") == 0;
}

static int check_host(const struct exchange *x, const char *host, const char *version,
                      struct err *err)
{
    if (host == NULL && may_lack_host(x, version))
        return 0;
    if (host == NULL)
        return err_set(err, ERR_BAD_REQUEST, "there must be a Host");
    if (!auth_host_allowed(x->req.app->auth, host))
        return err_set(err, ERR_MISDIRECTED,
                       "Host \"%.100s\" isn't this server's; give the name it is reached by as "
                       "--public-url",
                       host);
    return 0;
}

/* Whatever fits into microhttpd's pool has come this far. */
static int check_size(const struct exchange *x, const struct head *head, struct err *err)
{
    int64_t most = x->req.app->options->limits.header_bytes;
    if (head->fields > HEADER_FIELDS)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "a header may have at most %d fields",
                       HEADER_FIELDS);
    if (head->end - head->begin > most)
        return err_set(err, ERR_HEADERS_TOO_LARGE, "a header may have at most %lld bytes",
                       (long long)most);
    return 0;
}

static const char *text_of(const struct exchange *x, const char *name)
{
    const char *value = exchange_header(x, name);
    return value != NULL ? value : "";
}

static void walk(const struct exchange *x, const char *method, const char *version,
                 struct head *ret)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    *ret = (struct head){ .apart = version != method + strlen(method) + strlen(x->uri) + 2,
                          .at = version + strlen(version) + 2,
                          .begin = method,
                          .end = method + (info != NULL ? info->header_size : 0) };
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, on_header, ret);
}

int gate_check(struct exchange *x, const char *method, const char *version, struct err *err)
{
    struct head head;
    walk(x, method, version, &head);
    x->req.content_type = text_of(x, "Content-Type");
    x->req.idempotency_key = text_of(x, "Idempotency-Key");
    x->req.last_event_id = text_of(x, "Last-Event-ID");
    x->req.if_none_match = text_of(x, "If-None-Match");
    x->req.gzip = gzip_accepted(exchange_header(x, "Accept-Encoding"));
    x->req.session = "";
    x->expects = head.values[EXPECT] != NULL;
    x->length = head.values[LENGTH] != NULL     ? strtoll(head.values[LENGTH], NULL, 10)
                : head.values[ENCODING] != NULL ? -1
                                                : 0;
    int status = check_framing(&head, version, err);
    if (status == 0)
        status = check_uri(x->uri, err);
    if (status == 0)
        status = check_size(x, &head, err);
    if (status == 0)
        status = check_path(x->path, err);
    if (status == 0)
        status = check_host(x, head.values[HOST], version, err);
    if (status == 0 && x->length != 0 &&
        (x->head || strcmp(x->method, "GET") == 0 || strcmp(x->method, "OPTIONS") == 0))
        status = err_set(err, ERR_BAD_REQUEST, "%s takes no body", x->method);
    /* Nor is anything believed after chunks, whose lines microhttpd lets LF end. */
    x->close = status != 0 || x->length == -1;
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
