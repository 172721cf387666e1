/* clock: the one source of time, so that a test can move it.
 *
 * Wall time is for people (created_at, expiry); durations, leases and deadlines use the monotonic
 * clock, which no administrator can set back.
 */
#ifndef ABLATE_COMMON_CLOCK_H
#define ABLATE_COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01 UTC */
int64_t clock_mono_ms(void); /* milliseconds since an arbitrary start; never goes back */
double clock_mono_s(void);   /* the same in seconds, nanosecond resolution */
void clock_shift(int64_t wall_ms, int64_t mono_ms); /* for tests: adds to both clocks from now on */

enum { CLOCK_ISO_BYTES = 25 };
/* Writes wall_ms as ISO 8601 UTC with milliseconds, e.g. 2026-01-31T09:05:00.250Z. */
void clock_iso(int64_t wall_ms, char ret[CLOCK_ISO_BYTES]);
/* Writes wall_ms as HTTP has it (RFC 9110, 5.6.7), e.g. Sat, 31 Jan 2026 09:05:00 GMT. */
enum { CLOCK_HTTP_BYTES = 30 };
void clock_http(int64_t wall_ms, char ret[CLOCK_HTTP_BYTES]);

#endif
