/* greet: what the daemon prints once it serves: where it is, and how to log in.
 *
 * The link that it prints is good for one use within ten minutes. systemd's journal is read by more
 * people than may do everything here, so there it only names the command that makes a link.
 */
#ifndef ABLATE_SERVER_GREET_H
#define ABLATE_SERVER_GREET_H

#include "server/base/options.h"
#include "server/data/datadir.h"

void greet(const struct options *options, const struct datadir *datadir, const char *base_url,
           int port);

#endif
