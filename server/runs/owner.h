/* owner: whose a run's folder is.
 *
 *   runs/<id>/owner.json   {"database":"…","run":17,"digest":"…","created_at":…}
 *
 * Ids alone don't tell: an older ablate.db that is put back gives them again, another database has
 * them too, and whatever lies in runs/<id>/ (events, checkpoints, artifacts) would be read as the
 * run's own. So a folder says which run of which database it was made for, and is taken for a run's
 * when it says exactly what is to be said of that run. The file is the first in a folder, and never
 * changes.
 *
 * Folders from before there were identities say nothing: one of them is the run's when the run is
 * as old, and its frozen spec is the folder's byte for byte. The same holds of a restored backup,
 * which leaves owner.json out and gets another identity.
 *
 * A stranger's folder is never read and never removed: where it stands in the way it moves aside,
 * to runs/<id>.stranger-<hex>, and the run begins with a folder of its own.
 */
#ifndef ABLATE_SERVER_OWNER_H
#define ABLATE_SERVER_OWNER_H

#include "server/data/datadir.h"
#include "server/store/store_identity.h"

enum owner { OWNER_NOBODY /* there is no folder, or nothing in it */, OWNER_RUN, OWNER_STRANGER };

/* Errors: UNAVAILABLE when it can't be looked at. */
int owner_look(const struct datadir *datadir, const struct run_origin *run, enum owner *ret,
               struct err *err);
/* The same of a run of the store: whether its folder is somebody else's, and must be left alone.
 * Errors: UNAVAILABLE, STORAGE, NOT_FOUND. */
int owner_is_strange(struct store *store, const struct datadir *datadir, int64_t run, bool *ret,
                     struct err *err);
/* Pool. Makes the folder the run's, if it isn't. ret_aside: where the stranger's folder that stood
 * there is now; "" = there was none. It holds after an error, too: what was moved stays moved.
 * Errors: UNAVAILABLE, STORAGE, DISK_FULL, NO_MEMORY. */
int owner_take(const struct datadir *datadir, const struct run_origin *run,
               char ret_aside[PATH_MAX], struct err *err);

#endif
