// A chart of one metric: arms in colours, seeds as thin lines, their mean as a thick one.
//
// What is drawn, from back to front: a band (from least to greatest, say), the seeds, the mean (dashed where
// not every seed has got that far), a mark at each point of
// a sparse mean (a shape an arm, so that colour is never the only difference), and at the top edge a
// triangle for every step that had a value that isn't finite. Under it a legend that reads the values
// under the cursor, or the last ones. Arrow keys move the cursor, + and - zoom, Escape shows all.
//
// uPlot is rebuilt when its list of lines changes and is otherwise only given new data.

import uPlot from "../lib/uPlot.js";
import { h, setAttribute, setText } from "../base/dom.js";
import { integer, plural, tick } from "../base/format.js";
import { metric as about } from "../base/metrics.js";
import { swatch } from "../parts/parts.js";
import { armBundle, bundle, extent, smoothingUnit, steps } from "./series.js";
import { colorOf, shapeOf, tracePath } from "../base/shapes.js";

const SPARSE = 60; // up to so many points each gets its mark
const LINES = { band: 0, seed: 1, mean: 2, part: 1.5 };

// Asked for once a theme: a chart of forty arms needs hundreds of them each time it is drawn.
const known = new Map();
addEventListener("ablate:theme", () => known.clear());
function css(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return known.get(name);
}
const alpha = (color, share) => `color-mix(in srgb, ${color} ${share * 100}%, transparent)`;

// Of the axis of steps.
const STEPS = [
  1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500,
  1e3, 2e3, 2.5e3, 5e3, 1e4, 2e4, 2.5e4, 5e4, 1e5, 2e5, 5e5, 1e6,
];

/** How many seeds a mean stands for, and whether that is all there will be. */
const seedsText = (n, runs, open) => (n < runs
  ? `n\u2009=\u2009${n} of ${runs}${open > 0 ? ", not comparable yet" : ""}` : `n\u2009=\u2009${n}`);

/** Paints a view's charts (a Map) again when the theme changes, and ends them with the view. */
export function tend(charts, signal) {
  addEventListener("ablate:theme", () => charts.forEach((chart) => chart.paint(chart.domain, true)), { signal });
  signal.addEventListener("abort", () => charts.forEach((chart) => chart.destroy()));
}

