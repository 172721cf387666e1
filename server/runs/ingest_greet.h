/* ingest_greet: the first line of a worker's connection. */
#ifndef ABLATE_SERVER_INGEST_GREET_H
#define ABLATE_SERVER_INGEST_GREET_H

#include <stddef.h>

struct conn;

/* Takes the first line, the first len bytes of conn->in; nothing more is read until
 * the store has said whether the worker is the one that it says. */
void conn_greet(struct conn *conn, size_t len);

#endif
