/* What can be set: a row an option, and how its text is read. */
#include "server/base/options_fields.h"

#include "common/base/log.h"
#include "server/base/machine.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a host with its port. */
static const char url_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";

int options_take_path(char *to, const char *name, const char *text, struct err *err)
{
    if (text[0] == '\0' || strlen(text) >= PATH_MAX)
        return err_set(err, ERR_USAGE, "--%s needs a path", name);
    snprintf(to, PATH_MAX, "%s", text);
    return 0;
}

static int set_data(struct options *o, const char *text, struct err *err)
{
    return options_take_path(o->data, "data", text, err);
}

static int set_worker(struct options *o, const char *text, struct err *err)
{
    return options_take_path(o->worker, "worker", text, err);
}

static int take_integer(const char *name, const char *text, int64_t min, int64_t max, int64_t *to,
                        struct err *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max)
        return err_set(err, ERR_USAGE, "--%s must be an integer from %lld to %lld, not \"%.60s\"",
                       name, (long long)min, (long long)max, text);
    *to = value;
    return 0;
}

static int take_bytes(const char *name, const char *text, int64_t *to, struct err *err)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) : NULL;
    int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
    if (end == text || errno != 0 || value < 1 ||
        (*end != '\0' && (unit == NULL || end[1] != '\0')) || value > INT64_MAX >> shift)
        return err_set(err, ERR_USAGE,
                       "--%s must be a number of bytes such as 4G (K, M, G, T), not \"%.60s\"",
                       name, text);
    *to = (int64_t)value << shift;
    return 0;
}

static int set_listen(struct options *o, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    int64_t port = 0;
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (len == 9 && strncmp(text, "localhost", 9) == 0) {
        text = "127.0.0.1";
    }
    struct in6_addr ignored;
    if (len == 0 || len >= sizeof o->host)
        return err_set(err, ERR_USAGE, "--listen must be ADDRESS:PORT, such as 127.0.0.1:8642");
    snprintf(o->host, sizeof o->host, "%.*s", (int)len, text);
    if (inet_pton(AF_INET, o->host, &ignored) != 1 && inet_pton(AF_INET6, o->host, &ignored) != 1)
        return err_set(err, ERR_USAGE, "--listen needs an IP address, not \"%s\"", o->host);
    int status = take_integer("listen", colon + 1, 0, 65535, &port, err);
    o->port = (int)port;
    return status;
}

static int set_slots(struct options *o, const char *text, struct err *err)
{
    return take_integer("slots", text, 1, 1024, &o->slots, err);
}

static int set_memory(struct options *o, const char *text, struct err *err)
{
    return take_bytes("memory", text, &o->memory_bytes, err);
}

static int set_connections(struct options *o, const char *text, struct err *err)
{
    return take_integer("connections", text, 1, 65536, &o->limits.connections, err);
}

static int set_per_address(struct options *o, const char *text, struct err *err)
{
    return take_integer("connections-per-address", text, 1, 65536,
                        &o->limits.connections_per_address, err);
}

static int set_header_limit(struct options *o, const char *text, struct err *err)
{
    int64_t bytes = 0;
    int status = take_bytes("header-limit", text, &bytes, err);
    if (status == 0 && (bytes < 1024 || bytes > 65536))
        status = err_set(err, ERR_USAGE, "--header-limit must be from 1K to 64K, not %s", text);
    if (status == 0)
        o->limits.header_bytes = bytes;
    return status;
}

static int set_header_time(struct options *o, const char *text, struct err *err)
{
    return take_integer("header-time", text, 1, 3600, &o->limits.header_s, err);
}

static int set_body_time(struct options *o, const char *text, struct err *err)
{
    return take_integer("body-time", text, 1, 3600, &o->limits.body_s, err);
}

static int set_upload_time(struct options *o, const char *text, struct err *err)
{
    return take_integer("upload-time", text, 1, 86400, &o->limits.upload_s, err);
}

static int set_upload_limit(struct options *o, const char *text, struct err *err)
{
    return take_bytes("upload-limit", text, &o->upload_limit, err);
}

