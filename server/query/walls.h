/* walls: what holds a query's process whatever the SQL makes SQLite do, the authorizer or not.
 *
 *   memory   SQLite's heap (store_query.h) first, then the address space; and when the machine's
 *            runs out, the kernel takes this process before all others
 *   time     the daemon kills it at its deadline; processor time is bounded behind that
 *   files    none is written; the database's three may be read, and are open before the SQL is
 *            looked at; then none is opened any more
 *   the rest no network, process, signal, limit or privilege
 *
 * Each wall stands by itself: that no file is opened, for one, is so by Landlock, by the filter of
 * system calls and by the number of descriptors. Secrets aren't behind a wall but elsewhere: the
 * database has none (server/data/tokens.h).
 */
#ifndef ABLATE_SERVER_WALLS_H
#define ABLATE_SERVER_WALLS_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Memory, time, files, priority. */
int walls_limits(struct err *err);
/* Leaves the database at path, to read. */
int walls_files(const char *path, struct err *err);
/* When all is open: leaves memory, reading what is open, and writing to standard input. */
int walls_calls(struct err *err);
/* Whether this machine lacks a part of that; ret: a sentence for the log. */
bool walls_lack(char *ret, size_t size);

#endif
