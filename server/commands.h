/* commands: what `ablated` does besides serving: a row each of the table in options.c. They print
 * what they have done. Errors: what each of the modules below says; BAD_DATA of a backup that is
 * whole while the folder isn't.
 */
#ifndef ABLATE_SERVER_COMMANDS_H
#define ABLATE_SERVER_COMMANDS_H

#include "server/base/options.h"

int command_link(const struct options *options, struct err *err);
int command_token(const struct options *options, struct err *err);
int command_backup(const struct options *options, struct err *err);
int command_restore(const struct options *options, struct err *err);
int command_purge(const struct options *options, struct err *err);

#endif
