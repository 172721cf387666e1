/* One table, one row at a time. */
#include "server/store/runs/store_notices.h"

#include "common/base/clock.h"
#include "server/store/store_priv.h"
#include "server/store/store_rows.h"

const char *const notice_channels[NOTICE_CHANNELS] = { "command", "webhook" };

int store_notice_add(struct store *store, int64_t experiment, enum notice_channel channel,
                     struct err *err)
{
    return store_run_sql(store, SQL_NOTICE_ADD, NULL, err, "iti", experiment,
                         notice_channels[channel], clock_wall_ms());
}

int store_notice_claim(struct store *store, enum notice_channel channel, int64_t now_ms,
                       int64_t again_ms, struct notice *ret, struct err *err)
{
    struct notice notice = { 0 };
    sqlite3_stmt *s = NULL;
    int status = store_first(store, SQL_NOTICE_NEXT, &s, err, "t", notice_channels[channel]);
    if (status < 0)
        return status;
    if (status > 0) {
        notice = (struct notice){ .id = sqlite3_column_int64(s, 0),
                                  .experiment = sqlite3_column_int64(s, 1),
                                  .ended_at = sqlite3_column_int64(s, 2),
                                  .attempts = sqlite3_column_int64(s, 3) + 1,
                                  .next_at = sqlite3_column_int64(s, 4) };
        sqlite3_reset(s);
    }
    status = 0;
    if (notice.next_at > now_ms && notice.next_at < now_ms + NOTICE_HORIZON_MS)
        notice.id = 0;
    if (notice.id != 0)
        status =
            store_run_sql(store, SQL_NOTICE_CLAIM, NULL, err, "ii", notice.id, now_ms + again_ms);
    if (status == 0)
        *ret = notice;
    return status;
}

int store_notices_hurry(struct store *store, enum notice_channel channel, int64_t now_ms,
                        struct err *err)
{
    return store_run_sql(store, SQL_NOTICE_HURRY, NULL, err, "ti", notice_channels[channel],
                         now_ms);
}

int store_notice_settle(struct store *store, int64_t id, int64_t next_at, const char *outcome,
                        struct err *err)
{
    return store_run_sql(store, SQL_NOTICE_SETTLE, NULL, err, "iit", id, next_at, outcome);
}
