// A chart of one metric: arms in colours, seeds as thin lines, their mean as a thick one.
//
// What is drawn, from back to front: a band (from least to greatest, say), the seeds, the mean (dashed where
// not every seed has got that far), a mark at each point of
// a sparse mean (a shape an arm, so that colour is never the only difference), and at the top edge a
// triangle for every step that had a value that isn't finite. What is nearest to the pointer is named beside it. Under
// it a legend that reads the values under the cursor, or the last ones; charts of a group can have one in common
// (legend.js), which is told of every reading. Arrow keys move the cursor, + and - zoom, Escape shows all.
//
// uPlot is rebuilt when its list of lines changes and is otherwise only given new data.

import uPlot from "../lib/uPlot.js";
import { h, setAttribute, setText } from "../base/dom.js";
import { integer, plural } from "../base/format.js";
import { metric as about } from "../base/metrics.js";
import { swatch } from "../parts/parts.js";
import { axis as axisOf, increments, logTicks, onScale } from "./axes.js";
import { armBundle, bundle, extent, nearest, smoothingUnit, steps } from "./series.js";
import { colorOf, shapeOf, tracePath } from "../base/shapes.js";

const SPARSE = 60; // up to so many points each gets its mark
export const BAND_WORDS = { range: "min\u2013max", sd: "\u00b1 sd", interval: "pointwise 95\u202f%" };
const LINES = { band: 0, seed: 1, mean: 2, part: 1.5 };

// Asked for once a theme: a chart of forty arms needs hundreds of them each time it is drawn.
const known = new Map();
addEventListener("ablate:theme", () => known.clear());
function css(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return known.get(name);
}
const alpha = (color, share) => `color-mix(in srgb, ${color} ${share * 100}%, transparent)`;

const NEAR = 14; // pixels to a line that is meant

/** How many seeds a mean stands for, and whether that is all there will be. */
export const seedsText = (n, runs, open) => (n < runs
  ? `n\u2009=\u2009${n} of ${runs}${open > 0 ? ", not comparable yet" : ""}` : `n\u2009=\u2009${n}`);

/** Paints a view's charts (a Map) again when the theme changes, and ends them with the view. */
export function tend(charts, signal) {
  addEventListener("ablate:theme", () => charts.forEach((chart) => chart.paint(chart.domain, true)), { signal });
  signal.addEventListener("abort", () => charts.forEach((chart) => chart.destroy()));
}

