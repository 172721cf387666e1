/* times: what a person writes for a time (ISO 8601). */
#ifndef ABLATE_SERVER_FILTER_TIMES_H
#define ABLATE_SERVER_FILTER_TIMES_H

#include <stdbool.h>
#include <stdint.h>

/* 2026-01-31, 2026-01-31T09, …T09:05, …T09:05:30, …T09:05:30.250, a space in the place of T, each
 * time of day with Z, +02:00, +0200 or +02 behind it; without, it is UTC. What is named is the span
 * [from, to) in ms since 1970: a day, an hour, a minute … or one ms. false: it is no such time, or
 * one before 1970 or after 9999. */
bool filter_time(const char *text, int64_t *ret_from, int64_t *ret_to);

#endif
