/* The rows, with the two sentences that a person who meets an audit for the first time reads: what
 * passing means, and what to change when it doesn't pass. */
#include "common/audit/audits.h"

#include "common/spec/attention.h"

#include <string.h>

const char *const audit_status_names[] = { "pass", "skipped", "warn", "fail", NULL };

static bool has_indexer(const struct run_spec *spec)
{
    return run_spec_any(spec, attention_is_indexed);
}

static bool has_kl(const struct spec_attention *attention)
{
    return attention_learns(attention) && attention->kl_weight > 0;
}

static bool learns_by_kl(const struct run_spec *spec)
{
    return run_spec_any(spec, has_kl);
}

static bool has_split(const struct run_spec *spec)
{
    return spec->data.kind == DATASET_STORED;
}

static bool can_learn(const struct run_spec *spec)
{
    return spec->data.kind != DATASET_UNIFORM;
}

static const struct audit_info causality = {
    .name = "causality",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .what = "No prediction depends on a token that comes after it, or on another sequence of the "
            "batch: changing those leaves every bit of the logits as it was.",
    .remedy = "Give the arm attention that sees past keys alone: of dsa that is \"selection\": "
              "\"causal\", the default; compare nothing with the arm until then.",
};

static const struct audit_info entropy_floor = {
    .name = "entropy_floor",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .what = "On fresh uniformly random tokens the loss doesn't fall below ln V: nobody can "
            "predict a coin toss without seeing it.",
    .remedy = "The attention sees what it must predict: give the arm one that sees past keys "
              "alone (of dsa \"selection\": \"causal\"); causality says which positions look "
              "ahead.",
};

static const struct audit_info split_overlap = {
    .name = "split_overlap",
    .scope = AUDIT_OF_POINT,
    .invalidates = true,
    .concerns = has_split,
    .moot = "synthetic windows are drawn, not split",
    .what = "What validation asks for wasn't trained on: its targets, and the text before them, "
            "don't stand in the training windows.",
    .remedy = "Set data.split to \"documents\", or to \"families\" where documents copy from one "
              "another; \"windows\" overlaps by construction.",
};

static const struct audit_info shared_init = {
    .name = "shared_init",
    .scope = AUDIT_OF_EXPERIMENT,
    .invalidates = true,
    .compares = true,
    .what = "Arms start from the same weights wherever they have the same parameters, seed by "
            "seed; what init gpt2 scales by depth is told apart.",
    .remedy = "Let the arms have the same model.init, unless that is what is compared; the detail "
              "names the pairs of arms that differ, and comparisons of others stand.",
};

static const struct audit_info same_batches = {
    .name = "same_batches",
    .scope = AUDIT_OF_EXPERIMENT,
    .invalidates = true,
    .compares = true,
    .what = "All arms were trained on the same tokens in the same order and evaluated on the same "
            "windows, seed by seed.",
    .remedy = "Move data and train.batch_size, steps and eval_windows out of the arms, into the "
              "base or the grid; the detail names the pairs of arms that differ, and comparisons "
              "of others stand.",
};

static const struct audit_info distinct_seeds = {
    .name = "distinct_seeds",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .compares = true,
    .what = "The seeds of an arm are repetitions: each begins with weights of its own and is "
            "trained on an order of its own.",
    .remedy = "No specification mends this: a seed that draws nothing new counts one run twice; "
              "report it with the specifications of the two runs that the detail names.",
};

static const struct audit_info dense_equivalence = {
    .name = "dense_equivalence",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .what = "Allowed to see every past key, the attention of this arm gives what dense causal "
            "attention gives, forward and backward; at its own K, what the formulas give.",
    .remedy = "No specification mends this: the kernel is wrong for this shape; report it with "
              "the run's specification, and try another model.attention or data.seq_len "
              "meanwhile.",
};

static const struct audit_info gradient = {
    .name = "gradient",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .what = "The gradient that this arm was trained by is the slope of its loss, at its own shape "
            "and in its own kernels: a gradient wrong by 1 % in one tensor shows.",
    .remedy = "No specification mends this: the backward pass is wrong for this shape; report it "
              "with the run's specification, and try another model.attention or data.seq_len "
              "meanwhile.",
};

static const struct audit_info detached = {
    .name = "detached",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .concerns = learns_by_kl,
    .moot = "no indexer of this arm is trained",
    .what = "Nothing but the indexer learns from the indexer's loss: without it all other "
            "gradients have the same bits.",
    .remedy = "No specification mends this: the indexer's loss reaches the model that it reads; "
              "report it with the run's specification, and compare nothing with the arm.",
};

static const struct audit_info replay = {
    .name = "replay",
    .scope = AUDIT_OF_ARM,
    .invalidates = true,
    .what = "Trained again from a checkpoint or from the start, a run gives the same bits.",
    .remedy = "No specification mends this: check the machine (memory, overclocking) and that "
              "program and libraries stayed the same, then retry the run and verify it.",
};

