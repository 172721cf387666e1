/* store_notices: the ends of experiments that somebody is to be told of, and how far that has come.
 *
 * An attempt is counted, and the next one planned, before it is made: whatever becomes of it, a
 * notice that nobody has settled is tried again, and no more often than its attempts allow.
 */
#ifndef ABLATE_SERVER_STORE_NOTICES_H
#define ABLATE_SERVER_STORE_NOTICES_H

#include "server/store/store.h"

enum notice_channel { NOTICE_COMMAND, NOTICE_WEBHOOK, NOTICE_CHANNELS };
extern const char *const notice_channels[NOTICE_CHANNELS];

struct notice {
    int64_t id; /* 0 = there is none */
    int64_t experiment, ended_at;
    int64_t attempts; /* the one that is made now is counted */
    int64_t next_at;  /* of a row that isn't due yet; 0 = there is no row */
};

/* The experiment has ended now; an end that is known already makes no other row. */
int store_notice_add(struct store *store, int64_t experiment, enum notice_channel channel,
                     struct err *err);
/* The one that is due first at now_ms, if any: ret->id is 0 when none is, and ret->next_at says when
 * one will be. It isn't due again before `again_ms` have passed since now. A time further ahead
 * than NOTICE_HORIZON_MS was made by a clock that has been set back, and is due. */
enum { NOTICE_HORIZON_MS = 24 * 3600 * 1000 };
int store_notice_claim(struct store *store, enum notice_channel channel, int64_t now_ms,
                       int64_t again_ms, struct notice *ret, struct err *err);
/* For a daemon that begins: nothing is being told, so all that waits is due at now_ms. */
int store_notices_hurry(struct store *store, enum notice_channel channel, int64_t now_ms,
                        struct err *err);
/* What came of an attempt, and when to try again (0: it is over). */
int store_notice_settle(struct store *store, int64_t id, int64_t next_at, const char *outcome,
                        struct err *err);

#endif
