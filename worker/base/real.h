/* real: the number type of all that is trained, and the letters of every shape.
 *
 *   B sequences in a batch      T positions         C d_model       H heads      D = C/H
 *   F d_ff                      E experts           V vocabulary    K selected keys
 *   J indexer heads             I indexer dim       N = B·T tokens
 *
 * Matrices are row-major, rows = outputs for weights. Gradients are prefixed d and are added to.
 * `real` is float in the trainer and double in the gradient checks (ABLATE_DOUBLE).
 */
#ifndef ABLATE_WORKER_REAL_H
#define ABLATE_WORKER_REAL_H

#ifdef ABLATE_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