export class Chart {
  /**
   * group: what charts have in common: {sync: key, seeds: are there several, zoom: [from, to] | null, onzoom()}, and,
   * if they have one legend, {onread(chart): a reading, onpick(arm): a line was clicked}.
   * axis: what x is. where: the grid point, in words. Arms are given to prepare() in the legend's order: [{name, place,
   * curve, series: [Series], scale}], place the arm's among those of the experiment: its colour and mark; curve: an
   * ArmCurve, beneath which the series are single seeds; without one their mean is drawn; scale: where its steps stand
   * on x, undefined while that isn't known.
   */
  constructor({ metric, title, where = "", group, axis = "step", compact = false, tools = [] }) {
    Object.assign(this, { metric: about(metric), group, axis, compact, signature: "", domain: null, arms: [] });
    this.where = where;
    this.name = title ?? [this.metric.title, where].filter(Boolean).join(", ");
    this.plot = h("div.plot", { tabindex: "0", role: "application", "aria-roledescription": "chart" });
    this.caption = h("span.caption");
    this.live = h("p.hidden", { "aria-live": "polite" }); // what the arrow keys find is read out
    this.tip = h("div.tip", { "aria-hidden": "true", hidden: true });
    this.legend = h("dl.legend", { hidden: group.onread !== undefined });
    this.element = h("figure.chart", null,
      h("figcaption", null, h("span.chart-title", { title: this.name }, this.name), this.caption,
        tools.length > 0 ? h("span.chart-tools", null, tools.map((make) => make(this))) : null),
      this.plot, this.live, this.legend);
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    for (const event of ["focus", "pointerenter"]) this.plot.addEventListener(event, () => this.#read(true));
    this.plot.addEventListener("pointerleave", () => this.#point(null));
    this.plot.addEventListener("pointerdown", ({ clientX }) => (this.pressed = clientX));
    this.plot.addEventListener("click", ({ clientX }) => {
      if (this.near && Math.abs(clientX - this.pressed) < 4) this.group.onpick?.(this.arms[this.near.arm].name);
    });
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.plot);
  }

  destroy() {
    this.observer.disconnect();
    this.uplot?.destroy();
    this.element.remove();
  }

  /** Works out the data; the y range that it would like is in `wanted` until paint(domain). */
  prepare(arms, { log, logX = false, weight, until, band, axis = this.axis }) {
    const stamp = JSON.stringify([log, logX, weight, until, band, axis, this.group.zoom,
      arms.map(({ name, hidden, curve, series, scale }) => [name, hidden, curve?.id, curve?.version, curve?.open,
        curve?.runs, scale === undefined ? "" : scale?.stamp, series.map((one) => [one.version, one.label])])]);
    this.stale = stamp !== this.stamp;
    if (!this.stale) return;
    this.stamp = stamp;
    const isHere = ({ curve, series }) => (curve ? [curve, ...series] : series).some((one) => one.length > 0);
    const shown = arms.filter((arm) => !arm.hidden && isHere(arm)), known = axis === "step" || axis === this.axis;
    this.arms = shown.filter(({ scale }) => known || scale).map((arm) => ({
      ...arm, curve: onScale(arm.curve, arm.scale), series: arm.series.map((one) => onScale(one, arm.scale)),
    }));
    this.unplaced = shown.length - this.arms.length;
    Object.assign(this, { log, logX, band, axis });
    const all = steps(this.arms.flatMap(({ curve, series }) => (curve ? [curve, ...series] : series)));
    this.xs = logX ? all.filter((x) => x > 0) : all;
    this.until = Math.max(0, ...this.arms.map(({ scale }) => (scale ? scale.x(until) : until)));
    const dense = this.arms.some(({ curve, series }) => (curve ?? series[0])?.length > SPARSE);
    this.weight = dense ? weight : 0; // smoothing a handful of points would only hide them
    this.sparse = !dense;
    const unit = smoothingUnit(until || this.xs[this.xs.length - 1] || 1);
    this.bundles = this.arms.map(({ curve, series }) => (curve
      ? armBundle(curve, series, this.xs, { weight: this.weight, unit, band })
      : bundle(series, this.xs, this.weight, unit)));
    this.lines = [];
    this.arms.forEach((arm, a) => {
      const made = this.bundles[a], add = (kind, values, label) => this.lines.push({ arm: a, kind, values, label });
      if (made.low) {
        add("high", made.high);
        add("low", made.low);
      }
      if (made.begun > 1 || this.weight > 0) made.seeds.forEach((values, i) => add("seed", values, made.labels?.[i]));
      add("mean", made.whole);
      if (made.begun > 1) add("part", made.part);
    });
    this.dropped = { x: all.length - this.xs.length, y: 0 };
    if (log)
      for (const line of this.lines)
        line.values = line.values.map((value) => {
          if (value === null || value === undefined || value > 0) return value;
          if (line.kind === "mean" || line.kind === "part") this.dropped.y++;
          return null;
        });
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
    const signature = JSON.stringify([this.log, this.logX, this.axis,
      this.lines.map(({ arm, kind }) => [this.arms[arm].place, kind])]);
    if (this.plot.clientWidth === 0) return; // not in the document yet; the observer will call
    if (this.xs.length === 0) {
      this.uplot?.destroy();
      this.uplot = null;
      this.signature = "";
      this.plot.replaceChildren(h("p.empty", null, this.unplaced === 0 ? "No values yet"
        : `Not known yet by ${axisOf(this.axis).title}`));
    } else if (signature !== this.signature || !this.uplot) {
      this.signature = signature;
      this.uplot?.destroy();
      this.plot.replaceChildren();
      this.uplot = new uPlot(this.#options(), data, this.plot);
      this.plot.append(this.tip);
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
    const end = () => Math.max(this.until || 0, this.xs[this.xs.length - 1]) || 1;
    const start = () => (this.logX ? this.xs[0] : 0), x = axisOf(this.axis);
    return {
      width: this.plot.clientWidth,
      height: this.plot.clientHeight,
      legend: { show: false },
      padding: [10, 16, 0, 0],
      scales: {
        x: { time: false, distr: this.logX ? 3 : 1, range: () => this.#zoomed() ?? [start(), end()] },
        y: { distr: this.log ? 3 : 1, range: () => this.#range() },
      },
      axes: [
        {
          ...axis, size: 26, space: 60, incrs: increments(this.axis),
          values: (_, values) => values.map((value) => (value === null ? "" : x.tick(value))),
          filter: (_, splits) => splits,
          ...(this.logX ? { splits: (u) => this.#few(logTicks(u.scales.x.min, u.scales.x.max), u.bbox.width) } : {}),
        },
        {
          ...axis, scale: "y", size: this.compact ? 42 : 50, space: 28,
          values: (_, values) => values.map((value) => (value === null ? "" : this.metric.tick(value))),
          filter: (_, splits) => splits,
          ...(this.log ? { splits: () => logTicks(...this.#range()) } : {}),
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
        setCursor: [(u) => {
          this.#point(u);
          this.#read();
        }],
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

  /** No more marks than there is room for. */
  #few(marks, width) {
    const every = Math.ceil((marks.length * 55 * devicePixelRatio) / width);
    return marks.filter((_, i) => i % every === 0);
  }

  /** The zoom, as far as the axis has it. */
  #zoomed() {
    const { zoom } = this.group;
    return zoom && this.logX ? [Math.max(zoom[0], this.xs[0] ?? 1), Math.max(zoom[1], this.xs[0] ?? 1)] : zoom;
  }

  /** Finds what is nearest to the pointer, and names it. */
  #point(u) {
    const at = u?.cursor.idx, over = u?.over.matches(":hover");
    this.near = over && Number.isInteger(at) && u.cursor.left >= 0
      ? nearest(this.lines, this.xs, at, u.posToVal(u.cursor.left, "x"),
        { y: u.cursor.top, most: NEAR, px: (value) => u.valToPos(value, "y") }) : null;
    this.tip.hidden = !this.near;
    if (!this.near) return;
    const { arm, label, i, value } = this.near, { mean, low, high, n, begun, open } = this.bundles[arm];
    const { format } = this.metric, bound = this.band !== "none" && low && Number.isFinite(low[i])
      ? ` (${BAND_WORDS[this.band] ?? "range"} ${format(low[i])} \u2026 ${format(high[i])})` : "";
    setText(this.tip, [this.arms[arm].name, label, label ? format(value) : format(mean[i] ?? NaN) + bound,
      !label && this.group.seeds ? seedsText(n[i] ?? 0, begun, open) : ""].filter(Boolean).join(" \u00b7 "));
    const right = u.cursor.left > u.over.clientWidth / 2, { style } = this.tip;
    style.left = right ? "" : `${u.over.offsetLeft + u.cursor.left + 12}px`;
    style.right = right ? `${this.plot.clientWidth - u.over.offsetLeft - u.cursor.left + 12}px` : "";
    style.top = `${Math.max(0, u.over.offsetTop + u.cursor.top - 30)}px`;
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
      if (this.sparse)
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

  /** What the legend says: values under the cursor, else the last ones. active: this chart is looked at from now on. */
  #read(active = false) {
    if (!this.bundles) return;
    const at = this.uplot?.cursor.idx ?? null, x = axisOf(this.axis);
    this.at = at === null ? null : this.xs[at];
    this.readings = this.arms.map(({ name, place }, a) => {
      const { mean, n, begun, open, nonfinite } = this.bundles[a];
      let i = at ?? mean.length - 1;
      while (i > 0 && mean[i] === undefined) i--; // the nearest earlier step that this arm has
      return { name, place, value: mean[i] === null ? NaN : mean[i], n: n[i] ?? 0, begun, open, nonfinite };
    });
    this.readings.forEach((one, a) => {
      const row = this.rows?.[a];
      if (!row) return;
      setText(row.value, this.metric.format(one.value));
      setText(row.n, this.group.seeds ? seedsText(one.n, one.begun, one.open) : "");
      setText(row.bad, one.nonfinite > 0 ? `${integer(one.nonfinite)} not finite` : "");
    });
    const width = this.bundles.reduce((most, one) => Math.max(most, one.width), 1);
    const drawn = this.bundles.reduce((sum, one) => sum + one.drawn, 0);
    const raw = this.bundles.reduce((sum, one) => sum + one.raw, 0);
    const parts = [this.metric.unit];
    if (width > 1) parts.unshift(`${integer(width)} steps a point`);
    if (drawn < raw) parts.unshift(`${integer(drawn)} of ${integer(raw)} points`); // each with its least and greatest
    if (this.at !== null) parts.unshift(`${x.title} ${x.format(this.at)}`);
    if (this.weight > 0) parts.push(`smoothed ${this.weight}`);
    if (this.dropped.y > 0) parts.push(`log y leaves out ${plural(this.dropped.y, "value")} \u2264 0`);
    if (this.dropped.x > 0) parts.push(`log x leaves out ${x.title} 0`);
    if (this.unplaced > 0) parts.push(`${plural(this.unplaced, "arm")} not known by ${x.title}`);
    const caption = parts.filter(Boolean).join(" \u00b7 ");
    setText(this.caption, caption);
    const merged = ". A drawn point stands for several steps: their mean, in a band from least to greatest.";
    setAttribute(this.caption, "title", caption + (drawn < raw || width > 1 ? merged : ""));
    this.group.onread?.(this, active);
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
    const said = this.metric.title, x = axisOf(this.axis);
    const name = this.name.includes(said) ? this.name : `${said}, ${this.name}`;
    const at = () => `at ${x.title} ${x.format(this.xs[this.xs.length - 1])}, from ${plural(this.xs.length, "point")}`;
    setAttribute(this.plot, "aria-label", `${name}${name.includes(` by ${x.title}`) ? "" : ` by ${x.title}`}: ` +
      (this.xs.length > 0 ? `${this.#values()}, ${at()}.` : "no values yet.") + " Arrow keys read values.");
  }

  #values() {
    return this.readings.map(({ name, value }) => `${name} ${this.metric.format(value)}`).join(", ");
  }

  #zoom(range) {
    this.group.zoom = range;
    this.group.onzoom();
  }

  #key(event) {
    if (!this.uplot) return;
    const { xs } = this, { min: left, max: right } = this.uplot.scales.x;
    if (xs.length === 0) return;
    const from = Math.max(0, xs.findIndex((x) => x >= left)), to = Math.max(from, xs.findLastIndex((x) => x <= right));
    const now = this.uplot.cursor.idx ?? to; // of what is in view
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
    const move = moves[event.key];
    if (move !== undefined) {
      const next = Math.min(to, Math.max(from, now + move));
      this.uplot.setCursor({ left: this.uplot.valToPos(xs[next], "x"), top: 10 }, true, true);
      const x = axisOf(this.axis);
      setText(this.live, `${x.title} ${x.format(this.at ?? xs[next])}: ${this.#values()}`);
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