static int take_days(const char *name, const char *text, int64_t *to, struct err *err)
{
    enum { DAY_MS = 86400000 };
    int64_t days = 0;
    if (strcmp(text, "forever") == 0) {
        *to = INT64_MAX;
        return 0;
    }
    if (take_integer(name, text, 0, 36500, &days, NULL) != 0)
        return err_set(err, ERR_USAGE, "--%s must be days, 0 to 36500, or forever, not \"%.60s\"",
                       name, text);
    *to = days * DAY_MS;
    return 0;
}

static int set_keep_deleted(struct options *o, const char *text, struct err *err)
{
    return take_days("keep-deleted", text, &o->keep_deleted_ms, err);
}

static int set_keep_events(struct options *o, const char *text, struct err *err)
{
    return take_days("keep-events", text, &o->keep_events_ms, err);
}

static int set_keep_checkpoints(struct options *o, const char *text, struct err *err)
{
    return take_days("keep-checkpoints", text, &o->keep_checkpoints_ms, err);
}

static int set_ballast(struct options *o, const char *text, struct err *err)
{
    o->ballast_bytes = 0;
    return strcmp(text, "0") == 0 ? 0 : take_bytes("ballast", text, &o->ballast_bytes, err);
}

static int set_log_level(struct options *o, const char *text, struct err *err)
{
    for (int i = 0; log_level_names[i] != NULL; i++)
        if (strcmp(text, log_level_names[i]) == 0) {
            o->log_level = i;
            return 0;
        }
    return err_set(err, ERR_USAGE, "--log-level must be debug, info, warn or error, not \"%.60s\"",
                   text);
}

static int take_flag(const char *name, const char *text, bool *to, struct err *err)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return err_set(err, ERR_USAGE, "%s must be true or false, not \"%.60s\"", name, text);
    *to = strcmp(text, "true") == 0;
    return 0;
}

static int set_lease(struct options *o, const char *text, struct err *err)
{
    int64_t seconds = 0;
    int status = take_integer("lease", text, 10, 86400, &seconds, err);
    if (status == 0)
        o->lease_ms = seconds * 1000;
    return status;
}

static int set_stop_workers(struct options *o, const char *text, struct err *err)
{
    return take_flag("stop-workers", text, &o->stop_workers, err);
}

static int set_no_auth(struct options *o, const char *text, struct err *err)
{
    return take_flag("no-auth", text, &o->no_auth, err);
}

/* Replaces what stood there before, so that the command line wins over the file. */
static int set_trusted_proxy(struct options *o, const char *text, struct err *err)
{
    size_t n = 0;
    for (const char *at = text; at != NULL; at = strchr(at, ',')) {
        char one[64];
        at += *at == ',';
        at += strspn(at, " ");
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, ","), at);
        if (n == OPTIONS_PROXIES)
            return err_set(err, ERR_USAGE, "--trusted-proxy takes at most %d addresses",
                           OPTIONS_PROXIES);
        if (!network_parse(one, &o->proxies[n++]))
            return err_set(err, ERR_USAGE,
                           "--trusted-proxy must be addresses or networks such as "
                           "127.0.0.1,10.0.0.0/8, not \"%.60s\"",
                           text);
    }
    o->proxies_n = n;
    return 0;
}

static int take_kind(const char *name, const char *text, enum access *to, struct err *err)
{
    enum access kind = access_of(text);
    if (kind == ACCESS_PUBLIC)
        return err_set(err, ERR_USAGE, "--%s must be read, submit or admin, not \"%.60s\"", name,
                       text);
    *to = kind;
    return 0;
}

static int set_access(struct options *o, const char *text, struct err *err)
{
    return take_kind("access", text, &o->access, err);
}

static int set_rotate(struct options *o, const char *text, struct err *err)
{
    o->rotate_all = strcmp(text, "all") == 0;
    return o->rotate_all ? 0 : take_kind("rotate", text, &o->rotate, err);
}

/* Browsers leave it out of Host and Origin. */
static void drop_default_port(char *url)
{
    static const struct {
        const char *scheme, *port;
    } rows[] = { { "http://", ":80" }, { "https://", ":443" } };
    size_t len = strlen(url);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t port = strlen(rows[i].port);
        if (strncmp(url, rows[i].scheme, strlen(rows[i].scheme)) == 0 && len > port &&
            strcmp(url + len - port, rows[i].port) == 0)
            url[len - port] = '\0';
    }
}

