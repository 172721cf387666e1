/* names: what people may call an experiment, an arm, a tag: text that can be read, seen and typed.
 *
 * 1 to 64 characters (code points of Unicode: a bound in graphemes would be none in bytes) in the
 * composed form NFC, so that what looks the same is the same: letters, marks, digits, punctuation,
 * symbols and spaces, the latter inside only. Refused are what isn't seen (control and format
 * characters, whatever turns the direction of text, line separators, fillers) and what nobody can
 * know (unassigned and private characters). Two invisible characters are part of how some
 * scripts and emoji are written, the joiners U+200C and U+200D: one may stand between two others. A
 * variation selector may stand behind any.
 */
#ifndef ABLATE_COMMON_NAMES_H
#define ABLATE_COMMON_NAMES_H

#include "common/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAMES_MAX = 64, NAMES_BYTES = 4 * NAMES_MAX + 1 };

/* text is UTF-8; what: "an arm's name", for the sentence. Errors, at pointer: INVALID_VALUE, with
 * the character that is wrong, counted from 1. */
int names_check(const char *text, const char *what, const char *pointer, struct err *err);
/* Letters, digits, space and . _ - of ASCII, 1 to 64: all that a name could be before, which is
 * stored, and may begin or end with a space; still all that a corpus' name can be. */
bool names_is_plain(const char *text);
/* Either: what a name that is stored may be. */
bool names_is_stored(const char *text);
/* Makes a text fit for the name of a file, where it is: what a shell or a file system might mind
 * becomes `-`, all that is beyond ASCII in a row one. */
void names_flatten(char *text);
/* NAME-ID of what is left, at most 64 bytes of the name; it begins with neither `-` nor a dot. */
void names_for_file(const char *name, int64_t id, char *ret, size_t size);

#endif
