/* Of the audits that warn, two change what a claim means rather than what its runs are worth: that
 * more than one thing was changed, and that seeds may have been chosen. Those stand in the sentence;
 * others stand beside it. */
#include "server/verdict/doubts.h"

#include "common/audit/audits.h"
#include "common/spec/metrics.h"
#include "server/objects/objects.h"

static void say_change(const struct study *s, const struct statement *c, struct buf *to)
{
    if (c->change == NULL)
        return;
    json_t *evidence = objects_embed(c->change->evidence);
    const json_t *concerns = json_object_get(evidence, "concerns");
    size_t n = json_array_size(concerns);
    buf_addf(to, "; but it differs from %s in ", s->compare.baseline);
    for (size_t i = 0; i < n; i++)
        buf_addf(to, "%s%s",
                 i == 0       ? ""
                 : i + 1 == n ? " and "
                              : ", ",
                 json_string_value(json_array_get(concerns, i)));
    buf_adds(to, ", and which of them did it isn't known");
    json_decref(evidence);
}

static void say_unaudited(const struct statement *c, struct buf *to)
{
    size_t n = 0;
    for (int a = 0; a < AUDITS; a++)
        if ((c->unaudited & 1u << a) != 0)
            buf_addf(to, "%s%s", n++ > 0 ? ", " : "; but not audited for both arms everywhere: ",
                     audit_table[a]->name);
}

/* Under another goal than the metric's own the words of a verdict mean their opposites. Submissions
 * are refused for it today. */
static void say_goal(const struct study *s, const struct statement *c, struct buf *to)
{
    const struct metric_info *metric = metric_find(s->compare.judged);
    const enum metric_goal goal = s->compare.maximise ? AIM_MAX : AIM_MIN;
    if (metric != NULL && metric->goal != AIM_NEITHER && metric->goal != goal &&
        c->verdict != VERDICT_EQUIVALENT)
        buf_addf(to, "; but its compare.goal has it that %s %s is better",
                 s->compare.maximise ? "more" : "less", metric->name);
}

void doubts_say(const struct study *study, const struct statement *claim, struct buf *to)
{
    if (!claim_is_made(claim))
        return;
    say_goal(study, claim, to);
    say_change(study, claim, to);
    say_unaudited(claim, to);
}

void doubts_say_elsewhere(const struct statement *claim, struct buf *to)
{
    if (claim_is_made(claim) && claim->selection != NULL && claim->selection->detail != NULL)
        buf_addf(to, " %s.", claim->selection->detail);
}
