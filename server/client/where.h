/* where: which daemon is meant, and what opens it.
 *
 * By its data folder (--data, ABLATE_DATA): the file `address` there, and the strongest token that
 * may be read; both are read again whenever they are wanted, since a daemon that has started anew
 * may be elsewhere. Or by --url (ABLATE_URL) with a token of --token-file or ABLATE_TOKEN; a token
 * is never an argument, which every process can see.
 *
 * The token goes to https, or to this machine: over http a host must be a loopback address, or be
 * `localhost`, which is taken for one without asking a resolver.
 */
#ifndef ABLATE_CLIENT_WHERE_H
#define ABLATE_CLIENT_WHERE_H

#include "common/base/err.h"

#include <stdbool.h>

enum { WHERE_URL = 512, WHERE_TOKEN = 256 };

/* What the command line says; NULL where it says nothing. */
struct where_options {
    const char *data, *url, *token_file;
};

struct where {
    char folder[4096];       /* "" when a URL is meant */
    char base[WHERE_URL];    /* scheme, host and port, no slash at the end */
    char token[WHERE_TOKEN]; /* "" = none */
    char pin[WHERE_URL];     /* for CURLOPT_RESOLVE; "" = nothing to pin */
    bool loopback;
};

/* Errors: USAGE; UNAVAILABLE when no daemon serves the folder; NOT_FOUND, STORAGE; FORBIDDEN for a
 * URL that no token may be sent to; BAD_DATA for a token that can't be one. */
int where_find(const struct where_options *options, struct where *ret, struct err *err);
/* Whether a URL's host is 127.0.0.0/8 or [::1], spelt out. */
bool where_is_loopback(const char *host);
/* Takes a URL apart: fills base, pin and loopback. `what` is what an error calls it. Errors: USAGE,
 * FORBIDDEN. */
int where_take_url(const char *what, const char *url, struct where *to, struct err *err);

#endif
