// The curves of an experiment: rows are metrics, columns are grid points, so that a row compares one
// metric over, say, sequence lengths, on one scale.
//
// What is drawn of an arm is what the daemon has summed up over its seeds: one request for everything that is
// shown (curveset.js), and while runs train another one at most every LIVE_MS, for what is new. Live points
// only say that there is something. Zooming asks for the range at its resolution. Single seeds are fetched
// when somebody wants to see them, and are live from then on: while one is being fetched, its live points are
// kept and merged behind what the fetch brings (Series.load).
//
// Everything that can be chosen is in one object, `state`, which the address has, too (shown.js). x may be another one
// than steps: each arm has its own scale then (axes.js), and steps stay what is asked for.

import { gate, get } from "../base/api.js";
import { scaleOf } from "../charts/axes.js";
import { Chart, tend } from "../charts/chart.js";
import { controls, filling, flopsOf, fullTool, KNOWN, onLeft, TIME, tokensOf } from "../charts/controls.js";
import { CurveSet } from "../charts/curveset.js";
import { ArmLegend } from "../charts/legend.js";
import { specAt } from "../charts/lines.js";
import { readShown, usual, writeShown } from "../charts/shown.js";
import { TAKEN } from "../charts/taken.js";
import { h, perFrame, throttled, toast } from "../base/dom.js";
import { factor, gridKey, gridPoint, plain } from "../base/format.js";
import { CURVES, metric } from "../base/metrics.js";
import { choice, toggle } from "../parts/parts.js";
import { Series } from "../charts/series.js";

const POINTS = 500; // of a curve: about as many as a chart has pixels
const SEED_POINTS = 800;
const MOST_COLUMNS = 12;
const LIVE_MS = 500;
const ZOOM_MS = 150;
const MOST_METRICS = 16; // of a request
const ALL = "all";
const limited = gate(4);

/** All combinations of {path: [values]} as grid points. */
export function gridPoints(grid) {
  return Object.entries(grid ?? {}).reduce((points, [path, values]) =>
    points.flatMap((point) => values.map((value) => ({ ...point, [path]: value }))), [{}]);
}

export class Curves {
  /** runs: Map id → run, kept current by the caller. onpoint(): the selected grid points changed. */
  constructor({ experiment, runs, view, onpoint = () => {} }) {
    const { signal } = view;
    Object.assign(this, { experiment, runs, view, signal, onpoint });
    this.base = null; // CurveSet of all steps; null = nothing was asked yet
    this.detail = null; // CurveSet of the zoomed range
    this.series = new Map(); // run|metric → Series, of single seeds
    this.asked = new Set();
    this.names = new Set(CURVES);
    this.flops = new Map(); // arm|grid → FLOPs up to steps; null while a run is asked
    this.scales = new Map(); // axis|arm|grid → {of, scale}
    this.charts = new Map(); // metric|grid → Chart
    const several = gridPoints(experiment.grid).length > 1;
    const first = ([path, values], i) =>
      [path, i === 0 && values.length <= 4 && several ? ALL : JSON.stringify(values[0])];
    this.usual = usual({ metrics: CURVES, at: Object.fromEntries(Object.entries(experiment.grid ?? {}).map(first)) });
    this.state = this.#read(view.query);
    this.group = { sync: `experiment-${experiment.id}`, seeds: true,
      invalid: new Set(), zoom: this.state.zoom, onzoom: () => this.#zoomed(),
      onread: (chart, active) => this.legend.read(chart, active), onpick: (arm) => this.legend.solo(arm) };
    this.draw = perFrame(() => this.#draw(), signal);
    this.refresh = throttled(() => this.#refresh(), LIVE_MS, signal);
    this.zoomSoon = throttled(() => this.#fetchDetail(), ZOOM_MS, signal);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.missed) this.refresh();
    }, { signal });
    onLeft(() => this.state.full && this.#set("full", null), signal);
    const close = (event) => {
      const open = this.bar.querySelector("details[open]");
      if (open && (event.type === "keydown" ? event.key === "Escape" : !open.contains(event.target))) open.open = false;
    };
    document.addEventListener("click", close, { signal });
    document.addEventListener("keydown", close, { signal });
    this.matrix = h("div.matrix");
    this.bar = h("div.toolbar");
    this.metricMenu = h("div.menu");
    this.place = h("div");
    this.element = h("section.curves", { "aria-labelledby": "curves" },
      h("h2", { id: "curves" }, "Curves"), h("div.curves-bar", null, this.bar, this.place), this.matrix);
    this.fill = filling(this.element, signal);
    this.#controls();
    if (this.state.zoom) this.zoomSoon();
    tend(this.charts, signal);
  }

  #read(query) {
    return readShown(query, this.usual, { ...KNOWN, arms: this.experiment.arms });
  }

  /** The address names another state: that is shown; without one it gets the one that there is. */
  moved(query) {
    const now = this.#read(query), told = JSON.stringify(writeShown(now, this.usual));
    const has = JSON.stringify(writeShown(this.state, this.usual));
    if (told === JSON.stringify(writeShown(this.usual, this.usual))) this.#keep();
    else if (told !== has) {
      this.state = now;
      this.group.zoom = now.zoom;
      this.detail = null;
      this.#controls();
      this.ensure();
      if (now.zoom) this.zoomSoon();
    }
    this.draw();
  }

  #keep() {
    this.view.keep(writeShown(this.state, this.usual));
  }

