// What x can be, where a step stands on it, and the marks of a logarithmic axis. Pure: no document.

import { duration, integer, scaled, seconds, tick } from "../base/format.js";

const spelled = (value) => (value === 0 ? "0\u202fs" : value < 60 ? seconds(value) : duration(value));
const few = (text) => text.trim().replace(/\.0+(?=\u202f)/, ""); // 20 M, not 20.0 M
const large = (value) => few(scaled(value, ""));

/** {title, format(value), tick(value): shorter} */
const AXES = {
  step: { title: "step", format: integer, tick },
  tokens: { title: "tokens", format: integer, tick: large },
  flops: { title: "FLOPs", format: (value) => scaled(value, "FLOP"), tick: large },
  seconds: { title: "seconds of training", format: spelled, tick: (value) => few(spelled(value)) },
};
export const axis = (name) => AXES[name] ?? { title: name, format: integer, tick };

/** As a choice: [name, words]. */
export const X = [["step", "step"], ["tokens", "tokens"], ["flops", "FLOPs"], ["seconds", "seconds"]];

/** A round distance between an axis' marks. */
export const INCREMENTS = Array.from({ length: 28 }, (_, i) => i - 6).flatMap((power) =>
  (power < 1 ? [1, 2, 5] : [1, 2, 2.5, 5]).map((digit) => +(digit * 10 ** power).toPrecision(3)));
const CLOCK = [60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 432000, 864000];
export const increments = (name) => (name === "step" ? INCREMENTS.filter((one) => one >= 1)
  : name === "seconds" ? [...INCREMENTS.filter((one) => one < 60), ...CLOCK] : INCREMENTS);

function between(knots, at, from, to) {
  let i = 1, last = knots.length - 1;
  while (i < last) { // the first knot that isn't before it, or the last
    const middle = (i + last) >> 1;
    if (knots[middle][from] < at) i = middle + 1;
    else last = middle;
  }
  const a = knots[i - 1], b = knots[i];
  return a[to] + ((b[to] - a[to]) * (at - a[from])) / (b[from] - a[from] || 1);
}

/** An arm's steps on an axis: straight lines between knots [step, x], beyond the last one as just before it. */
export class Scale {
  constructor(knots) {
    this.knots = knots;
    this.stamp = String(knots[knots.length - 1]);
  }

  x(step) {
    return between(this.knots, step, 0, 1);
  }

  step(x) {
    return between(this.knots, x, 1, 0);
  }
}

/** Seconds from the seconds that each step took: a column of means over the steps of a cell. */
function secondsKnots({ step, mean }) {
  const knots = [[0, 0]];
  let sum = 0, before = 0;
  step.forEach((at, i) => {
    if (!Number.isFinite(mean[i]) || at <= before) return;
    sum += mean[i] * (at - before);
    before = at;
    knots.push([at, sum]);
  });
  return knots;
}

/**
 * The scale of an arm at a grid point; undefined while it isn't known, null for steps themselves. tokens: of so many
 * steps; flops: up to steps between which they grow evenly; time: what was measured of time/step_s.
 */
export function scaleOf(name, { tokens, steps, flops, time }) {
  if (name === "step") return null;
  if (name === "tokens") return tokens > 0 && steps > 0 ? new Scale([[0, 0], [steps, tokens]]) : undefined;
  if (name === "flops") return flops?.length > 1 ? new Scale(flops) : undefined;
  const knots = time ? secondsKnots(time) : [];
  return knots.length > 1 ? new Scale(knots) : undefined;
}

/** A curve or a series with its steps where a scale has them; `steps` keeps what they are. */
export const onScale = (curve, scale) => (scale && curve
  ? Object.create(curve, { step: { value: curve.step.map((step) => scale.x(step)) }, steps: { value: curve.step } })
  : curve);

/** Round numbers in a logarithmic range, few over decades, more within one. */
export function logTicks(low, high) {
  const found = [], decades = Math.log10(high / low);
  if (decades < 0.5) { // within one decade and close: plain round steps read best
    const step = 10 ** Math.floor(Math.log10((high - low) / 2));
    const stride = [1, 2, 5, 10].find((m) => (high - low) / (m * step) <= 6) * step;
    for (let value = Math.ceil(low / stride) * stride; value <= high; value += stride)
      found.push(+value.toPrecision(8));
    return found;
  }
  const digits = decades > 4 ? [1] : decades > 2 ? [1, 3] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of digits) {
      const value = +(digit * 10 ** power).toPrecision(8);
      if (value >= low && value <= high) found.push(value);
    }
  return found;
}
