// The specification that is being written, kept over reloads, and from what it began: a preset, or a clone.

import { get } from "../base/api.js";
import { metric } from "../base/metrics.js";
import { withoutDefaults } from "./schema_help.js";

const DRAFT = "ablate.draft";

export const pretty = (value) => JSON.stringify(value, null, 2)
  .replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => `[${items.replace(/\s*\n\s*/g, " ")}]`);

/** {text, edited, clone: "7", "r17" or null} */
export function readDraft() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(DRAFT));
    return kept && typeof kept.text === "string" ? kept : null;
  } catch {
    return null;
  }
}
export const keepDraft = (draft) => sessionStorage.setItem(DRAFT, JSON.stringify(draft));
export const forgetDraft = () => sessionStorage.removeItem(DRAFT);

/** One run as an experiment of its own: its arm, its grid point, its seed. */
function alone(spec, run) {
  const { arm, grid, seed } = run, { metric, goal } = spec.compare;
  return { ...spec, arms: { [arm]: spec.arms[arm] ?? {} }, seeds: [seed], compare: { metric, goal },
    grid: Object.fromEntries(Object.entries(grid).map(([path, value]) => [path, [value]])) };
}

/** Without a goal that is the metric's own, which goes without saying. */
function withoutGoal(spec) {
  const { goal, ...compare } = spec.compare;
  return goal === metric(compare.metric).goal ? { ...spec, compare } : spec;
}

/**
 * The specification of an experiment ("7") or a run ("r17"), without what is the default anyway:
 * {spec, parent: the experiment's id, remembers: does the daemon keep the parent, title, link}.
 */
export async function cloned(what, schema, signal) {
  const run = what.startsWith("r") ? await get(`runs/${what.slice(1)}`, {}, signal) : null;
  const experiment = await get(`experiments/${run?.experiment_id ?? what}`, {}, signal);
  const spec = withoutGoal(run ? alone(experiment.spec, run) : experiment.spec);
  return {
    spec: withoutDefaults(schema, spec), parent: experiment.id, remembers: "parent" in experiment,
    title: run ? `run ${run.id} of \u201c${experiment.name}\u201d` : `\u201c${experiment.name}\u201d`,
    link: run ? `#/runs/${run.id}` : `#/experiments/${experiment.id}`,
  };
}
