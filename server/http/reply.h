/* reply: what is sent back.
 *
 * A reply starts as 200 with an empty JSON object. Security headers, Content-Length, ETag and
 * no-store are added by the http layer, in one place.
 */
#ifndef ABLATE_SERVER_REPLY_H
#define ABLATE_SERVER_REPLY_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
enum {
    REPLY_HEADERS = 8,
    REPLY_MAX = 64 << 20,     /* bytes of any body that is made at once, as they are sent */
    REPLY_LIST_MAX = 8 << 20, /* of a page of a list: what is beyond is the next page's */
};

/* A body made while it is sent (SSE, exports). read: fills up to max bytes, returns the count, 0 =
 * nothing now (the connection sleeps until request_wake), REPLY_END, or REPLY_BROKEN: the client shall
 * see that it hasn't got all. closed: the connection is gone; frees the source. A `whole` source has
 * an end of its own: it is broken off when the daemon ends, and its client must keep up as one of a
 * file must. beat (may be NULL): gives it something to send, which a peer that has gone answers with
 * a reset. */
enum { REPLY_END = -1, REPLY_BROKEN = -2 };
struct reply_source {
    long (*read)(void *source, char *to, size_t max);
    void (*closed)(void *source);
    void *source;
    bool whole;
    void (*beat)(void *source);
};

struct reply {
    int status;
    const char *content_type; /* static */
    json_t *json;             /* owned; becomes the body, when that is empty */
    struct buf body;          /* bytes that are ready, REPLY_MAX at most */
    char *file; /* owned path: the body is this file, read on the pool while it is sent */
    bool gzip;  /* the body is packed, or what the source gives is */
    int fd;     /* owned; ≥ 0: in place of `file`, one that has no name any more */
    struct reply_source source;
    struct {
        const char *name;
        char value[400];
    } headers[REPLY_HEADERS];
    size_t headers_n;
};

void reply_init(struct reply *reply);
void reply_done(struct reply *reply);
/* Sets status and steals json, which may be NULL when memory ran out for it (reply_write tells);
 * `as_of` ≥ 0 is added to it (to objects). */
void reply_json(struct reply *reply, int status, json_t *take_json, int64_t as_of);
/* A list whose items become bytes one by one, so that no tree of all of them ever stands. add:
 * false when the page is full and take_item isn't in it (the first one always is); the token, NULL
 * on the last page, is to begin the next page with it. */
void reply_list_begin(struct reply *reply);
bool reply_list_add(struct reply *reply, json_t *take_item);
void reply_list_end(struct reply *reply, const char *next_page_token, int64_t as_of);
/* The body is these bytes, also when they have failed. */
void reply_take(struct reply *reply, struct buf *take_body);
/* Turns the JSON, if there is any, into the body, and lets go of it. Any thread. Errors:
 * BAD_PARAMETER when the body, also one that was there, is more than REPLY_MAX; NO_MEMORY. */
int reply_write(struct reply *reply, struct err *err);
/* Packs the body, if it is large enough and of a type for that, and gets shorter by it. Takes milliseconds:
 * not on the loop's thread. */
void reply_pack(struct reply *reply);
/* Whether reply_pack may do something: the bytes are there. */
bool reply_packs(const struct reply *reply);
void reply_header(struct reply *reply, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of a header of this reply; NULL when it has none of that name. */
const char *reply_header_value(const struct reply *reply, const char *name);
/* Whether an If-None-Match header ("" = none) names this tag, weak or strong, as it is or as it is of a packed
 * reply (the tag with -gzip at its end), or any (RFC 9110, 13.1.2). */
bool reply_tag_known(const char *if_none_match, const char *tag);
/* Makes a problem document (RFC 9457) of err: type, title, status, detail, code, pointer. */
void reply_problem(struct reply *reply, const struct err *err);

#endif
