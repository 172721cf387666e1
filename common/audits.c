#include "common/audits.h"

#include <string.h>

const char *const audit_status_names[] = { "pass", "skipped", "warn", "fail", NULL };

const struct audit_info audit_table[] = {
    { "causality", AUDIT_OF_CELL, true,
      "No prediction depends on a token that comes after it, or on another sequence of the batch: "
      "changing those leaves every bit of the logits as it was." },
    { "entropy_floor", AUDIT_OF_CELL, true,
      "On fresh uniformly random tokens the loss doesn't fall below ln V: nobody can predict a "
      "coin "
      "toss without seeing it." },
    { "split_overlap", AUDIT_OF_POINT, true,
      "What validation asks for wasn't trained on: its targets, and the text before them, don't "
      "stand in the training windows." },
    { "shared_init", AUDIT_OF_EXPERIMENT, true,
      "Arms start from the same weights wherever they have the same parameters, seed by seed." },
    { "same_batches", AUDIT_OF_EXPERIMENT, true,
      "All arms were trained on the same tokens in the same order and evaluated on the same "
      "windows, seed by seed." },
    { "dense_equivalence", AUDIT_OF_CELL, true,
      "Allowed to see every past key, the attention of this arm gives what dense causal attention "
      "gives, forward and backward." },
    { "replay", AUDIT_OF_ARM, true,
      "Trained again from a checkpoint or from the start, a run gives the same bits." },
    { "finite", AUDIT_OF_RUN, false, "No loss was NaN or infinite." },
    { "indexer_learns", AUDIT_OF_CELL, false,
      "The trained indexer finds more of the dense attention's mass than it did untrained, and "
      "more "
      "than chance." },
    { "budget", AUDIT_OF_EXPERIMENT, false,
      "Arms have about the same parameters, training operations a step, and tokens." },
    { "tuning", AUDIT_OF_EXPERIMENT, false,
      "Every arm was tried with as many configurations, and the chosen ones don't lie at the edge "
      "of what was tried." },
    { "power", AUDIT_OF_EXPERIMENT, false,
      "There are enough seeds that a difference, if it exists, could be established at 5 %." },
};
const size_t audit_table_n = sizeof audit_table / sizeof *audit_table;

const struct audit_info *audit_find(const char *name)
{
    for (size_t i = 0; i < audit_table_n; i++)
        if (strcmp(audit_table[i].name, name) == 0)
            return &audit_table[i];
    return NULL;
}

bool audit_names_arm(enum audit_scope scope)
{
    return scope == AUDIT_OF_RUN || scope == AUDIT_OF_ARM || scope == AUDIT_OF_CELL;
}

bool audit_names_point(enum audit_scope scope)
{
    return scope == AUDIT_OF_RUN || scope == AUDIT_OF_CELL || scope == AUDIT_OF_POINT;
}

enum audit_status audit_status_of(const char *name)
{
    int i = 0;
    while (i < AUDIT_STATUSES && strcmp(audit_status_names[i], name) != 0)
        i++;
    return (enum audit_status)i;
}
