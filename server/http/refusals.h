/* refusals: requests that the http layer turned away, counted and logged by the problem's code. The
 * log shows the first few of a kind in a minute, then how many more there were; it never holds what
 * a caller sent as a token, cookie or code.
 */
#ifndef ABLATE_SERVER_REFUSALS_H
#define ABLATE_SERVER_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFUSAL_KINDS = 10, REFUSALS_SHOWN = 10, REFUSALS_WINDOW_MS = 60000 };

struct refusals {
    struct {
        uint64_t n;
        unsigned shown, hidden; /* in this minute */
    } of[REFUSAL_KINDS];
    int64_t window_ms; /* when it began */
};

/* Counts and logs a refusal with this error code; nothing when it isn't of a kind that is counted.
 * what: "GET /path", without its query, which may hold anything. */
void refusals_note(struct refusals *refusals, int code, const char *client, const char *what);
/* Says what was left out of the log once the minute is over; to be called now and then. */
void refusals_sum_up(struct refusals *refusals);
/* The i-th kind's name and count; false behind the last. */
bool refusals_get(const struct refusals *refusals, size_t i, const char **ret_reason,
                  uint64_t *ret_n);

#endif
