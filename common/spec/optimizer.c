/* The rows of the optimisers. */
#include "common/spec/optimizer.h"

#define ADAM_MOMENTS                                                                               \
    .moments = 2,                                                                                  \
    .moment = { { .name = "m", .part = "adam.m/" }, { .name = "v", .part = "adam.v/" } }

static const struct optimizer_info adam = { .name = "adam", ADAM_MOMENTS };
static const struct optimizer_info adamw = { .name = "adamw", .decays = true, ADAM_MOMENTS };
static const struct optimizer_info sgd = {
    .name = "sgd",
    .decays = true,
    .momentum = true,
    .moments = 1,
    .moment = { { .name = "v", .part = "sgd.v/" } },
};

#define NAME(id, name) #name,
#define ROW(id, name)  [OPTIMIZER_##id] = &name,
const char *const optimizer_names[] = { OPTIMIZER_LIST(NAME) NULL };
const struct optimizer_info *const optimizer_table[] = { OPTIMIZER_LIST(ROW) };
#undef NAME
#undef ROW

const struct optimizer_info *optimizer_info_of(const struct spec_train *train)
{
    return optimizer_table[train->optimizer];
}
