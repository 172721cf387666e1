/* tokens: the secrets of the data folder, one for each kind of access.
 *
 *   token   token.submit   token.read      256 bits, hex, mode 0600
 *   curlrc  curlrc.submit  curlrc.read     the same for curl -K
 *   instance                               names the cookie; no secret
 *   key                                    256 bits, hex, mode 0600: workers' tokens are derived
 *                                          from it (store_attempt_secret), so that the database,
 *                                          which everybody with a token may query, holds no secret
 *
 * Each token has a mark derived from it, by which the log-in codes and the sessions of its access
 * hang on it (passes.h): they die with it. `ablated token --rotate` replaces a token by rename
 * while the daemon runs. The daemon looks at the files' identity before it believes anybody (a stat
 * each, of what the kernel has in memory; it reads one only after it changed), so that the old
 * token is worth nothing from the moment the command returns. Watching the folder was rejected:
 * word of a change comes late, and may not come at all.
 */
#ifndef ABLATE_SERVER_TOKENS_H
#define ABLATE_SERVER_TOKENS_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "server/base/access.h"

#include <stdbool.h>
#include <stdint.h>

enum { TOKEN_HEX = 64, TOKEN_MARK_BYTES = 17 };

struct token {
    char text[TOKEN_HEX + 1];    /* "" when there is none: it opens nothing */
    char mark[TOKEN_MARK_BYTES]; /* tells it from others, and tells nothing of it */
    struct {
        uint64_t device, inode;
        int64_t seconds, nanoseconds, bytes;
    } stamp; /* which file, and its last change (ctime); zeros when there was none */
};

struct tokens {
    struct token of[ACCESS_KINDS]; /* of[ACCESS_PUBLIC] stays empty */
    char instance[17];
    char key[TOKEN_HEX + 1]; /* "" when it was only peeked at */
};

/* Makes what is missing in the folder, mends a curlrc that doesn't hold its token, reads all.
 * Errors: STORAGE; BAD_DATA for a token that isn't one. */
int tokens_open(const char *folder, struct tokens *ret, struct err *err);
/* Reads what is there; only the admin token must be. Errors: NOT_FOUND, STORAGE, BAD_DATA. */
int tokens_peek(const char *folder, struct tokens *ret, struct err *err);
/* Whether any of the files isn't the one that was read: a look that opens none of them. */
bool tokens_changed(const char *folder, const struct tokens *tokens);
/* Reads the tokens whose files have changed; one that can't be read any more is none. Returns the
 * kinds that changed, a bit (1 << access) each. */
unsigned tokens_refresh(const char *folder, struct tokens *tokens);
/* Makes a new token and its curlrc. Errors: STORAGE, DISK_FULL. */
int tokens_rotate(const char *folder, enum access access, struct err *err);
/* The name of a kind's token file. */
const char *tokens_file(enum access access);

#endif