export class Chart {
  /**
   * group: what charts have in common: {sync: key, seeds: are there several, zoom: [from, to] | null, onzoom()}.
   * axis: what x is. Arms are given to prepare() in the legend's order: [{name, place, curve, series: [Series]}],
   * place the arm's among those of the experiment: its colour and mark; curve: an ArmCurve, beneath which the series
   * are single seeds; without one their mean is drawn.
   */
  constructor({ metric, title, group, axis = "step", compact = false }) {
    Object.assign(this, { metric: about(metric), group, axis, compact, signature: "", domain: null, arms: [] });
    this.plot = h("div.plot", { tabindex: "0", role: "img" });
    this.caption = h("span.caption");
    this.legend = h("dl.legend");
    const name = title ?? this.metric.title;
    this.element = h("figure.chart", null,
      h("figcaption", null, h("span.chart-title", { title: name }, name), this.caption),
      this.plot, this.legend);
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    // what the arrow keys find is read out
    this.plot.addEventListener("focus", () => this.legend.setAttribute("aria-live", "polite"));
    this.plot.addEventListener("blur", () => this.legend.removeAttribute("aria-live"));
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.plot);
  }

  destroy() {
    this.observer.disconnect();
    this.uplot?.destroy();
    this.element.remove();
  }

  /** Works out the data; the y range that it would like is in `wanted` until paint(domain). */
  prepare(arms, { log, weight, until, band }) {
    const stamp = JSON.stringify([log, weight, until, band, this.group.zoom,
      arms.map(({ name, hidden, curve, series }) =>
        [name, hidden, curve?.id, curve?.version, curve?.open, curve?.runs, series.map((one) => one.version)])]);
    this.stale = stamp !== this.stamp;
    if (!this.stale) return;
    this.stamp = stamp;
    const hidden = new Set(arms.filter((arm) => arm.hidden));
    const sources = (arm) => (arm.curve ? [arm.curve, ...arm.series] : arm.series);
    this.arms = arms.filter((arm) => !hidden.has(arm) && sources(arm).some((one) => one.length > 0));
    this.xs = steps(this.arms.flatMap(sources));
    this.log = log;
    this.until = until;
    const dense = this.xs.length > SPARSE;
    this.weight = dense ? weight : 0; // smoothing a handful of points would only hide them
    const unit = smoothingUnit(until || this.xs[this.xs.length - 1] || 1);
    this.bundles = this.arms.map(({ curve, series }) => (curve
      ? armBundle(curve, series, this.xs, { weight: this.weight, unit, band })
      : bundle(series, this.xs, this.weight, unit)));
    this.lines = [];
    this.arms.forEach((arm, a) => {
      const made = this.bundles[a], add = (kind, values) => this.lines.push({ arm: a, kind, values });
      if (made.low) {
        add("high", made.high);
        add("low", made.low);
      }
      if (made.begun > 1 || this.weight > 0) for (const values of made.seeds) add("seed", values);
      add("mean", made.whole);
      if (made.begun > 1) add("part", made.part);
    });
    if (log)
      for (const line of this.lines)
        line.values = line.values.map((value) => (value <= 0 && value !== null ? null : value));
    const [left, right] = this.group.zoom ?? [-Infinity, Infinity]; // a line enters and leaves between two steps
    const from = this.xs.findLast((x) => x <= left) ?? -Infinity, to = this.xs.find((x) => x >= right) ?? Infinity;
    this.wanted = extent(this.lines.map((line) => line.values), this.xs, from, to, log);
  }

  /** Draws; skipped when neither data nor domain have changed, unless forced. */
  paint(domain = this.wanted, force = false) {
    const same = String(domain) === String(this.domain);
    this.domain = domain;
    if (same && !this.stale && !force) return;
    const data = [this.xs, ...this.lines.map((line) => line.values)];
    const signature = JSON.stringify([this.log, this.lines.map(({ arm, kind }) => [this.arms[arm].place, kind])]);
    if (this.plot.clientWidth === 0) return; // not in the document yet; the observer will call
    if (this.xs.length === 0) {
      this.uplot?.destroy();
      this.uplot = null;
      this.signature = "";
      this.plot.replaceChildren(h("p.empty", null, "No values yet"));
    } else if (signature !== this.signature || !this.uplot) {
      this.signature = signature;
      this.uplot?.destroy();
      this.plot.replaceChildren();
      this.uplot = new uPlot(this.#options(), data, this.plot);
    } else this.uplot.setData(data);
    this.#describe();
  }

  #resize() {
    if (!this.xs) return;
    const { clientWidth: width, clientHeight: height } = this.plot;
    if (this.uplot && width > 0) this.uplot.setSize({ width, height });
    else this.paint(this.domain, true);
  }

  #options() {
    const ink = () => css("--ink-3"), grid = () => css("--grid");
    const font = `11px ${css("--font")}`;
    const line = { stroke: grid, width: 1 };
    const axis = { stroke: ink, font, grid: line, ticks: { ...line, size: 4 }, gap: 4 };
    const series = this.lines.map(({ arm, kind }) => {
      const color = () => css(`--arm-${colorOf(this.arms[arm].place)}`);
      const one = { scale: "y", points: { show: false }, spanGaps: false, width: LINES[kind] ?? 0 };
      if (kind === "low" || kind === "high") return { ...one, width: 0, stroke: "transparent" };
      if (kind === "seed") return { ...one, stroke: () => alpha(color(), this.weight > 0 ? 0.28 : 0.42) };
      if (kind === "part") return { ...one, stroke: color, dash: [5, 4] };
      return { ...one, stroke: color };
    });
    const bands = this.lines.flatMap(({ kind, arm }, i) => (kind !== "high" ? []
      : [{ series: [i + 1, i + 2], fill: () => alpha(css(`--arm-${colorOf(this.arms[arm].place)}`), 0.16) }]));
    const end = () => Math.max(this.until || 0, this.xs[this.xs.length - 1], 1);
    return {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      legend: { show: false },
      padding: [10, 10, 0, 0],
      scales: {
        x: { time: false, range: () => this.group.zoom ?? [0, end()] },
        y: { distr: this.log ? 3 : 1, range: () => this.#range() },
      },
      axes: [
        { ...axis, size: 26, space: 60, values: (_, values) => values.map(tick), incrs: STEPS },
        {
          ...axis, scale: "y", size: this.compact ? 42 : 50, space: 28,
          values: (_, values) => values.map((value) => (value === null ? "" : this.metric.tick(value))),
          filter: (_, splits) => splits,
          ...(this.log ? { splits: () => this.#logTicks() } : {}),
        },
      ],
      series: [{}, ...series],
      bands,
      cursor: {
        sync: { key: this.group.sync, scales: ["x", null], setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { show: false },
        y: false,
        bind: { dblclick: () => () => this.#zoom(null) },
      },
      hooks: {
        setCursor: [() => this.#read()],
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          this.#zoom([u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")]);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        draw: [(u) => this.#marks(u)],
      },
    };
  }

  #range() {
    const [low, high] = this.domain ?? [0, 1];
    if (this.log) {
      const ratio = Math.max(high / low, 1.02) ** 0.06;
      return [low / ratio, high * ratio];
    }
    const pad = (high - low || Math.abs(high) * 0.1 || 1) * 0.06;
    return [low >= 0 && low - pad < 0 ? 0 : low - pad, high + pad];
  }

  /** Round numbers inside a logarithmic range, few over decades, more within one. */
  #logTicks() {
    const [low, high] = this.#range(), found = [];
    const decades = Math.log10(high / low);
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

  #marks(u) {
    const { ctx, bbox } = u, ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - 6 * ratio, bbox.top - 8 * ratio, bbox.width + 12 * ratio, bbox.height + 12 * ratio);
    ctx.clip();
    this.arms.forEach((arm, a) => {
      const { mean, n, begun, bad } = this.bundles[a], color = css(`--arm-${colorOf(arm.place)}`);
      ctx.fillStyle = ctx.strokeStyle = color;
      if (this.xs.length <= SPARSE)
        mean.forEach((value, i) => {
          if (!Number.isFinite(value) || (this.log && value <= 0)) return;
          ctx.beginPath();
          const x = u.valToPos(this.xs[i], "x", true), y = u.valToPos(value, "y", true);
          tracePath(ctx, shapeOf(arm.place), x, y, 3.2 * ratio);
          ctx.fillStyle = n[i] === begun ? color : css("--paper");
          ctx.lineWidth = 1.2 * ratio;
          ctx.fill();
          ctx.stroke();
        });
      ctx.fillStyle = color;
      for (const step of bad) {
        const x = u.valToPos(step, "x", true), y = bbox.top - 1 * ratio;
        ctx.beginPath();
        tracePath(ctx, "down", x, y, 4 * ratio);
        ctx.fill();
      }
    });
    ctx.restore();
  }

  /** The legend: values under the cursor, else the last ones. */
  #read() {
    const at = this.uplot?.cursor.idx;
    const step = at === null || at === undefined ? null : this.xs[at];
    this.arms.forEach((arm, a) => {
      const { mean, n, begun, open, nonfinite } = this.bundles[a], row = this.rows[a];
      let i = at ?? mean.length - 1;
      while (i > 0 && mean[i] === undefined) i--; // the nearest earlier step that this arm has
      setText(row.value, this.metric.format(mean[i] === null ? NaN : mean[i]));
      setText(row.n, this.group.seeds ? seedsText(n[i] ?? 0, begun, open) : "");
      setText(row.bad, nonfinite > 0 ? `${integer(nonfinite)} not finite` : "");
    });
    const width = this.bundles.reduce((most, one) => Math.max(most, one.width), 1);
    const drawn = this.bundles.reduce((sum, one) => sum + one.drawn, 0);
    const raw = this.bundles.reduce((sum, one) => sum + one.raw, 0);
    const parts = [this.metric.unit];
    if (width > 1) parts.unshift(`${integer(width)} steps a point`);
    if (drawn < raw) parts.unshift(`${integer(drawn)} of ${integer(raw)} points`); // each with its least and greatest
    if (step !== null) parts.unshift(`${this.axis} ${integer(step)}`);
    if (this.weight > 0) parts.push(`smoothed ${this.weight}`);
    const caption = parts.filter(Boolean).join(" \u00b7 ");
    setText(this.caption, caption);
    const merged = ". A drawn point stands for several steps: their mean, in a band from least to greatest.";
    setAttribute(this.caption, "title", caption + (drawn < raw || width > 1 ? merged : ""));
  }

  #describe() {
    const names = this.arms.map((arm) => [arm.name, arm.place].join()).join(";");
    if (this.named !== names) {
      this.named = names;
      this.rows = this.arms.map(() => ({ value: h("span.value"), n: h("span.n"), bad: h("span.bad") }));
      this.legend.replaceChildren(...this.arms.map((arm, a) => h("div", null,
        h("dt", null, swatch(arm.place), arm.name),
        h("dd", null, this.rows[a].value, this.rows[a].n, this.rows[a].bad))));
    }
    this.#read();
    const last = this.arms.map((arm, a) => `${arm.name} ${this.rows[a].value.textContent}`).join(", ");
    const at = () => `at ${this.axis} ${integer(this.xs[this.xs.length - 1])}, from ${plural(this.xs.length, "point")}`;
    setAttribute(this.plot, "aria-label", `${this.metric.title} by ${this.axis}: ` +
      (last ? `${last}, ${at()}.` : "no values yet.") + " Arrow keys read values.");
  }

  #zoom(range) {
    this.group.zoom = range;
    this.group.onzoom();
  }

  #key(event) {
    if (!this.uplot) return;
    const { xs } = this, { min: left, max: right } = this.uplot.scales.x;
    const from = Math.max(0, xs.findIndex((x) => x >= left)), to = Math.max(from, xs.findLastIndex((x) => x <= right));
    const now = this.uplot.cursor.idx ?? to; // of what is in view
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    const move = moves[event.key];
    if (move !== undefined) {
      const next = Math.min(to, Math.max(from, now + move));
      this.uplot.setCursor({ left: this.uplot.valToPos(xs[next], "x"), top: 10 }, true, true);
    } else if (event.key === "Escape") {
      this.uplot.setCursor({ left: -10, top: -10 }, true, true);
      this.#zoom(null);
    } else if (event.key === "+" || event.key === "-") {
      const { min, max } = this.uplot.scales.x, half = ((max - min) / 2) * (event.key === "+" ? 0.5 : 2);
      const middle = Math.min(Math.max(xs[now], min), max), end = Math.max(this.until || 0, xs[xs.length - 1]);
      const range = [Math.max(0, middle - half), Math.min(end, middle + half)];
      this.#zoom(range[0] <= 0 && range[1] >= end ? null : range);
    } else return;
    event.preventDefault();
  }
}

