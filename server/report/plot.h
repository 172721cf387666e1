/* plot: runs gnuplot on a script and keeps the picture.
 *
 * Pictures lie in a folder under the digest of their script, PLOT_KEPT of them at most, the oldest
 * use first to go; what is asked for twice is drawn once. gnuplot runs without a shell and without
 * anybody's start-up files, in a process group of its own, with limits on time, memory and output.
 * Blocks for as long as it takes (a second, PLOT_SECONDS at most): for a thread of the pool.
 */
#ifndef ABLATE_SERVER_REPORT_PLOT_H
#define ABLATE_SERVER_REPORT_PLOT_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum { PLOT_KEPT = 64, PLOT_SECONDS = 20, PLOT_BYTES = 16 << 20, PLOT_AT_ONCE = 2 };

/* Appends the picture that script makes on its standard output. tag (DIGEST_HEX) is the script's
 * digest, in hex. suffix: "svg" or "png". Errors: UNAVAILABLE (gnuplot isn't installed),
 * TOO_MANY_REQUESTS (PLOT_AT_ONCE are being drawn), STORAGE, INTERNAL (gnuplot failed, with what it
 * said). */
int plot_make(const char *folder, const char *tag, const char *suffix, const struct buf *script,
              struct buf *to, struct err *err);

#endif
