/* ingest_lines: the lines after the first of a worker's connection. */
#ifndef ABLATE_SERVER_INGEST_LINES_H
#define ABLATE_SERVER_INGEST_LINES_H

#include <stddef.h>

struct conn;

/* Takes complete lines, the first len bytes of conn->in. */
void conn_pass_lines(struct conn *conn, size_t len);

#endif
