/* attend: a backup or a restore leaves nothing half made behind.
 *
 * The work is done in a child. Its parent waits, and whatever ends the child, or tells the parent
 * to end, it removes the folder that has not become the target (target.h). What a SIGKILL of both,
 * or a power cut, leaves is removed by the next call. Rejected: to look for a signal while working;
 * a copy and a check of a large database are one call each.
 */
#ifndef ABLATE_SERVER_ATTEND_H
#define ABLATE_SERVER_ATTEND_H

#include "common/base/err.h"

/* Returns in the child, whose exit ends the parent with its status. `target`: the name that the
 * work will give to target_begin. To be called before there are threads. Errors: INTERNAL. */
int backup_attend(const char *target, struct err *err);

#endif
