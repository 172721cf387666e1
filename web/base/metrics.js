// What is known of metrics: the daemon's table (GET /api/v1/metrics), learned before the first view. A run may have
// been measured by another version of Ablate: a metric that the table lacks is shown by its name.

import { percent, seconds, short, significant, tick, fixed } from "./format.js";

// The page's own choices among them.
export const JUDGED = "val/loss"; // what an audit tells by position
export const CURVES = ["val/loss", "val/accuracy", "train/loss"]; // drawn before anybody has chosen
export const BESIDE = ["val/accuracy", "test/loss", "time/step_s"]; // in the result's table, beside what is compared
export const FINAL = ["val/loss", "val/accuracy", "test/loss", "test/accuracy"]; // among the facts of a run

const FORMATS = {
  decimal: { format: fixed(4), tick },
  significant: { format: significant, tick },
  short: { format: short, tick },
  share: { format: percent, tick: (value) => `${+(value * 100).toPrecision(4)}%` },
  seconds: { format: seconds, tick: seconds },
};

const known = new Map();

/** Takes the table's rows, in the order in which people are shown them. */
export function learn(rows) {
  for (const row of rows) known.set(row.name, { ...row, ...FORMATS[row.format], place: known.size });
}

/** {name, title, unit, clock, format(value), tick(value): shorter, for an axis} */
export const metric = (name) => known.get(name) ??
  { name, title: name, unit: "", clock: false, place: Infinity, ...FORMATS.significant };

/** Orders names as the table does; those it lacks at the end, by name. */
export function byPlace(a, b) {
  const [x, y] = [metric(a).place, metric(b).place];
  return x === y ? (a < b ? -1 : 1) : x - y;
}

/** Measured at an evaluation, after which the report may be another one. */
export const isEvaluated = (name) => name.startsWith("val/") || name.startsWith("test/");
