/* clean: text of strangers made fit for a terminal.
 *
 * Names, reasons and log lines come from whoever may submit, and a terminal obeys what is in them:
 * it can be made to show something else than what was said, or to type. So control characters (C0
 * but line feed and tab, DEL, C1) and what turns the direction of text are dropped, and what isn't
 * UTF-8 becomes U+FFFD. Nothing that is shown is longer than what came, U+FFFD aside.
 */
#ifndef ABLATE_CLIENT_CLEAN_H
#define ABLATE_CLIENT_CLEAN_H

#include "common/base/buf.h"

/* CLEAN_LINE: line feeds and tabs become spaces, too: a cell of a table, a name in a sentence. */
enum clean_kind { CLEAN_TEXT, CLEAN_LINE };
void clean_add(struct buf *to, const char *text, size_t len, enum clean_kind kind);
/* JSON text, which stays the same JSON: those characters stand in its strings alone, and are written
 * as escapes there. It must be sound. */
void clean_add_json(struct buf *to, const char *json, size_t len);

#endif
