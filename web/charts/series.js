// Series of one metric, and what is drawn of them. Pure: no document, so that node can test it.
//
// A Series is a run's, an ArmCurve what the daemon has summed up over the seeds of an arm (its columns, as
// GET experiments/{id}/curves gives them). Charts draw either by what bundle() and whole() make of them.
//
// A Series is a list of buckets in ascending order: {first, last step, min, max, mean, count of finite
// values, nonfinite}. A raw point is a bucket of one. The API answers with raw points or, for a long
// series, with merged buckets; live points are appended, and neighbours merged in pairs when there are
// more than twice `limit`, so a page may stay open for a run of any length. Merging is exact for
// everything that is drawn: min, max, the mean, and the number of values that aren't finite.

import { number } from "../base/format.js";

export class Series {
  constructor(limit = 1000) {
    this.limit = limit;
    this.version = 0; // grows with every change
    this.clear();
  }

  clear() {
    Object.assign(this, { first: [], step: [], min: [], max: [], mean: [], count: [], bad: [] });
    Object.assign(this, { raw: 0, bucketed: false });
  }

  get length() {
    return this.step.length;
  }

  get nonfinite() {
    return this.bad.reduce((sum, n) => sum + n, 0);
  }

  get lastStep() {
    return this.length > 0 ? this.step[this.length - 1] : -Infinity;
  }

  /** The mean of the last bucket: for raw points, the last value. NaN when it wasn't finite. */
  get lastValue() {
    return this.length > 0 ? this.mean[this.length - 1] ?? NaN : undefined;
  }

  #append(first, step, min, max, mean, count, bad) {
    this.version++;
    this.first.push(first);
    this.step.push(step);
    this.min.push(count > 0 ? min : null);
    this.max.push(count > 0 ? max : null);
    this.mean.push(count > 0 ? mean : null);
    this.count.push(count);
    this.bad.push(bad);
  }

  /** Replaces everything by an answer of the API; points that came live meanwhile stay. */
  load({ raw, points, buckets }) {
    const live = this.step.map((step, i) => ({ step, i }));
    const old = { ...this };
    this.clear();
    for (const [first, last, min, max, mean, count, bad] of buckets ?? [])
      this.#append(first, last, number(min), number(max), number(mean), count, bad);
    this.bucketed = buckets !== undefined;
    this.push(points ?? []);
    this.raw = raw ?? this.length;
    const end = this.lastStep;
    for (const { step, i } of live)
      if (step > end) {
        this.#append(old.first[i], step, old.min[i], old.max[i], old.mean[i], old.count[i], old.bad[i]);
        this.raw += old.count[i] + old.bad[i];
      }
  }

  /** Appends [[step, value]], leaving out what is already there. */
  push(points) {
    let end = this.lastStep;
    for (const [step, given] of points) {
      if (step <= end) continue;
      const value = number(given), finite = Number.isFinite(value) ? 1 : 0;
      this.#append(step, step, value, value, value, finite, 1 - finite);
      this.raw++;
      end = step;
    }
    while (this.length > 2 * this.limit) this.#halve();
  }

  #halve() {
    const { first, step, min, max, mean, count, bad, raw } = this;
    this.clear();
    for (let i = 0; i < step.length; i += 2) {
      const j = Math.min(i + 1, step.length - 1);
      if (i === j || count[i] === 0 || count[j] === 0) {
        const k = count[j] > 0 ? j : i, both = i === j ? 0 : 1;
        this.#append(first[i], step[j], min[k], max[k], mean[k], count[i] + both * count[j], bad[i] + both * bad[j]);
        continue;
      }
      const n = count[i] + count[j];
      this.#append(first[i], step[j], Math.min(min[i], min[j]), Math.max(max[i], max[j]),
        (mean[i] * count[i] + mean[j] * count[j]) / n, n, bad[i] + bad[j]);
    }
    this.raw = raw;
    this.bucketed = true;
  }
}

/** All steps at which any of the series has something, ascending. */
export function steps(series) {
  const longest = series.reduce((a, b) => (b.length > (a?.length ?? 0) ? b : a), null);
  if (longest === null) return [];
  const known = new Set(longest.step);
  let more = false;
  for (const one of series)
    for (const step of one.step)
      if (!known.has(step)) {
        known.add(step);
        more = true;
      }
  return more ? [...known].sort((a, b) => a - b) : longest.step.slice();
}

/** The steps at xs, where x is something else. */
const stepsAt = (curve, xs) => (curve.steps ? column(curve, xs, curve.steps, true) : xs);

/**
 * One column of a series over `xs`: undefined where it has nothing, null where a value isn't finite.
 * `between` fills in linearly between its own steps, for series whose buckets differ.
 */