  #set(key, value) {
    if (key === "axis") this.group.zoom = this.state.zoom = this.detail = null; // of the other axis
    this.state[key] = value;
    this.#keep();
    this.ensure();
  }

  /** The report tells which arms are worthless. */
  told({ arms }) {
    this.group.invalid = new Set(Object.keys(arms).filter((arm) => arms[arm].valid === false));
    this.legend.mark(this.group.invalid);
    this.draw();
  }

  /** The grid points that are shown. */
  points() {
    const selected = ([path, value]) => [ALL, JSON.stringify(value)].includes(this.state.at[path]);
    const points = gridPoints(this.experiment.grid).filter((point) => Object.entries(point).every(selected));
    return points.slice(0, MOST_COLUMNS);
  }

  /** The toolbar and the legend, as the state is. */
  #controls() {
    const { state, experiment } = this, set = (key) => (value) => this.#set(key, value);
    const several = Object.entries(experiment.grid ?? {}).filter(([, values]) => values.length > 1);
    const factors = several.map(([path, values]) => {
      const options = values.map((value) => [JSON.stringify(value), plain(value)]);
      if (values.length <= MOST_COLUMNS) options.unshift([ALL, "all"]);
      return choice(factor(path), options, state.at[path], (value) => {
        this.#set("at", { ...this.state.at, [path]: value });
        this.onpoint();
      });
    });
    const menu = h("details.dropdown", null, h("summary", null, "Metrics"), this.metricMenu);
    this.bar.replaceChildren(menu, ...factors, ...controls(state, set, { shared: several.length > 0, bands: true }),
      toggle("seeds", state.seeds, set("seeds"), "Each seed by itself"));
    this.legend = new ArmLegend({ arms: experiment.arms, state, onchange: () => this.#set("only", this.state.only) });
    this.legend.mark(this.group.invalid);
    this.place.replaceChildren(this.legend.element);
    this.#menu();
  }

  #menu() {
    const show = (name) => (on) => {
      const metrics = new Set(this.state.metrics);
      if (on) metrics.add(name);
      else metrics.delete(name);
      this.#set("metrics", metrics);
    };
    this.metricMenu.replaceChildren(...[...this.names].sort()
      .map((name) => toggle(metric(name).title, this.state.metrics.has(name), show(name), name)));
  }

  #isHidden(arm) {
    return !(this.state.only?.has(arm) ?? true);
  }

  /** Where an arm's steps stand on x, at a grid point. */
  #scale(arm, point) {
    const { axis } = this.state, place = `${arm}|${gridKey(point)}`, key = `${axis}|${place}`;
    const time = axis === "seconds" ? this.base?.of(TIME, arm, point) : null, of = `${time?.id} ${time?.version}`;
    const known = this.scales.get(key);
    if (known?.of === of && known.scale !== undefined) return known.scale;
    const run = [...this.runs.values()].find((one) => one.arm === arm && gridKey(one.grid) === gridKey(point));
    const flops = axis === "flops" && run ? this.#flopsOf(place, run) : null;
    const tokens = axis === "tokens" && run ? tokensOf(specAt(this.experiment.spec, arm, point), run.steps) : 0;
    const scale = scaleOf(axis, { tokens, steps: run?.steps, flops, time });
    this.scales.set(key, { of, scale });
    return scale;
  }

  /** FLOPs up to steps. Those of a warm-up have another price, which a run alone knows: it is asked for it. */
  #flopsOf(place, run) {
    if (!this.flops.has(place)) {
      this.flops.set(place, flopsOf(specAt(this.experiment.spec, run.arm, run.grid), run));
      if (this.flops.get(place) === null)
        limited(() => get(`runs/${run.id}`, {}, this.signal)).then(({ flops }) => {
          this.flops.set(place, flops);
          this.draw();
        }, (error) => error.name === "AbortError" || toast(`Costs can\u2019t be read: ${error.message}`, "error"));
    }
    return this.flops.get(place);
  }

  /** Fetches what is shown and not here yet. */
  ensure() {
    for (const run of this.runs.values()) for (const name of Object.keys(run.final ?? {})) this.#learn(name);
    const has = new Set(this.base?.question.metric), { metrics, axis, seeds } = this.state;
    const wanted = [...metrics, ...(axis === "seconds" ? [TIME] : [])];
    if (this.runs.size > 0 && (!this.base || wanted.some((name) => !has.has(name)))) {
      const before = this.base; // is shown until the other one is here
      const others = [...has].filter((name) => !wanted.includes(name));
      const metric = [...others, ...new Set(wanted)].slice(-MOST_METRICS);
      this.base = new CurveSet(this.experiment.id, { metric, points: POINTS }, this.signal);
      if (before) this.base.curves = new Map(before.curves);
      if (this.group.zoom) this.zoomSoon();
    }
    this.refresh();
    if (seeds) this.#ensureSeeds();
    this.draw();
  }

  async #refresh() {
    this.missed = document.hidden; // nobody looks
    if (this.missed || !this.base) return;
    try {
      await Promise.all([this.base, this.detail].filter(Boolean).map((set) => set.refresh()));
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError") toast(`Curves can\u2019t be read: ${error.message}`, "error");
    }
  }

  #zoomed() {
    this.state.zoom = this.group.zoom;
    this.#keep();
    this.draw();
    this.zoomSoon();
  }

  /** The zoomed range at its own resolution, and a cell more on either side, where lines enter and leave. */
  async #fetchDetail() {
    const { zoom } = this.group, wide = [...this.state.metrics].filter((name) => this.base?.isBucketed(name));
    const steps = zoom && this.#stepsOf(zoom);
    if (!steps || wide.length === 0) {
      this.detail = null;
      this.draw();
      return;
    }
    const edge = Math.max(...wide.map((name) => this.base.widths.get(name)));
    const range = { from: Math.max(0, Math.floor(steps[0]) - edge), to: Math.max(0, Math.ceil(steps[1]) + edge) };
    const detail = new CurveSet(this.experiment.id, { metric: wide, points: POINTS, ...range }, this.signal);
    try {
      await detail.refresh();
    } catch (error) {
      if (error.name !== "AbortError") toast(`Curves can\u2019t be read: ${error.message}`, "error");
      return;
    }
    if (this.group.zoom !== zoom) return; // the next call is on its way
    this.detail = detail;
    this.draw();
  }

  /** The steps that a range of x comes to, over all arms. */
  #stepsOf(zoom) {
    if (this.state.axis === "step") return zoom;
    const scales = this.points().flatMap((point) => this.experiment.arms.map((arm) => this.#scale(arm, point)))
      .filter(Boolean);
    return scales.length === 0 ? null : [Math.min(...scales.map((scale) => scale.step(zoom[0]))),
      Math.max(...scales.map((scale) => scale.step(zoom[1])))];
  }

  #ensureSeeds() {
    const points = new Set(this.points().map(gridKey));
    for (const run of this.runs.values()) {
      if (!points.has(gridKey(run.grid)) || this.#isHidden(run.arm)) continue;
      const missing = [...this.state.metrics].filter((name) => !this.asked.has(`${run.id}|${name}`));
      if (missing.length === 0) continue;
      for (const name of missing) {
        this.asked.add(`${run.id}|${name}`);
        this.series.set(`${run.id}|${name}`, Object.assign(new Series(SEED_POINTS), { label: `seed ${run.seed}` }));
      }
      if (run.attempt > 0 || run.step > 0) this.#fetchSeed(run.id, missing);
    }
  }

  async #fetchSeed(id, names) {
    try {
      const answer = await limited(() =>
        get(`runs/${id}/metrics`, { names: names.join(","), points: SEED_POINTS }, this.signal));
      for (const name of names) if (answer.series[name]) this.series.get(`${id}|${name}`).load(answer.series[name]);
      this.draw();
    } catch (error) {
      for (const name of names) this.asked.delete(`${id}|${name}`);
      if (error.name !== "AbortError")
        toast(`Curves can\u2019t be read: ${error.message}`, "error"); // once, however many runs
    }
  }

  #learn(name) {
    if (this.names.has(name)) return;
    this.names.add(name);
    this.#menu();
  }

  /** Live points of a run: {name: [[step, value]]}. */
  push(run, series) {
    for (const [name, points] of Object.entries(series)) {
      this.#learn(name);
      this.series.get(`${run}|${name}`)?.push(points);
    }
    if (Object.keys(series).some((name) => this.state.metrics.has(name))) this.refresh();
  }

  /** Forgets everything and fetches again. */
  reload() {
    this.asked.clear();
    this.series.clear();
    this.base = this.detail = null;
    this.ensure();
  }

  /** What is known of an arm at a grid point: an ArmCurve, of the zoomed range where there is one. */
  of(arm, point, name, { zoomed = false } = {}) {
    return (zoomed ? this.detail?.of(name, arm, point) : undefined) ?? this.base?.of(name, arm, point);
  }

  /** The single seeds of one arm at one grid point, by seed. */
  #seedsOf(arm, point, name) {
    const key = gridKey(point);
    return [...this.runs.values()].filter((run) => run.arm === arm && gridKey(run.grid) === key)
      .sort((a, b) => a.seed - b.seed).map((run) => this.series.get(`${run.id}|${name}`)).filter(Boolean);
  }

  #draw() {
    const { state } = this, { arms } = this.experiment, points = this.points(), used = new Set();
    const until = [...this.runs.values()].reduce((most, run) => Math.max(most, run.steps), 0);
    const names = [...state.metrics].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
    const all = names.flatMap((name) => points.map((point) => `${name}|${gridKey(point)}`));
    const full = all.includes(state.full) ? state.full : null; // that one alone
    const options = { ...state, until };
    this.fill(full !== null);
    const rows = names.map((name) => points.flatMap((point) => {
      const key = `${name}|${gridKey(point)}`;
      if (full && full !== key) return [];
      used.add(key);
      if (!this.charts.has(key)) this.charts.set(key, this.#chart(key, name, point, points.length > 2));
      const chart = this.charts.get(key);
      chart.prepare(arms.map((arm, i) =>
        ({
          name: arm, place: i, hidden: this.#isHidden(arm), curve: this.of(arm, point, name, { zoomed: true }),
          series: state.seeds ? this.#seedsOf(arm, point, name) : [], scale: this.#scale(arm, point),
        })), options);
      return chart;
    })).filter((row) => row.length > 0);
    for (const [key, chart] of this.charts)
      if (!used.has(key)) {
        chart.destroy();
        this.charts.delete(key);
      }
    const shown = rows.flat();
    if (!shown.includes(this.legend.chart)) this.legend.chart = null;
    this.#arrange(rows, full ? 1 : Math.max(1, points.length));
    for (const row of rows) {
      const wanted = row.map((chart) => chart.wanted).filter(Boolean);
      const shared = wanted.length > 0
        ? [Math.min(...wanted.map(([low]) => low)), Math.max(...wanted.map(([, high]) => high))] : null;
      for (const chart of row) chart.paint(state.shared ? shared : chart.wanted);
    }
    const compared = shown.find(({ metric: { name } }) => name === this.experiment.compare.metric);
    this.legend.chart ??= compared ?? shown[0] ?? null;
    this.legend.draw();
    this.ondraw?.();
  }

  #chart(key, name, point, compact) {
    const full = fullTool(() => this.state.full !== null, (on) => this.#set("full", on ? key : null));
    return new Chart({ metric: name, group: this.group, compact, where: gridPoint(point), tools: [...TAKEN, full] });
  }

  #arrange(rows, columns) {
    const wide = columns === 1; // a single grid point: the metrics themselves stand side by side
    const order = rows.flat().map((chart) => chart.element);
    this.matrix.className = `matrix ${wide ? "metrics" : `columns-${Math.min(columns, 4)}`}`;
    const { children } = this.matrix;
    if (order.length !== children.length || order.some((element, i) => children[i] !== element))
      this.matrix.replaceChildren(...order);
  }
}

const order = (name) => {
  const at = CURVES.indexOf(name);
  return at < 0 ? CURVES.length : at;
};
