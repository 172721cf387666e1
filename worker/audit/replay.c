/* A checkpoint and the losses of the steps after it are put aside in the middle of training; at its
 * end the same steps are trained again from there. */
#include "worker/audit/replay.h"

#include "worker/optim/optim.h"

#include <string.h>

void replay_plan(struct replay *replay, int64_t steps)
{
    *replay = (struct replay){ 0 };
    if (steps < 2)
        return;
    replay->from = steps / 2;
    replay->to = replay->from + REPLAY_STEPS < steps ? replay->from + REPLAY_STEPS : steps;
}

int replay_note(struct replay *replay, const char *folder, struct params *params,
                const struct checkpoint_origin *origin, int64_t step, double loss, struct err *err)
{
    struct checkpoint made;
    if (step == replay->from) {
        int status = checkpoint_save(folder, params, step, origin, &made, err);
        replay->saved = status == 0;
        return status;
    }
    if (!replay->saved || step < replay->from || step > replay->to)
        return 0;
    replay->losses[step - replay->from - 1] = loss;
    if (step == replay->to)
        params_digest(params, replay->digest);
    return 0;
}

static void keep_reason(void *arg, const char *file, const struct err *why)
{
    (void)file;
    *(struct err *)arg = *why;
}

/* Two NaNs agree in them, 0 and −0 don't. */
static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

int replay_check(struct replay *replay, const char *folder, struct model *model, struct data *data,
                 const struct run_spec *spec, const struct checkpoint_origin *origin,
                 int32_t *windows, struct err *err)
{
    struct params *params = model_params(model);
    struct err refused = { 0 };
    char digest[DIGEST_HEX];
    struct checkpoint_found found;
    int status = checkpoint_load(folder, params, origin, keep_reason, &refused, &found, err);
    if (status == 0 && found.step != replay->from)
        status = err_set(err, ERR_BAD_DATA, "the checkpoint of step %lld was refused: %s",
                         (long long)replay->from,
                         refused.message[0] != '\0' ? refused.message : "it is missing");
    for (int64_t step = replay->from + 1; status == 0 && step <= replay->to; step++) {
        struct model_stats stats;
        struct optim_stats ignored;
        status = data_windows(data, step, windows, err);
        if (status != 0)
            break;
        model_step(model, windows, step, &stats);
        optim_step(&spec->train, params, step, model_pool(model), &ignored);
        if (replay->differs == 0 &&
            bits_of(stats.loss) != bits_of(replay->losses[step - replay->from - 1]))
            replay->differs = step;
    }
    if (status != 0)
        return status;
    params_digest(params, digest);
    replay->other_digest = strcmp(digest, replay->digest) != 0;
    return 0;
}
