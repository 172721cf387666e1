/* The table of the codes that are counted, and the window of a minute in which few are logged. */
#include "server/http/refusals.h"

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/log.h"

static const enum err_code kinds[REFUSAL_KINDS] = {
    ERR_BAD_REQUEST, ERR_URI_TOO_LONG,         ERR_HEADERS_TOO_LARGE,   ERR_TOO_LARGE,
    ERR_MISDIRECTED, ERR_UNAUTHORIZED,         ERR_INSUFFICIENT_ACCESS, ERR_FORBIDDEN,
    ERR_TOO_SLOW,    ERR_TOO_MANY_CONNECTIONS,
};

void refusals_sum_up(struct refusals *refusals)
{
    int64_t now = clock_mono_ms();
    if (now - refusals->window_ms < REFUSALS_WINDOW_MS)
        return;
    refusals->window_ms = now;
    for (size_t i = 0; i < REFUSAL_KINDS; i++) {
        if (refusals->of[i].hidden > 0)
            log_write(LOG_WARN, &(struct log_about){ .code = err_name((int)kinds[i]) },
                      "refused: %u more", refusals->of[i].hidden);
        refusals->of[i].shown = refusals->of[i].hidden = 0;
    }
}

void refusals_note(struct refusals *refusals, int code, const char *client, const char *what)
{
    size_t i = 0;
    while (i < REFUSAL_KINDS && (int)kinds[i] != code)
        i++;
    if (i == REFUSAL_KINDS)
        return;
    refusals_sum_up(refusals);
    refusals->of[i].n++;
    if (refusals->of[i].shown++ < REFUSALS_SHOWN)
        log_write(LOG_WARN, &(struct log_about){ .code = err_name(code), .client = client },
                  "refused: %s", what);
    else
        refusals->of[i].hidden++;
}

bool refusals_get(const struct refusals *refusals, size_t i, const char **ret_reason,
                  uint64_t *ret_n)
{
    if (i >= REFUSAL_KINDS)
        return false;
    *ret_reason = err_name((int)kinds[i]);
    *ret_n = refusals->of[i].n;
    return true;
}
