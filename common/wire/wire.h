/* wire: the protocol between a trainer and the daemon, NDJSON, protocol 1 (schema/wire.md).
 *
 * A line is one JSON object with a "type" and at most WIRE_LINE_MAX bytes, newline included. Events
 * (started … failed) carry "seq", from 1, without gaps within an attempt; hello, welcome,
 * heartbeat, ack and stop don't. The same lines stand in the attempt's events.ndjson, which is the
 * log; the socket is only its fast path.
 */
#ifndef ABLATE_COMMON_WIRE_H
#define ABLATE_COMMON_WIRE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>
#include <stdint.h>

enum { WIRE_PROTOCOL = 1, WIRE_LINE_MAX = 1 << 20, WIRE_TOKEN_BYTES = 65 };

/* clang-format off */
/*  symbol       name          event? */
#define WIRE_TABLE(X)                                                                              \
    X(HELLO,      "hello",      0) /* worker → daemon: protocol, run, attempt, token, pid        */\
    X(WELCOME,    "welcome",    0) /* daemon → worker: acked                                     */\
    X(HEARTBEAT,  "heartbeat",  0) /* worker → daemon, every 5 s                                 */\
    X(ACK,        "ack",        0) /* daemon → worker: seq, committed                            */\
    X(STOP,       "stop",       0) /* daemon → worker: reason                                    */\
    X(STARTED,    "started",    1) /* step, environment                                          */\
    X(METRICS,    "metrics",    1) /* names, rows: [[step, value of names[0], …], …]             */\
    X(EVAL,       "eval",       1) /* step, values: {name: value}, artifacts (as in finished)    */\
    X(AUDIT,      "audit",      1) /* name, status, detail, evidence                             */\
    X(CHECKPOINT, "checkpoint", 1) /* step, file, bytes, sha256                                  */\
    X(LOG,        "log",        1) /* level, message                                             */\
    X(FINISHED,   "finished",   1) /* step, artifacts: [{name, bytes, sha256}]                   */\
    X(FAILED,     "failed",     1) /* reason, detail                                             */
/* clang-format on */

enum wire_type {
#define WIRE_ENUM(symbol, name, event) WIRE_##symbol,
    WIRE_TABLE(WIRE_ENUM)
#undef WIRE_ENUM
        WIRE_TYPES
};

struct wire_message {
    enum wire_type type;
    uint64_t seq; /* events: ≥ 1; otherwise 0 */
    json_t *body; /* owned: the whole object */
};

const char *wire_type_name(enum wire_type type);
int wire_type_is_event(enum wire_type type);

/* Decodes one line (with or without its newline) and checks type, seq and the fields that the type
 * requires, so that a reader of body may rely on them. Errors: PROTOCOL, and those of jsonx_load.
 */
int wire_decode(const char *line, size_t len, struct wire_message *ret, struct err *err);
void wire_message_done(struct wire_message *message);

/* Each appends one line, newline included, to `to`. */
struct wire_hello {
    int64_t run, attempt, pid;
    char token[WIRE_TOKEN_BYTES];
};
void wire_encode_hello(const struct wire_hello *hello, struct buf *to);
int wire_hello_from(const struct wire_message *message, struct wire_hello *ret, struct err *err);
void wire_encode_welcome(uint64_t acked, struct buf *to);
void wire_encode_heartbeat(struct buf *to);
void wire_encode_ack(uint64_t seq, struct buf *to);
void wire_encode_stop(const char *reason, struct buf *to);
/* An event: steals `body` (an object without type and seq; NULL = memory ran out) and adds both. */
void wire_encode_event(enum wire_type type, uint64_t seq, json_t *take_body, struct buf *to);
/* The hot path: a metrics event of n_rows rows. values[n_rows × n_names] row-major, steps[n_rows].
 * Non-finite values travel as strings. */
void wire_encode_metrics(uint64_t seq, const char *const *names, size_t n_names,
                         const int64_t *steps, const double *values, size_t n_rows, struct buf *to);

#endif