static const struct audit_info evaluation = {
    .name = "evaluation",
    .scope = AUDIT_OF_CELL,
    .invalidates = true,
    .what = "Evaluation looks at the windows that the specification names, by the model that is "
            "trained, without dropout and noise, and reports what the formulas give for them.",
    .remedy = "No specification mends this: the trainer evaluates wrongly; report it with the "
              "run's specification, and compare nothing until then.",
};

static const struct audit_info update = {
    .name = "update",
    .scope = AUDIT_OF_ARM,
    .invalidates = true,
    .what = "Each step changes the parameters once, as gradient, moments, learning rate, decay and "
            "clipping of the specification have it.",
    .remedy =
        "No specification mends this: the optimiser updates wrongly; report it with the run's "
        "specification, and try another train.optimizer meanwhile.",
};

static const struct audit_info finite = {
    .name = "finite",
    .scope = AUDIT_OF_RUN,
    .what = "No metric was NaN or infinite, nor was a parameter at a checkpoint.",
    .remedy = "Lower train.lr, or set train.grad_clip (1) and train.warmup_steps.",
};

static const struct audit_info indexer_learns = {
    .name = "indexer_learns",
    .scope = AUDIT_OF_CELL,
    .concerns = has_indexer,
    .moot = "this arm has no indexer",
    .what = "The trained indexer finds more of the dense attention's mass than it did untrained, "
            "and more than chance, and its loss on held-out text is lower.",
    .remedy = "Train the indexer: \"indexer_training\": \"kl\" with kl_weight above 0, more "
              "train.steps, or a dense_warmup_steps before it chooses.",
};

static const struct audit_info learned = {
    .name = "learned",
    .scope = AUDIT_OF_EXPERIMENT,
    .invalidates = true,
    .compares = true,
    .concerns = can_learn,
    .moot = "nothing can be learnt of uniform tokens",
    .what = "Both arms of a comparison predict validation better than how often each token, and "
            "each pair of tokens, occurs in training: what is compared has learnt something.",
    .remedy = "Train for more train.steps, or at another train.lr: where neither arm is below the "
              "unigram nothing is compared, and above the bigram little is.",
};

static const struct audit_info budget = {
    .name = "budget",
    .scope = AUDIT_OF_EXPERIMENT,
    .compares = true,
    .what = "Arms have about the same parameters, training operations a step, and tokens.",
    .remedy = "Give train.flops in the place of train.steps to compare at equal compute, or make "
              "the arms' sizes alike; the detail says what differs by how much.",
};

static const struct audit_info tuning = {
    .name = "tuning",
    .scope = AUDIT_OF_EXPERIMENT,
    .compares = true,
    .what = "Every arm was tried with as many configurations, and the chosen ones don't lie at "
            "the edge of what was tried.",
    .remedy = "Put train.lr into the grid with three values or more and name it in compare.tune; "
              "widen the range where the best one lies at its edge.",
};

static const struct audit_info selection = {
    .name = "selection",
    .scope = AUDIT_OF_EXPERIMENT,
    .compares = true,
    .what = "These specifications weren't run before, whatever the seeds: nobody can have chosen, "
            "among several experiments, the one that came out well.",
    .remedy = "Report the experiments that the detail names together with this one, or submit one "
              "experiment with all of the seeds and judge that.",
};

static const struct audit_info one_change = {
    .name = "one_change",
    .scope = AUDIT_OF_ARM,
    .compares = true,
    .what = "The arm differs from the baseline in one concern (attention, model size, "
            "regularisation, optimiser, data, budget, precision), which is what is compared.",
    .remedy =
        "Give each change an arm of its own; name in compare.allow the paths or concerns that "
        "are meant to differ beside it.",
};

static const struct audit_info same_environment = {
    .name = "same_environment",
    .scope = AUDIT_OF_EXPERIMENT,
    .compares = true,
    .what = "The runs of a seed, which are compared with one another, were trained by the same "
            "program and libraries on the same machine.",
    .remedy = "Differences are as small as rounding, but times don't compare: retry the runs that "
              "the detail names, or submit the experiment again after an upgrade or a move.",
};

static const struct audit_info power = {
    .name = "power",
    .scope = AUDIT_OF_EXPERIMENT,
    .compares = true,
    .what = "A difference of the margin, if there is one, would have been found with a chance of "
            "80 % or more.",
    .remedy = "Give more seeds: no claim is made below six pairs, and from there on needed_seeds "
              "says how many give that chance; or state a margin that these can resolve.",
};

#define ROW(id, name) [AUDIT_##id] = &name,
const struct audit_info *const audit_table[] = { AUDIT_LIST(ROW) };
#undef ROW

const struct audit_info *audit_find(const char *name)
{
    for (int i = 0; i < AUDITS; i++)
        if (strcmp(audit_table[i]->name, name) == 0)
            return audit_table[i];
    return NULL;
}

bool audit_concerns(const struct audit_info *info, const struct run_spec *spec)
{
    return info->concerns == NULL || info->concerns(spec);
}

bool audit_is_owed(const struct audit_info *info)
{
    return info->scope != AUDIT_OF_RUN && !info->compares;
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
