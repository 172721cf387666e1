// What is compared with what: a list of experiments, arms and runs, as the address has it, and the lines that it makes:
// one for each arm at each grid point, over its seeds.

import { get, list } from "../base/api.js";
import { armSpec } from "../base/differences.js";
import { gridKey, gridPoint } from "../base/format.js";

const RUNS = 1000; // of an experiment

/** "e1,r17,e3:arm%20one" → [{kind: "e" | "r", id, arm}]; what can't be read is left out. */
export function readList(text) {
  return (text ?? "").split(",").map((one) => /^([er])(\d+)(?::(.+))?$/.exec(one)).filter(Boolean)
    .map(([, kind, id, arm]) => ({ kind, id: Number(id), arm: arm === undefined ? null : decodeURIComponent(arm) }));
}
export const nameOf = ({ kind, id, arm }) => `${kind}${id}${arm === null ? "" : `:${encodeURIComponent(arm)}`}`;
export const writeList = (items) => items.map(nameOf).join(",");

/** The specification of an arm at a grid point, without what only an experiment has. */
export function specAt(spec, arm, grid) {
  const { name, notes, hypothesis, tags, compare, priority, max_attempts, ...rest } = armSpec(spec, arm);
  return armSpec({ ...rest, arms: { here: grid } }, "here");
}

/** Lines of one item: [{item, experiment, arm, grid, runs, spec}]. */
async function linesOf(item, signal) {
  const run = item.kind === "r" ? await get(`runs/${item.id}`, {}, signal) : null;
  const experiment = await get(`experiments/${run?.experiment_id ?? item.id}`, {}, signal);
  const made = (arm, grid, runs) => ({ item, experiment, arm, grid, runs, spec: specAt(experiment.spec, arm, grid) });
  if (run) return [made(run.arm, run.grid, [run])];
  const { items: runs } = await list("runs", { experiment: item.id, page_size: RUNS }, signal, RUNS);
  const chosen = runs.filter((one) => item.arm === null || one.arm === item.arm);
  const groups = Map.groupBy(chosen, (one) => JSON.stringify([one.arm, gridKey(one.grid)]));
  return [...groups.values()].map((own) => made(own[0].arm, own[0].grid, own))
    .sort((a, b) => experiment.arms.indexOf(a.arm) - experiment.arms.indexOf(b.arm));
}

/** All lines, {lines, missing: items that aren't there}; the first `most` of them. */
export async function resolve(items, signal, most) {
  const results = await Promise.allSettled(items.map((item) => linesOf(item, signal)));
  const failed = results.find(({ status, reason }) => status === "rejected" && reason.status !== 404);
  if (failed) throw failed.reason;
  const lines = results.flatMap(({ value }) => value ?? []);
  const several = new Set(lines.map((one) => one.experiment.id)).size > 1;
  for (const line of lines.slice(0, most)) {
    const parts = [line.arm, gridPoint(line.grid)];
    if (line.item.kind === "r") parts.push(`run ${line.item.id}`);
    line.title = parts.filter(Boolean).join(", ") + (several ? ` (${line.experiment.name})` : "");
  }
  return { lines: lines.slice(0, most), left: Math.max(0, lines.length - most),
    missing: items.filter((_, i) => results[i].status === "rejected") };
}