export function column(series, xs, values, between = false) {
  const { step } = series;
  let j = 0;
  return xs.map((x) => {
    while (j < step.length && step[j] < x) j++;
    if (j === step.length) return undefined;
    if (step[j] === x) return values[j];
    if (!between || j === 0 || values[j] === null || values[j - 1] === null) return undefined;
    return values[j - 1] + (values[j] - values[j - 1]) * ((x - step[j - 1]) / (step[j] - step[j - 1]));
  });
}

/**
 * Exponential moving average without the bias of its start; gaps stay gaps. What was `unit` steps ago weighs `weight`
 * times as much as what is here, however many points lie between: a curve that comes at another resolution, after a
 * reload, say, is smoothed alike.
 */
export function smooth(values, weight, xs, unit = 1) {
  if (!(weight > 0)) return values;
  let sum = 0, norm = 0, before = null;
  return values.map((value, i) => {
    if (value === null || value === undefined) return value;
    const x = xs?.[i] ?? i, kept = weight ** ((before === null ? unit : x - before) / unit);
    before = x;
    sum = kept * sum + (1 - kept) * value;
    norm = kept * norm + (1 - kept);
    return sum / norm;
  });
}

/**
 * The line that is nearest to the pointer, {arm, kind, label, i, value}, i the place in xs of a value of its own; null
 * when none is within `most` pixels. Where there is none, the band that the pointer is in. at: a place in xs near x; px
 * turns a value into pixels, y is the pointer's.
 */
export function nearest(lines, xs, at, x, { y, most, px }) {
  let best = null, close = most;
  const ends = (values) => { // the places of values around x, or the same twice
    let a = xs[at] <= x ? at : at - 1, b = xs[at] >= x ? at : at + 1;
    while (a >= 0 && values[a] === undefined) a--;
    while (b < xs.length && values[b] === undefined) b++;
    return [a, b].filter((i) => Number.isFinite(values[i]));
  };
  const level = (values, [a, b = a]) => (xs[a] === xs[b] ? values[a]
    : values[a] + ((values[b] - values[a]) * (x - xs[a])) / (xs[b] - xs[a]));
  const found = ({ arm, kind, label, values }, [a, b = a]) => {
    const i = Math.abs(xs[a] - x) <= Math.abs(xs[b] - x) ? a : b;
    return { arm, kind, label, i, value: values[i] };
  };
  for (const line of lines) {
    if (line.kind === "high" || line.kind === "low") continue;
    const around = ends(line.values);
    if (around.length === 0) continue;
    const apart = Math.abs(px(level(line.values, around)) - y);
    if (apart > close || (apart === close && best)) continue;
    close = apart;
    best = found(line, around);
  }
  if (best) return best;
  for (const [i, high] of lines.entries()) {
    if (high.kind !== "high") continue;
    const [above, below] = [high, lines[i + 1]].map(({ values }) => [values, ends(values)]);
    if (above[1].length === 0 || below[1].length === 0) continue;
    const inside = px(level(...above)) <= y && y <= px(level(...below));
    if (inside) return { ...found(high, above[1]), kind: "band", label: undefined };
  }
  return null;
}

/** An x axis of so many steps is smoothed in units of this many. */
export const smoothingUnit = (until) => Math.max(1, until / 500);

const COLUMNS = [
  "first", "step", "n", "complete", "mean", "sd", "t95_low", "t95_high", "min", "max", "count", "nonfinite",
];

/** What the daemon has summed up of one arm at one grid point. */
export class ArmCurve {
  constructor({ arm, grid }) {
    Object.assign(this, { arm, grid, runs: 0, open: 0, width: 1, version: 0 });
    for (const name of COLUMNS) this[name] = [];
  }

  get length() {
    return this.step.length;
  }

  get lastStep() {
    return this.length > 0 ? this.step[this.length - 1] : -Infinity;
  }

  /** Takes what the daemon tells of it: everything from step `from` on (null: no cell has changed). */
  apply(told, width, from = told.from) {
    this.version++;
    Object.assign(this, { runs: told.runs, open: told.open, width });
    if (from === null) return;
    const steps = this.step;
    let kept = steps.length;
    while (kept > 0 && steps[kept - 1] >= from) kept--;
    for (const name of COLUMNS) {
      const column = told[name] ?? (name === "first" ? told.step : told.n);
      this[name].length = kept;
      for (const value of column) this[name].push(number(value) ?? null);
    }
  }
}

