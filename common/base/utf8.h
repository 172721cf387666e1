/* utf8: what is a character (RFC 3629: shortest form, no surrogates, at most U+10FFFF). */
#ifndef ABLATE_COMMON_UTF8_H
#define ABLATE_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at text, of which len bytes exist; 0 when there is none. */
size_t utf8_char(const char *text, size_t len);
/* Whether len bytes are characters throughout. *ret_at (may be NULL): where they stop being any. */
bool utf8_valid(const char *text, size_t len, size_t *ret_at);

/* The number of the character that begins at text, which is one; *ret_len: its bytes. */
uint32_t utf8_decode(const char *text, size_t len, size_t *ret_len);
/* Writes a character (up to U+10FFFF, no surrogate) and returns its bytes. */
size_t utf8_encode(uint32_t code, char ret[4]);

#endif
