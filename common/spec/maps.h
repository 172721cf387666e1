/* maps: how large the pictures of a run's attention are (the artifact "attention"), and at which
 * steps they are taken. A picture shows, of a few windows and every layer, which keys the queries
 * chose and the probability that they gave them; schema/artifacts.md has the file.
 */
#ifndef ABLATE_COMMON_MAPS_H
#define ABLATE_COMMON_MAPS_H

#include "common/spec/spec.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MAPS_SIDE = 256,      /* cells of a picture's side, at most */
    MAPS_WINDOWS = 2,     /* windows, at most */
    MAPS_BYTES = 1000000, /* of the pictures of an evaluation, at most */
    MAPS_EVALUATIONS = 64 /* evaluations of a run that are kept, at most */
};

struct maps_plan {
    int64_t windows;     /* of the first micro-batch that is evaluated */
    int64_t pool;        /* queries, and keys, of a cell */
    int64_t side;        /* ⌈T / pool⌉ */
    bool heads;          /* a picture a head; else their mean */
    int64_t layer_bytes; /* of all pictures of a layer: windows · (heads or 1, and two) · side² */
};

/* The first that fits into MAPS_BYTES of: pools of ⌈T / MAPS_SIDE⌉ places and its doubles; each with
 * all heads of two windows, all heads of one, the heads' mean of two, of one. */
void maps_plan(const struct run_spec *spec, struct maps_plan *ret);
/* Whether pictures are taken at the evaluation after `step`. Of more than MAPS_EVALUATIONS
 * evaluations so many, evenly spread, the first and the last among them. False if the run wants
 * none. */
bool maps_wanted(const struct run_spec *spec, int64_t step);

#endif