/** The mean where it stands for everything, and the dashed one where it doesn't; they overlap by a point, to join. */
function split(mean, isWhole) {
  const known = mean.map((value) => value !== undefined);
  const whole = mean.map((value, i) => (isWhole(i) || !known[i] ? value : null));
  const part = mean.map((_, i) => (known[i] ? null : undefined));
  let before = -1; // the last step with a mean
  for (let i = 0; i < mean.length; i++) {
    if (!known[i]) continue;
    if (mean[i] !== null && !isWhole(i)) {
      part[i] = mean[i];
      if (before >= 0 && part[before] === null) part[before] = mean[before];
    } else if (before >= 0 && mean[before] !== null && !isWhole(before)) part[i] = mean[i];
    before = i;
  }
  return { whole, part };
}

const BANDS = {
  range: ["min", "max"],
  interval: ["t95_low", "t95_high"],
  sd: ["sd", "sd"],
};

/**
 * What is drawn of an arm's curve, as bundle() says it. The mean is `whole` where every seed that there is has got that
 * far. band: "range", "sd", "interval" (pointwise, 95 %) or "none". Single seeds, if there are any here, lie beneath.
 */
export function armBundle(curve, seeds, xs, { weight = 0, unit = 1, band = "range" } = {}) {
  const at = (values) => column(curve, xs, values), measured = at(curve.mean);
  const mean = smooth(measured, weight, stepsAt(curve, xs), unit), n = at(curve.complete).map((value) => value ?? 0);
  const bounds = BANDS[band]?.map((name, side) => at(name !== "sd" ? curve[name]
    : curve.sd.map((sd, i) => (sd === null ? null : curve.mean[i] + (side === 0 ? -sd : sd)))));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const drawn = seeds.filter((one) => one.length > 0), lines = drawn.map((one) => column(one, xs, one.mean));
  return {
    labels: drawn.map(({ label }) => label),
    begun: curve.runs, open: curve.open, seeds: weight > 0 && lines.length === 0 ? [measured] : lines, mean, n,
    ...split(mean, (i) => n[i] === curve.runs), bucketed: curve.width > 1,
    low: bounds?.[0] ?? null, high: bounds?.[1] ?? null,
    bad: curve.step.filter((_, i) => curve.nonfinite[i] > 0), nonfinite: sum(curve.nonfinite),
    width: curve.width, drawn: curve.length, raw: curve.length,
  };
}

/**
 * What is drawn of one arm: its seeds, their mean, and how many seeds that mean stands for.
 * `whole` is the mean where every seed that has begun has a value, `part` where some haven't (they
 * overlap by a point, so that the lines join). low and high, for bucketed series, bound all seeds.
 */
export function bundle(series, xs, weight = 0, unit = 1) {
  const begun = series.filter((one) => one.length > 0);
  const bucketed = begun.some((one) => one.bucketed);
  const seeds = begun.map((one) => column(one, xs, one.mean));
  const smoothed = begun.map((one) =>
    smooth(column(one, xs, one.mean, bucketed && begun.length > 1), weight, stepsAt(one, xs), unit));
  const n = xs.map((_, i) => smoothed.reduce((sum, values) => sum + (Number.isFinite(values[i]) ? 1 : 0), 0));
  const mean = xs.map((_, i) => {
    if (n[i] > 0) return smoothed.reduce((sum, values) => sum + (Number.isFinite(values[i]) ? values[i] : 0), 0) / n[i];
    return smoothed.some((values) => values[i] === null) ? null : undefined;
  });
  const bound = (pick, values) => (!bucketed ? null : xs.map((_, i) => {
    const all = values.map((one) => one[i]).filter(Number.isFinite);
    return all.length > 0 ? pick(...all) : undefined;
  }));
  return {
    labels: begun.map(({ label }) => label), begun: begun.length, open: 0, seeds, mean, n, bucketed, width: 1,
    ...split(mean, (i) => n[i] === begun.length || n[i] === 0),
    low: bound(Math.min, begun.map((one) => column(one, xs, one.min, begun.length > 1))),
    high: bound(Math.max, begun.map((one) => column(one, xs, one.max, begun.length > 1))),
    bad: [...new Set(begun.flatMap((one) => one.step.filter((_, i) => one.bad[i] > 0)))],
    nonfinite: begun.reduce((sum, one) => sum + one.nonfinite, 0),
    drawn: begun.reduce((sum, one) => sum + one.length, 0),
    raw: begun.reduce((sum, one) => sum + one.raw, 0),
  };
}

/** Least and greatest of the columns for xs in [from, to]; positive values only when `log`. */
export function extent(columns, xs, from, to, log) {
  let low = Infinity, high = -Infinity;
  for (const values of columns)
    for (let i = 0; i < xs.length; i++) {
      const value = values[i];
      if (!Number.isFinite(value) || xs[i] < from || xs[i] > to || (log && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return low <= high ? [low, high] : null;
}
