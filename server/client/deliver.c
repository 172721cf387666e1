/* One request, and what it may not do. */
#include "server/client/deliver.h"

#include "common/base/buf.h"
#include "common/json/jsonx.h"
#include "server/client/terminal/say.h"
#include "server/client/transfer.h"
#include "server/client/where.h"

#include <curl/curl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 64 << 10, ANSWER_BYTES = 256 << 10 };

struct target {
    char *url, *scheme, *host, *port, *user, *password;
    struct buf pin; /* for CURLOPT_RESOLVE; empty for an address */
};

static void target_done(struct target *t)
{
    char *all[] = { t->url, t->scheme, t->host, t->port, t->user, t->password };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        curl_free(all[i]);
    buf_done(&t->pin);
}

static bool is_listed(const char *host, const json_t *hosts)
{
    size_t i, len = strlen(host);
    json_t *one;
    json_array_foreach(hosts, i, one)
    {
        const char *name = json_string_value(one);
        if (name != NULL &&
            (strcasecmp(name, host) == 0 || (host[0] == '[' && strlen(name) == len - 2 &&
                                             strncasecmp(name, host + 1, len - 2) == 0)))
            return true;
    }
    return false;
}

/* The only resolution: all addresses that it gives, for libcurl to try in turn. */
static int resolve(struct target *t, struct err *err)
{
    const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    char text[64];
    size_t n = 0;
    int code = getaddrinfo(t->host, t->port, &wanted, &found);
    buf_addf(&t->pin, "%s:%s:", t->host, t->port);
    for (const struct addrinfo *a = found; code == 0 && a != NULL; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            buf_addf(&t->pin, a->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", n++ > 0 ? "," : "",
                     text);
    if (code == 0)
        freeaddrinfo(found);
    return n > 0 ? 0
                 : err_set(err, ERR_UNAVAILABLE, "%s has no address: %s", t->host,
                           gai_strerror(code));
}

static int take_target(const char *url, const json_t *hosts, struct target *t, struct err *err)
{
    CURLU *parsed = curl_url();
    bool fits = parsed != NULL && url != NULL &&
                curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_SCHEME, &t->scheme, 0) == CURLUE_OK &&
                (strcmp(t->scheme, "http") == 0 || strcmp(t->scheme, "https") == 0) &&
                curl_url_get(parsed, CURLUPART_HOST, &t->host, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_PORT, &t->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_USER, &t->user, 0) != CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_PASSWORD, &t->password, 0) != CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_URL, &t->url, 0) == CURLUE_OK;
    curl_url_cleanup(parsed);
    if (!fits)
        return err_set(err, ERR_USAGE, "the webhook's URL is none that is asked");
    if (where_is_loopback(t->host))
        return 0;
    if (strcasecmp(t->host, "localhost") == 0) {
        buf_addf(&t->pin, "%s:%s:127.0.0.1,[::1]", t->host, t->port);
        return 0;
    }
    if (!is_listed(t->host, hosts))
        return err_set(
            err, ERR_FORBIDDEN,
            "%.100s is neither this machine nor listed by --webhook-host; nothing was asked",
            t->host);
    return t->host[0] == '[' ? 0 : resolve(t, err);
}

struct answer {
    size_t bytes;
};

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
    struct answer *answer = arg;
    (void)bytes;
    answer->bytes += one * n;
    return answer->bytes <= ANSWER_BYTES ? one * n : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static struct curl_slist *headers_of(const json_t *request)
{
    char signature[200];
    const char *hex = text_of(request, "signature");
    snprintf(signature, sizeof signature, "v1=%.160s", hex != NULL ? hex : "");
    struct curl_slist *lines = transfer_line(NULL, "Content-Type: ", "application/json");
    lines = transfer_line(lines, "Ablate-Delivery: ", text_of(request, "delivery"));
    lines = transfer_line(lines, "Ablate-Timestamp: ", text_of(request, "second"));
    lines = transfer_line(lines, "Ablate-Signature: ", signature);
    return transfer_line(lines, "Expect:", "");
}

static void set_all(CURL *easy, const struct target *t, const char *body, struct answer *answer,
                    struct curl_slist *lines, struct curl_slist *pins)
{
    transfer_rules(easy, true);
    curl_easy_setopt(easy, CURLOPT_URL, t->url);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)DELIVER_S);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, pins);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

/* What was answered in time counts, even if the answer then has no end. */
static int ask(const struct target *t, const json_t *request, struct err *err)
{
    struct answer answer = { 0 };
    const char *body = text_of(request, "body");
    long status = 0;
    CURL *easy = curl_easy_init();
    struct curl_slist *lines = headers_of(request);
    struct curl_slist *pins = t->pin.len > 0 ? curl_slist_append(NULL, t->pin.data) : NULL;
    if (easy == NULL || body == NULL || lines == NULL || (t->pin.len > 0 && pins == NULL)) {
        err_no_memory(err, "the webhook");
    } else {
        set_all(easy, t, body, &answer, lines, pins);
        CURLcode code = curl_easy_perform(easy);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status >= 300 && status < 400)
            err_set(err, ERR_UNAVAILABLE,
                    "%s:%s answers with a redirect (%ld), which is not followed", t->host, t->port,
                    status);
        else if (status >= 400)
            err_set(err, ERR_UNAVAILABLE, "%s:%s answers %ld", t->host, t->port, status);
        else if (status < 200)
            err_set(err, ERR_UNAVAILABLE, "%s:%s: %s", t->host, t->port, curl_easy_strerror(code));
    }
    curl_slist_free_all(lines);
    curl_slist_free_all(pins);
    curl_easy_cleanup(easy);
    return status >= 200 && status < 300 ? 0 : -err->code;
}

static int read_request(json_t **ret, struct err *err)
{
    static char text[REQUEST_BYTES];
    size_t len = fread(text, 1, sizeof text, stdin);
    if (len == sizeof text)
        return err_set(err, ERR_TOO_LARGE, "a notice is too long");
    return jsonx_load(text, len, ret, err);
}

int deliver_main(void)
{
    struct target target = { 0 };
    struct err err = { 0 };
    json_t *request = NULL;
    alarm(2 * DELIVER_S); /* a resolver has a patience of its own */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_exit_status(ERR_NO_MEMORY);
    buf_init(&target.pin, 4096);
    int status = read_request(&request, &err);
    if (status == 0)
        status =
            take_target(text_of(request, "url"), json_object_get(request, "hosts"), &target, &err);
    if (status == 0)
        status = ask(&target, request, &err);
    if (status != 0)
        say_aside("%s", err.message);
    target_done(&target);
    json_decref(request);
    curl_global_cleanup();
    return err_exit_status(status);
}
