/* process: the process that runs one query from outside, `ablated query-process …`, which the
 * daemon starts (queries.h) and nobody else.
 *
 * It reads a request from standard input, which is a socket, to its end, and answers there:
 *   {"database":PATH,"sql":TEXT,"limit":N} and, where there are any, "params" (store_params.h)
 *   the reply's JSON (store_query.h) and exit status 0, or
 *   CODE\nPOINTER\nMESSAGE and exit status 1; any other end says nothing
 * It dies with the daemon. What the SQL may not do is said in walls.h.
 */
#ifndef ABLATE_SERVER_PROCESS_H
#define ABLATE_SERVER_PROCESS_H

#include "server/store/store_query.h"

#define QUERY_PROCESS "query-process"

enum { QUERY_REFUSED = 1 }; /* its exit status */

/* The command of that name: the pid that started it, and the milliseconds that it has, in decimal.
 */
_Noreturn void query_process_main(const char *parent, const char *allowed_ms);
/* The same, without dying with its parent: the exit status. */
int query_process_serve(enum store_guard guard, int64_t allowed_ms);

/* A problem as the process writes it, and read again; anything else is INTERNAL. Returns the code,
 * negative. */
void query_problem_write(const struct err *problem, struct buf *to);
int query_problem_read(const char *text, struct err *err);

#endif