/* "/ablate/" or "/user/me/proxy/8642": plain segments, since it is compared as it stands. */
static int take_public_path(struct options *o, const char *path, struct err *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~@-";
    size_t len = strlen(path);
    len -= len > 0 && path[len - 1] == '/';
    bool fits = len < sizeof o->public_path;
    for (size_t at = 0, n; at < len && fits; at += n) {
        n = 1 + strspn(path + at + 1, plain);
        fits = path[at] == '/' && n > 1 && strncmp(path + at, "/./", 3) != 0 &&
               (path[at + 1] != '.' || strspn(path + at + 1, ".") + 1 < n);
    }
    if (!fits)
        return err_set(err, ERR_USAGE,
                       "--public-url's path must be of letters, digits and . _ ~ @ -, and of at "
                       "most %zu, such as /ablate/, not \"%.60s\"",
                       sizeof o->public_path - 1, path);
    snprintf(o->public_path, sizeof o->public_path, "%.*s", (int)len, path);
    return 0;
}

static int set_public_url(struct options *o, const char *text, struct err *err)
{
    const char *host = strstr(text, "://");
    if ((strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0) ||
        strlen(text) >= sizeof o->public_url || host[3] == '\0' || host[3] == '/')
        return err_set(err, ERR_USAGE,
                       "--public-url must be a URL such as https://ablate.example, not \"%.60s\"",
                       text);
    size_t origin = (size_t)(host + 3 - text) + strcspn(host + 3, "/");
    snprintf(o->public_url, sizeof o->public_url, "%.*s", (int)origin, text);
    const char *name = o->public_url + (host + 3 - text);
    if (strspn(name, url_characters) != strlen(name))
        return err_set(err, ERR_USAGE,
                       "--public-url is scheme, name, port and perhaps a path, not \"%.60s\"",
                       text);
    drop_default_port(o->public_url);
    return take_public_path(o, text + origin, err);
}

static int set_on_end(struct options *o, const char *text, struct err *err)
{
    int status = options_take_path(o->on_end, "on-end", text, err);
    if (status == 0 && text[0] != '/')
        status =
            err_set(err, ERR_USAGE,
                    "--on-end must be a program's whole path, such as /usr/local/bin/tell, not "
                    "\"%.60s\": no shell takes it apart",
                    text);
    return status;
}

static int set_webhook_secret(struct options *o, const char *text, struct err *err)
{
    return options_take_path(o->webhook_secret, "webhook-secret-file", text, err);
}

/* Who is asked is decided by the program that asks (client/deliver.c), by a URL that libcurl took
 * apart; this only refuses at the start what it would refuse every time. */
static int set_webhook(struct options *o, const char *text, struct err *err)
{
    const char *host = strstr(text, "://");
    bool http = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    bool fits = http && strlen(text) < sizeof o->webhook && host[3] != '\0' && host[3] != '/' &&
                strpbrk(host, "@ #\\") == NULL;
    for (const char *c = text; fits && *c != '\0'; c++)
        fits = *c > ' ' && *c < 0x7f;
    if (!fits)
        return err_set(
            err, ERR_USAGE,
            "--webhook must be a URL such as http://127.0.0.1:9000/ended, without a name "
            "and password, not \"%.60s\"",
            text);
    snprintf(o->webhook, sizeof o->webhook, "%s", text);
    return 0;
}

/* Replaces what stood there before, as --trusted-proxy does. */
static int set_webhook_host(struct options *o, const char *text, struct err *err)
{
    size_t n = 0;
    for (const char *at = text; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        at += strspn(at, " ");
        size_t len = strcspn(at, ",");
        while (len > 0 && at[len - 1] == ' ')
            len--;
        if (n == OPTIONS_HOSTS)
            return err_set(err, ERR_USAGE, "--webhook-host takes at most %d names", OPTIONS_HOSTS);
        if (len == 0 || len >= sizeof *o->webhook_hosts || strspn(at, url_characters) < len)
            return err_set(
                err, ERR_USAGE,
                "--webhook-host must be names or addresses such as hooks.example,10.0.0.7, "
                "not \"%.60s\"",
                text);
        snprintf(o->webhook_hosts[n++], sizeof *o->webhook_hosts, "%.*s", (int)len, at);
    }
    o->webhook_hosts_n = n;
    return 0;
}

