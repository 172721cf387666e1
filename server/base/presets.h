/* presets: experiments that are part of the program, the files schema/presets/NAME.json: a spec
 * that can be submitted as it stands, and beside its keys a "description" for lists. */
#ifndef ABLATE_SERVER_PRESETS_H
#define ABLATE_SERVER_PRESETS_H

#include "common/base/err.h"

#include <jansson.h>

/* [{"name", "description"}, …] by name. *ret is the caller's. */
int presets_list(json_t **ret, struct err *err);
/* The spec of a preset, without its description. Errors: UNKNOWN_PRESET. */
int preset_load(const char *name, json_t **ret, struct err *err);

/* What a submitted body stands for. With "preset", the rest of the body is merged onto the preset,
 * objects key by key; only "arms" and "grid" replace the preset's as a whole, since an arm that the
 * preset has and the body doesn't name isn't wanted. Without it, the body itself.
 * *ret is the caller's. Errors: WRONG_TYPE, UNKNOWN_PRESET, at "/preset". */
int preset_apply(json_t *body, json_t **ret, struct err *err);

#endif
