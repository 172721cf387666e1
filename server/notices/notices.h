/* notices: that an experiment has ended is told to a program (--on-end) and to a URL (--webhook).
 *
 * An end is noted in the transaction in which its last run ends (notices_collect, before COMMIT), a
 * row for each channel; so no death of the daemon loses one, and no other end makes it twice. Each
 * channel tells one at a time, the one that is due first: a flood of ends waits in the database. An
 * attempt is counted before it is made. The webhook is tried again up to NOTICES_TRIES times, later
 * each time; the program is started once, and again only when the daemon has died meanwhile. So
 * both may hear of an end twice, and never not at all: a webhook says the notice's id.
 *
 * The webhook is sent by another program (`ablate deliver`, client/deliver.c), so that neither
 * libcurl nor a resolver is part of the daemon; what it may do stands there. Both programs have a
 * process group and an environment of their own, and a time after which they are killed.
 */
#ifndef ABLATE_SERVER_NOTICES_H
#define ABLATE_SERVER_NOTICES_H

#include "common/base/err.h"
#include "server/base/options.h"

struct notices;
struct work;
struct store;
struct datadir;
struct uv_loop_s;

enum { NOTICES_TRIES = 8, NOTICES_PROGRAM_S = 60, NOTICES_DELIVERY_S = 30 };

/* For the options of before the writer's thread starts; *ret is NULL when nobody is to be told.
 * Errors: USAGE when the program, the secret or `ablate` isn't there; STORAGE. */
int notices_new(struct uv_loop_s *loop, const struct options *options,
                const struct datadir *datadir, struct notices **ret, struct err *err);
/* Begins to tell: first what a daemon before has left. */
void notices_attach(struct notices *notices, struct work *work);
/* The writer's thread, in each transaction: notes which experiments have ended in it. NULL is
 * accepted. */
int notices_collect(struct notices *notices, struct store *store, struct err *err);
/* Tells nothing more; what is being told is killed, and told again by the next daemon. Ends are
 * noted on. NULL is accepted. */
void notices_stop(struct notices *notices);
/* When the writer has ended: gives the loop the last handle back. NULL is accepted. */
void notices_close(struct notices *notices);
/* When the loop has ended. */
void notices_free(struct notices *notices);

#endif
