/* How requests end when the daemon does. Replies that are being made are awaited: the work for them
 * is bounded, and knows that the daemon ends, uploads too. A request that waits for something is
 * answered as things stand; event streams are over. But a client may read a file as slowly as it
 * likes, so replies that are being sent have a second, and are then cut off: their clients got less
 * than Content-Length says. */

#include "server/http/exchange/exchange_ending.h"

#include "common/base/log.h"
#include "server/http/exchange/exchange_sending.h"

enum { TURNS = 200 };

void exchanges_end(struct exchanges *all)
{
    for (struct exchange *x = all->first; x != NULL; x = x->next) {
        sending_wake(x);
        if (x->waits)
            x->req.endpoint->waiting->given_up(&x->req);
    }
}

static void count(const struct exchanges *all, size_t *ret_n, bool *ret_working)
{
    *ret_n = 0;
    *ret_working = false;
    for (const struct exchange *x = all->first; x != NULL; x = x->next) {
        (*ret_n)++;
        *ret_working |= x->state == EXCHANGE_WORKING;
    }
}

bool exchanges_have_ended(struct exchanges *all)
{
    size_t n;
    bool working;
    count(all, &n, &working);
    if (!working && !all->cut && all->turns++ == TURNS) {
        all->cut = true;
        if (n > 0)
            log_warn("%zu replies that are still being sent are cut off", n);
    }
    return all->waiting == 0 && all->resumed == NULL && (n == 0 || all->cut);
}
