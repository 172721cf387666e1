/* walk: one pass through a model's blocks, forwards and backwards (model/ only). The output layer and
 * the loss are model.c's. */
#ifndef ABLATE_WORKER_WALK_H
#define ABLATE_WORKER_WALK_H

#include "worker/base/batch_pass.h"
#include "worker/model/model.h"

#include <stddef.h>
#include <stdint.h>

/* Inputs are the first T tokens of each window, targets the last T; a complement isn't a target. */
void walk_take(struct model *m, const int32_t *windows, size_t batch);
/* From the inputs taken to what the output layer sees, m->normed; adds to balance and imbalance. */
void walk_forward(struct model *m, const struct batch_pass *pass, struct model_stats *stats);
/* From m->dnormed, the gradient at the output layer's input, to every gradient of a parameter; adds
 * to kl. */
void walk_backward(struct model *m, const struct batch_pass *pass, struct model_stats *stats);

#endif
