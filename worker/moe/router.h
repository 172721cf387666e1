/* router: which experts a token visits and with what weight, and the balance loss
 * (schema/numerics.md §1).
 *
 * g decides, so it is made by dots (worker/ops/dots.h): equal tokens visit the same experts, and of
 * equal rows of the gate the lower one is visited. */
#ifndef ABLATE_WORKER_ROUTER_H
#define ABLATE_WORKER_ROUTER_H

#include "worker/moe/moe.h"

enum { ROUTER_MAX_CHOICES = 256 };

/* Fills g, probs, chosen and weight from x [N × C]. */
void router_forward(struct moe *moe, const struct batch_pass *pass, const real *x);
/* After the choices were counted (moe->first). */
void router_stats(const struct moe *moe, size_t n, struct moe_stats *ret);
/* Σ over tokens and experts of (∂balance/∂g · size of g)²: of a logit, were x by chance,
 * |W_e|·|x|/√C, and a sixteenth of |g| itself, which is rounded where noise is added. x [N × C]: the
 * router's input. For audits. */
double router_spread(const struct moe *moe, size_t n, const real *x);
/* Prepares the gradient of the balance loss. */
void router_backward_begin(struct moe *moe, const struct batch_pass *pass);
/* Writes the token's row of dg from ∂/∂weight[k] and the balance loss. Tokens are independent. */
void router_backward_token(const struct moe *moe, size_t n, const real *dweight);
/* From dg to the gate's gradient and dx [N × C] (added to). */
void router_backward(struct moe *moe, const struct batch_pass *pass, const real *x, real *dx);

#endif
