/* export_priv: what the formats ask of the walk. */
#ifndef ABLATE_SERVER_EXPORT_PRIV_H
#define ABLATE_SERVER_EXPORT_PRIV_H

#include "server/export/format.h"

/* The series that the walk is at, and the text of its metric's name. */
const struct export_series *export_series(const struct export *export);
const char *export_name(const struct export *export);
/* "nan", "inf", "-inf"; "" for a finite value. */
const char *export_word(double value);

#endif