const struct option_row option_rows[] = {
    { "data", "DIR", "data folder; created when missing (needed)", set_data },
    { "listen", "ADDRESS:PORT", "where to listen; port 0 takes a free one (127.0.0.1:8642)",
      set_listen },
    { "slots", "N", "runs at a time (one a core)", set_slots },
    { "memory", "BYTES", "what the runs' estimates may add up to, e.g. 16G (80 % of the machine)",
      set_memory },
    { "lease", "S", "seconds without a word of a worker before it is killed, 10 or more (120)",
      set_lease },
    { "stop-workers", NULL, "at SIGTERM, let runs leave a checkpoint and stop; else they train on",
      set_stop_workers },
    { "config", "FILE", "file of settings, a line each: name = value", options_read_file },
    { "log-level", "L", "debug, info, warn or error (info)", set_log_level },
    { "no-auth", NULL, "let anybody in; on loopback only, and without --public-url", set_no_auth },
    { "public-url", "URL", "how browsers reach the daemon behind a proxy", set_public_url },
    { "trusted-proxy", "ADDRESSES", "whose X-Forwarded-For is believed, e.g. 127.0.0.1,10.0.0.0/8",
      set_trusted_proxy },
    { "connections", "N", "open at a time (what the descriptors allow)", set_connections },
    { "connections-per-address", "N", "loopback and trusted proxies aside (64); IPv6 counts by /64",
      set_per_address },
    { "header-limit", "BYTES", "request line and header, 1K to 64K (16K)", set_header_limit },
    { "header-time", "S", "seconds that a request's header may take (20)", set_header_time },
    { "body-time", "S", "seconds that its body may take (30)", set_body_time },
    { "upload-time", "S", "seconds that a corpus may take (3600)", set_upload_time },
    { "upload-limit", "BYTES", "largest corpus that is taken (1G)", set_upload_limit },
    { "ballast", "BYTES", "room that is held for when the disk is full; 0: none (32M)",
      set_ballast },
    { "keep-deleted", "DAYS", "before deleted experiments are purged; forever: never (30)",
      set_keep_deleted },
    { "keep-events", "DAYS",
      "before the events files of ended runs, which are stored, are cut to their logs (7)",
      set_keep_events },
    { "keep-checkpoints", "DAYS",
      "before the checkpoints of ended runs go; one that is retried then begins anew (7)",
      set_keep_checkpoints },
    { "worker", "FILE", "the ablate-worker program (the one beside this, or in PATH)", set_worker },
    { "on-end", "PROGRAM",
      "started with the id of each experiment that ends; a whole path, no shell (nothing)",
      set_on_end },
    { "webhook", "URL", "is told of each experiment that ends, signed (nobody)", set_webhook },
    { "webhook-secret-file", "FILE", "what signs it, 16 bytes or more (webhook.key in the folder)",
      set_webhook_secret },
    { "webhook-host", "NAMES", "whom --webhook may name beside this machine, with commas between",
      set_webhook_host },
    { "access", "KIND", "with link: read, submit or admin (admin)", set_access },
    { "rotate", "KIND", "with token: make the read, submit or admin token anew, or all",
      set_rotate },
};
const size_t option_rows_n = sizeof option_rows / sizeof *option_rows;

const struct option_row *option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < option_rows_n; i++)
        if (strlen(option_rows[i].name) == len && memcmp(option_rows[i].name, name, len) == 0)
            return &option_rows[i];
    return NULL;
}

void options_default(struct options *ret)
{
    *ret = (struct options){ .host = "127.0.0.1", .port = 8642, .log_level = LOG_INFO };
    ret->slots = machine_cores();
    ret->lease_ms = 120000;
    ret->memory_bytes = machine_memory() / 5 * 4;
    ret->upload_limit = 1 << 30;
    ret->limits = (struct limits){ .connections_per_address = 64,
                                   .header_bytes = 16384,
                                   .header_s = 20,
                                   .body_s = 30,
                                   .upload_s = 3600 };
    ret->access = ACCESS_ADMIN;
    ret->ballast_bytes = 32 << 20;
    take_days("keep-deleted", "30", &ret->keep_deleted_ms, NULL);
    take_days("keep-events", "7", &ret->keep_events_ms, NULL);
    take_days("keep-checkpoints", "7", &ret->keep_checkpoints_ms, NULL);
    machine_find_program("ablate-worker", ret->worker);
}
