/* say: the only way to the terminal. What is said is cleaned (clean.h) after it was formatted, so
 * that no caller needs to think of where a text came from; the few sequences that move the cursor
 * are say_raw's, and hold nothing of anybody else's.
 */
#ifndef ABLATE_CLIENT_SAY_H
#define ABLATE_CLIENT_SAY_H

#include "common/base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* To standard output. Line feeds and tabs of the text are kept. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_text(const char *text, size_t len);
/* To standard error, with "ablate: " before and a line feed behind; one line whatever is in it. */
void say_aside(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line of JSON. */
void say_json(const json_t *value);
/* The text, which must be the program's own, to the stream as it is. */
void say_raw(FILE *to, const char *text);
/* A name of the server's within a sentence of ours: its line feeds and tabs become spaces. The
 * caller's (free); "" when memory runs out, and for NULL. */
char *say_name(const char *text);
/* Writes out what was said. Errors: STORAGE, DISK_FULL: it couldn't be. */
int say_flush(struct err *err);

/* Columns of the terminal that a stream goes to; 0 when it goes to none. */
int say_columns(FILE *to);
/* Whether what the terminal shows can be UTF-8 (LC_CTYPE). */
bool say_utf8(void);
/* Columns that a text (UTF-8) takes. */
size_t say_width(const char *text);

#endif
