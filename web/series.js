// Series of one metric, and what is drawn of them. Pure: no document, so that node can test it.
//
// A Series is a list of buckets in ascending order: {first, last step, min, max, mean, count of finite
// values, nonfinite}. A raw point is a bucket of one. The API answers with raw points or, for a long
// series, with merged buckets; live points are appended, and neighbours merged in pairs when there are
// more than twice `limit`, so a page may stay open for a run of any length. Merging is exact for
// everything that is drawn: min, max, the mean, and the number of values that aren't finite.

import { number } from "./format.js";

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

/** Exponential moving average without the bias of its start; gaps stay gaps. */
export function smooth(values, weight) {
  if (!(weight > 0)) return values;
  let sum = 0, norm = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return value;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

/**
 * What is drawn of one arm: its seeds, their mean, and how many seeds that mean stands for.
 * `whole` is the mean where every seed that has begun has a value, `part` where some haven't (they
 * overlap by a point, so that the lines join). low and high, for bucketed series, bound all seeds.
 */
export function bundle(series, xs, weight = 0) {
  const begun = series.filter((one) => one.length > 0);
  const bucketed = begun.some((one) => one.bucketed);
  const seeds = begun.map((one) => column(one, xs, one.mean));
  const smoothed = begun.map((one) => smooth(column(one, xs, one.mean, bucketed && begun.length > 1), weight));
  const n = xs.map((_, i) => smoothed.reduce((sum, values) => sum + (Number.isFinite(values[i]) ? 1 : 0), 0));
  const mean = xs.map((_, i) => {
    if (n[i] > 0) return smoothed.reduce((sum, values) => sum + (Number.isFinite(values[i]) ? values[i] : 0), 0) / n[i];
    return smoothed.some((values) => values[i] === null) ? null : undefined;
  });
  const known = xs.map((_, i) => mean[i] !== undefined);
  const whole = mean.map((value, i) => (n[i] === begun.length || !known[i] ? value : null));
  const part = xs.map((_, i) => (known[i] ? null : undefined));
  let before = -1; // the last step with a mean
  for (let i = 0; i < xs.length; i++) {
    if (!known[i]) continue;
    if (n[i] > 0 && n[i] < begun.length) {
      part[i] = mean[i];
      if (before >= 0 && part[before] === null) part[before] = mean[before];
    } else if (before >= 0 && n[before] > 0 && n[before] < begun.length) part[i] = mean[i];
    before = i;
  }
  const bound = (pick, values) => (!bucketed ? null : xs.map((_, i) => {
    const all = values.map((one) => one[i]).filter(Number.isFinite);
    return all.length > 0 ? pick(...all) : undefined;
  }));
  return {
    begun: begun.length, seeds, mean, whole, part, n, bucketed,
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
