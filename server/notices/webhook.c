/* The body is made by the writer's thread, its signature on the pool, anew for each attempt, since it
 * covers the time. */
#include "server/notices/webhook.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/files.h"
#include "common/json/jsonx.h"
#include "common/json/jsonx_dump.h"
#include "server/base/random.h"
#include "server/data/datadir.h"
#include "server/objects/objects.h"
#include "server/store/runs/store_experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRET_MIN = 16, SECRET_MAX = 4096 };

int webhook_body(struct store *store, const struct notice *notice, char delivery[WEBHOOK_DELIVERY],
                 char **ret, struct err *err)
{
    struct experiment_row row = { 0 };
    struct store_identity identity;
    int status = store_experiment_get(store, notice->experiment, &row, err);
    if (status == -ERR_NOT_FOUND) { /* deleted meanwhile: there is nothing to show of it */
        *ret = NULL;
        return 0;
    }
    if (status == 0)
        status = store_identity(store, &identity, err);
    if (status == 0) {
        json_t *shown = objects_experiment(&row);
        json_object_del(shown, "spec");
        snprintf(delivery, WEBHOOK_DELIVERY, "%.8s-%lld", identity.id, (long long)notice->id);
        json_t *body =
            json_pack("{s:s,s:s,s:o,s:o}", "type", "experiment.ended", "delivery", delivery,
                      "ended_at", objects_time(notice->ended_at), "experiment", shown);
        char *text = jsonx_text(body, JSONX_KEEP_ORDER);
        json_decref(body);
        if (text != NULL)
            *ret = text;
        else
            status = err_no_memory(err, "a notice");
    }
    experiment_row_done(&row);
    return status;
}

/* The secret's bytes, without the line feed at the end. Errors: as files_read; BAD_DATA. */
static int read_secret(const char *path, char **ret, size_t *ret_len, struct err *err)
{
    size_t len = 0;
    int status = files_read(path, SECRET_MAX, ret, &len, err);
    while (status == 0 && len > 0 && ((*ret)[len - 1] == '\n' || (*ret)[len - 1] == '\r'))
        len--;
    if (status == 0 && len < SECRET_MIN) {
        free(*ret);
        *ret = NULL;
        status = err_set(err, ERR_BAD_DATA, "the webhook's secret in %s is shorter than %d bytes",
                         path, SECRET_MIN);
    }
    *ret_len = len;
    return status;
}

/* HMAC-SHA256 over the second, a point and the body, with the secret's bytes as they are. */
static void sign(const char *secret, size_t len, long long second, const char *body,
                 char ret[2 * DIGEST_BYTES + 1])
{
    struct buf text;
    uint8_t bytes[DIGEST_BYTES] = { 0 };
    buf_init(&text, 0);
    buf_addf(&text, "%lld.%s", second, body);
    if (!text.failed)
        digest_hmac(secret, len, text.data, text.len, bytes);
    digest_hex(bytes, sizeof bytes, ret);
    buf_done(&text);
}

char *webhook_request(const struct options *options, const char *secret_path, const char *delivery,
                      const char *body, struct err *err)
{
    char signature[2 * DIGEST_BYTES + 1], second[24], *secret = NULL;
    size_t len = 0;
    if (read_secret(secret_path, &secret, &len, err) != 0)
        return NULL;
    snprintf(second, sizeof second, "%lld", (long long)(clock_wall_ms() / 1000));
    sign(secret, len, clock_wall_ms() / 1000, body, signature);
    explicit_bzero(secret, len);
    free(secret);
    json_t *hosts = json_array();
    for (size_t i = 0; i < options->webhook_hosts_n; i++)
        json_array_append_new(hosts, json_string(options->webhook_hosts[i]));
    json_t *request =
        json_pack("{s:s,s:o,s:s,s:s,s:s,s:s}", "url", options->webhook, "hosts", hosts, "delivery",
                  delivery, "second", second, "signature", signature, "body", body);
    char *text = jsonx_text(request, JSONX_KEEP_ORDER);
    json_decref(request);
    if (text == NULL)
        err_no_memory(err, "a notice");
    return text;
}

int webhook_secret(const struct options *options, const struct datadir *datadir, char ret[PATH_MAX],
                   struct err *err)
{
    char secret[2 * DIGEST_BYTES + 2], *text = NULL;
    size_t len = 0;
    if (options->webhook_secret[0] != '\0')
        snprintf(ret, PATH_MAX, "%s", options->webhook_secret);
    else
        datadir_path(datadir, ret, "webhook.key");
    int status = read_secret(ret, &text, &len, err);
    if (status == -ERR_NOT_FOUND && options->webhook_secret[0] == '\0') {
        random_hex(DIGEST_BYTES, secret);
        secret[2 * DIGEST_BYTES] = '\n';
        status = files_write(ret, secret, sizeof secret - 1, 0600, err);
    }
    free(text);
    return status;
}
