/* simd: what vectorised loops of the worker share (common/base/simd.h says how they are compiled).
 *
 * A sum that the compiler may not reorder runs over SIMD_LANES explicit partial sums, so that its
 * bits are the same on every path. simd_path() names what was picked, for the environment of an
 * attempt.
 */
#ifndef ABLATE_WORKER_SIMD_H
#define ABLATE_WORKER_SIMD_H

#include "common/base/simd.h"

/* Partial sums of a vectorised reduction; element i goes to lane i mod SIMD_LANES. */
enum { SIMD_LANES = 16 };

const char *simd_path(void);

#endif
