/* drawing: draws the verdicts that the writer has left (verdict/verdicts.h): one at a time, each by a
 * reader, so that nobody waits for it, and stored by the writer.
 */
#ifndef ABLATE_SERVER_DRAWING_H
#define ABLATE_SERVER_DRAWING_H

#include "server/jobs/work.h"
#include "server/verdict/verdicts.h"

#include <stdatomic.h>

/* Embedded; .work is set before the first kick. */
struct drawing {
    struct work *work;
    struct job job;
    struct verdicts verdicts;
    bool busy, closing; /* closing: nothing more is begun */
    atomic_bool noted;
};

/* Any thread: some are left. */
void drawing_note(struct drawing *drawing);
/* Loop thread: begins if some are and none is being drawn. */
void drawing_kick(struct drawing *drawing);

#endif
