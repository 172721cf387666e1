/* err: the one error pattern of the project.
 *
 * A function that can fail returns 0 or a negative code (-ERR_...), and fills the struct err it was
 * given; its ret_ outputs are then untouched. The table below is the only place that knows what a
 * code means to the outside: the stable name in a problem document, the HTTP status and title, and
 * the exit status of a program that ends with it (sysexits.h).
 */
#ifndef ABLATE_COMMON_ERR_H
#define ABLATE_COMMON_ERR_H

#include <stdarg.h>
#include <stddef.h>

/*  symbol               name                    HTTP exit title */
#define ERR_TABLE(X)                                                                               \
    X(INTERNAL, "internal", 500, 70, "Internal error")                                             \
    X(NO_MEMORY, "out_of_memory", 503, 71, "Memory was refused")                                   \
    X(MALFORMED, "malformed_json", 400, 65, "The text is not valid JSON")                          \
    X(TRUNCATED, "truncated_json", 400, 65, "The JSON text ends too early")                        \
    X(TOO_DEEP, "json_too_deep", 400, 65, "The JSON text is nested too deeply")                    \
    X(DUPLICATE_KEY, "duplicate_key", 400, 65, "A JSON object repeats a key")                      \
    X(BAD_UTF8, "bad_utf8", 400, 65, "The text is not valid UTF-8")                                \
    X(BAD_REQUEST, "bad_request", 400, 65, "The request is malformed")                             \
    X(BAD_PARAMETER, "bad_parameter", 400, 64, "A query parameter is not acceptable")              \
    X(UNAUTHORIZED, "unauthorized", 401, 77, "Authentication is required")                         \
    X(FORBIDDEN, "forbidden", 403, 77, "The request is not allowed")                               \
    X(INSUFFICIENT_ACCESS, "insufficient_access", 403, 77, "The token or session may not do this") \
    X(NOT_FOUND, "not_found", 404, 66, "There is no such thing here")                              \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, 64, "The method is not allowed here")         \
    X(TOO_SLOW, "too_slow", 408, 75, "The request took too long to come")                          \
    X(CONFLICT, "conflict", 409, 69, "The state does not allow this")                              \
    X(LENGTH_REQUIRED, "length_required", 411, 64, "A Content-Length is required")                 \
    X(PRECONDITION, "precondition_failed", 412, 69, "The state isn't what the request expects")    \
    X(TOO_LARGE, "too_large", 413, 65, "The request is too large")                                 \
    X(TOO_MANY_RUNS, "too_many_runs", 422, 65, "The experiment has too many runs")                 \
    X(URI_TOO_LONG, "uri_too_long", 414, 64, "The address is too long")                            \
    X(UNSUPPORTED_TYPE, "unsupported_media_type", 415, 65, "The content type is not accepted")     \
    X(RANGE, "range_not_satisfiable", 416, 64, "The range has nothing of the file")                \
    X(MISDIRECTED, "misdirected_request", 421, 64, "The Host is not this server's")                \
    X(UNKNOWN_FIELD, "unknown_field", 422, 65, "A field is not known")                             \
    X(MISSING_FIELD, "missing_field", 422, 65, "A required field is missing")                      \
    X(WRONG_TYPE, "wrong_type", 422, 65, "A value has the wrong type")                             \
    X(OUT_OF_RANGE, "out_of_range", 422, 65, "A value is out of range")                            \
    X(INVALID_VALUE, "invalid_value", 422, 65, "A value is not acceptable")                        \
    X(INCONSISTENT, "inconsistent", 422, 65, "Values contradict each other")                       \
    X(UNKNOWN_DATASET, "unknown_dataset", 422, 65, "There is no such dataset")                     \
    X(UNKNOWN_PRESET, "unknown_preset", 422, 65, "There is no such preset")                        \
    X(CORPUS_TOO_SHORT, "corpus_too_short", 422, 65, "The corpus is too short")                    \
    X(BAD_CORPUS, "bad_corpus", 422, 65, "The corpus is not acceptable")                           \
    X(MODEL_TOO_LARGE, "model_too_large", 422, 65, "The model needs too much memory")              \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, 65, "The key was used for another body")  \
    X(BAD_QUERY, "bad_query", 422, 65, "The query is not acceptable")                              \
    X(QUERY_TIME, "query_time", 422, 65, "The query takes too long")                               \
    X(QUERY_MEMORY, "query_memory", 422, 65, "The query needs too much memory")                    \
    X(QUERY_SIZE, "query_size", 422, 65, "A value of the query is too large")                      \
    X(TOO_MANY_REQUESTS, "too_many_requests", 429, 75, "Too much at once")                         \
    X(TOO_MANY_CONNECTIONS, "too_many_connections", 429, 75, "Too many connections")               \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, 64, "The header is too large")                  \
    X(UNAVAILABLE, "unavailable", 503, 75, "The service is not ready")                             \
    X(DISK_FULL, "disk_full", 503, 74, "There is no room on the disk")                             \
    X(STORAGE, "storage", 500, 74, "The storage failed")                                           \
    X(USAGE, "usage", 400, 64, "The command line is wrong")                                        \
    X(RUNNING, "already_running", 409, 69, "Another daemon uses this folder")                      \
    X(BAD_DATA, "bad_data", 500, 65, "A stored file is not sound")                                 \
    X(PROTOCOL, "protocol", 400, 76, "The peer breaks the protocol")

enum err_code {
    ERR_NONE = 0,
#define ERR_ENUM(symbol, name, http, exit, title) ERR_##symbol,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
        ERR_COUNT
};

struct err {
    int code;          /* an enum err_code; 0 while nothing failed */
    char message[512]; /* a sentence for a person: what is wrong, what would do; valid UTF-8 */
    char pointer[512]; /* JSON pointer (RFC 6901) to the culprit, or "" */
    int character; /* of a text that was parsed: where the culprit begins, from 1; 0 = nowhere */
    char context[256]; /* then: what stands around it, and in a second line a mark below it */
};

/* Fills err (which may be NULL) and returns -code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set, with a JSON pointer; pointer may be NULL. */
int err_set_at(struct err *err, enum err_code code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* As err_set, with the place of len bytes at byte `at` of text (UTF-8, one line). */
int err_set_in(struct err *err, enum err_code code, const char *text, size_t at, size_t len,
               const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Which character begins at byte `at`, from 1. */
int err_character(const char *text, size_t at);
/* Memory ran out: "no memory for " and what it was for; returns -ERR_NO_MEMORY. The format names a
 * thing ("the request", "%zu runs"). */
int err_no_memory(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As err_set, and appends ": " and strerror(errno). ENOSPC and EDQUOT turn any code into
 * ERR_DISK_FULL. */
int err_errno(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What the table says of a code, which may be given with either sign. An unknown code counts as
 * INTERNAL. */
const char *err_name(int code);
const char *err_title(int code);
int err_http_status(int code);
int err_exit_status(int code);

#endif
