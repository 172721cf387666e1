/* passes: what opens the daemon besides a token: the codes of log-in links, and sessions.
 *
 *   links/DIGEST.ACCESS.MARK.EXPIRY       a code: ten minutes, one use
 *   sessions/DIGEST.ACCESS.MARK.EXPIRY    a session, whose cookie is the secret: thirty days
 *
 * A pass is a secret of 256 random bits of which the data folder knows the SHA-256. The file is the
 * pass, and empty: its name says all of it. Whatever ends a pass removes its file, and nothing is
 * remembered of it. So there is no list of what was spent, which could fill up, or forget; a code
 * works once because one unlink() succeeds; and an empty file appears whole, on a full disk too.
 *
 * - A code is made only by a process that may write the folder (the daemon at its start, `ablated
 *   link`), and a session only by a code. Rejected: signed values. Anybody who knows the key makes
 *   them at will, and those that were used have to be remembered.
 * - A pass hangs on the token whose access it gives, by the token's mark: with the token it dies.
 * - Of each kind an access has so many; one more ends that which would have expired first.
 * - A pass that has expired, or expires later than any made now would (the clock was set back), is
 *   ended when it is seen: setting the clock again brings none back.
 * - They are no rows of the database: queries read that, and backups hold it.
 *
 * Files are changed on the writer's thread, which brings the change to the disk; the loop thread
 * has the sessions in memory (server/http/auth.c) and believes these.
 */
#ifndef ABLATE_SERVER_PASSES_H
#define ABLATE_SERVER_PASSES_H

#include "common/base/digest.h"
#include "common/base/err.h"
#include "server/data/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pass_kind { PASS_CODE, PASS_SESSION, PASS_KINDS };

enum {
    PASS_CODE_S = 600,
    PASS_SESSION_S = 30 * 86400,
    PASS_CODES_MAX = 64, /* of an access */
    PASS_SESSIONS_MAX = 256,
    PASS_SLACK_S = 60, /* so far back may the clock be set before what was just made is refused */
    PASS_SECRET_HEX = 64
};

struct pass {
    char digest[DIGEST_HEX]; /* of the secret; "" = there is none */
    char mark[TOKEN_MARK_BYTES];
    int64_t expiry_s;
    enum access access;
};

/* Those of a kind, by access, in no order. */
struct passes {
    enum pass_kind kind;
    size_t n[ACCESS_KINDS];
    struct pass of[ACCESS_KINDS][PASS_SESSIONS_MAX];
};

/* The folder of a kind, below the data folder. */
extern const char *const pass_folders[PASS_KINDS];

/* Whether it opens anything now. */
bool pass_holds(const struct pass *pass, enum pass_kind kind, const struct tokens *tokens);
/* Whether the pass is over for good. False while its token can't be read: then nobody knows. */
bool pass_is_over(const struct pass *pass, enum pass_kind kind, const struct tokens *tokens);
/* The digest by which a secret is known; false: it can't be one. */
bool pass_digest(const char *secret, char ret[DIGEST_HEX]);

/* NULL when there is none. */
const struct pass *passes_find(const struct passes *passes, const char *digest);
void passes_drop(struct passes *passes, const char *digest);
/* *ret_ended: the pass that had to make room; digest "" when there was room. */
void passes_add(struct passes *passes, const struct pass *pass, struct pass *ret_ended);

/* Reads the folder's passes of a kind, and removes the files of those that are over: expired, or
 * of a token that has been replaced, or more than may be. Errors: STORAGE, NO_MEMORY. */
int passes_load(const char *folder, enum pass_kind kind, const struct tokens *tokens,
                struct passes *ret, struct err *err);
/* The same for its removals alone, of every kind, as far as it goes. */
void passes_tidy(const char *folder, const struct tokens *tokens);
/* Makes a pass: its secret is the caller's to give away, and stands nowhere else. Errors:
 * NOT_FOUND (there is no such token), STORAGE, DISK_FULL, NO_MEMORY. */
int passes_make(const char *folder, enum pass_kind kind, const struct tokens *tokens,
                enum access access, char ret_secret[PASS_SECRET_HEX + 1], struct pass *ret,
                struct err *err);
/* Removes the file of a pass that is over, without waiting for the disk: it stays over. */
void passes_remove(const char *folder, enum pass_kind kind, const struct pass *pass);
/* Ends a pass, for good once it returns 0. Errors: NOT_FOUND: it has ended already; STORAGE. */
int passes_end(const char *folder, enum pass_kind kind, const struct pass *pass, struct err *err);
/* Ends a code and says what it gave. Errors: NOT_FOUND: there is none that holds; STORAGE,
 * NO_MEMORY. */
int passes_use(const char *folder, const struct tokens *tokens, const char *digest,
               struct pass *ret, struct err *err);

#endif
