// Cancel, retry and priority of many runs: one request where the daemon knows that, else one a run.

import { able } from "../base/able.js";
import { gate, post } from "../base/api.js";

const AT_ONCE = 3;
const limited = gate(AT_ONCE);

/**
 * action: "cancel", "retry" or "priority". Returns {changed: how many, refused: how many couldn't, why: the reason of
 * the first one}.
 */
export async function actOnRuns(action, ids, { priority } = {}) {
  if (ids.length > 1 && await able("post", "runs")) {
    const done = await post("runs", { action, ids, ...(action === "priority" && { priority }) });
    const refused = ids.length - done.changed - done.unchanged;
    return { changed: done.changed + done.unchanged, refused, why: done.refused[0]?.reason ?? "" };
  }
  const body = action === "priority" ? { priority } : undefined;
  const results = await Promise.allSettled(ids.map((id) => limited(() => post(`runs/${id}/${action}`, body))));
  const refused = results.filter(({ status }) => status === "rejected");
  return { changed: ids.length - refused.length, refused: refused.length, why: refused[0]?.reason.message ?? "" };
}

/** All that waits of an experiment, and what is added to it later where the daemon knows that. */
export async function prioritize(experiment, runs, priority) {
  if (!await able("post", "experiments/{id}/priority"))
    return actOnRuns("priority", runs.map(({ id }) => id), { priority });
  await post(`experiments/${experiment}/priority`, { priority });
  return { changed: runs.length, refused: 0, why: "" };
}
