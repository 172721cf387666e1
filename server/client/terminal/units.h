/* units: figures as people read them. Each writes into ret and returns it. */
#ifndef ABLATE_CLIENT_UNITS_H
#define ABLATE_CLIENT_UNITS_H

#include <jansson.h>

enum { UNITS_TEXT = 40 };

/* "1.5 MiB" */
const char *units_bytes(double bytes, char ret[UNITS_TEXT]);
/* "3 min 20 s", "0.4 s"; two units at most. */
const char *units_seconds(double seconds, char ret[UNITS_TEXT]);
/* "1.2 T": with the decimal prefix that leaves 1 to 999. */
const char *units_si(double value, char ret[UNITS_TEXT]);
/* A number of the API with four digits behind the point, or the word that stands for one; "–" for
 * none. */
const char *units_value(const json_t *value, char ret[UNITS_TEXT]);

#endif
