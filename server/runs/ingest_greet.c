/* The first line of a connection: which attempt's worker it is, and whether that is true. */
#include "server/runs/ingest_greet.h"

#include "common/base/clock.h"
#include "server/jobs/work_beside.h"
#include "server/runs/ingest_priv.h"
#include "server/store/runs/store_attempts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct greeting {
    struct job job;
    struct conn *conn;
    struct attempt_row row;
    char secret[DIGEST_HEX]; /* that its worker has */
};

static int greeting_run(struct job *job, struct store *store, struct err *err)
{
    struct greeting *greeting = job->data;
    const struct wire_hello *hello = &greeting->conn->hello;
    const char *key = greeting->conn->ingest->datadir->tokens.key;
    int status = store_attempt_get(store, hello->run, hello->attempt, &greeting->row, err);
    return status == 0
               ? store_attempt_secret(store, key, hello->run, hello->attempt, greeting->secret, err)
               : status;
}

/* An attempt that an earlier version began has a token that nothing was derived for. */
static bool is_its_worker(const struct greeting *greeting)
{
    const char *token = greeting->conn->hello.token;
    char digest[DIGEST_HEX];
    if (greeting->row.token[0] == '\0')
        return strlen(token) == DIGEST_HEX - 1 &&
               digest_equal(token, greeting->secret, DIGEST_HEX - 1);
    digest_of_hex(token, strlen(token), digest);
    return digest_equal(digest, greeting->row.token, DIGEST_HEX - 1);
}

/* A worker has one connection: another of its attempt's is one that it has given up. */
static void replace(const struct conn *by)
{
    for (struct conn *conn = by->ingest->conns; conn != NULL; conn = conn->next)
        if (conn->welcomed && conn->hello.run == by->hello.run &&
            conn->hello.attempt == by->hello.attempt)
            conn_close(conn);
}

static void greeting_done(struct job *job)
{
    struct greeting *greeting = job->data;
    struct conn *conn = greeting->conn;
    conn->jobs--;
    if (job->status != 0 || greeting->row.ended_at != 0 || !is_its_worker(greeting)) {
        const struct log_about it = conn_about(conn);
        log_write(LOG_WARN, &it, "a worker was turned away: %s",
                  job->status != 0              ? job->err.message
                  : greeting->row.ended_at != 0 ? "the attempt has ended"
                                                : "wrong token");
        conn_close(conn);
    } else {
        struct buf line;
        buf_init(&line, 0);
        replace(conn);
        conn->welcomed = true;
        conn->heard_ms = clock_mono_ms();
        conn->verifies = attempt_verifies(&greeting->row);
        wire_encode_welcome((uint64_t)greeting->row.acked_seq, &line);
        conn_send(conn, &line);
        buf_done(&line);
        if (conn->ingest->welcomed != NULL)
            conn->ingest->welcomed(conn->ingest->welcomed_arg, conn->hello.run);
        conn_read_on(conn);
    }
    attempt_row_done(&greeting->row);
    free(greeting);
    conn_release(conn);
}

void conn_greet(struct conn *conn, size_t len)
{
    struct wire_message message = { 0 };
    struct err err = { 0 };
    int status = wire_decode(conn->in.data, len, &message, &err);
    if (status == 0) {
        status = wire_hello_from(&message, &conn->hello, &err);
        wire_message_done(&message);
    }
    struct greeting *greeting = status == 0 ? calloc(1, sizeof *greeting) : NULL;
    if (greeting == NULL) {
        log_warn("a worker was turned away: %s", status != 0 ? err.message : "out of memory");
        conn_close(conn);
        return;
    }
    buf_shift(&conn->in, len);
    conn->greeted = true;
    datadir_path(conn->ingest->datadir, conn->attempt_dir, "runs/%lld/attempts/%lld",
                 (long long)conn->hello.run, (long long)conn->hello.attempt);
    uv_read_stop((uv_stream_t *)&conn->pipe);
    greeting->conn = conn;
    greeting->job = (struct job){ .run = greeting_run, .done = greeting_done, .data = greeting };
    conn->jobs++;
    work_read(conn->ingest->work, &greeting->job);
}
