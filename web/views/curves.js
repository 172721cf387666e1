// The curves of an experiment: rows are metrics, columns are grid points, so that a row compares one
// metric over, say, sequence lengths, on one scale.
//
// What is drawn of an arm is what the daemon has summed up over its seeds: one request for everything that is
// shown (curveset.js), and while runs train another one at most every LIVE_MS, for what is new. Live points
// only say that there is something. Zooming asks for the range at its resolution. Single seeds are fetched
// when somebody wants to see them, and are live from then on: while one is being fetched, its live points are
// kept and merged behind what the fetch brings (Series.load).

import { gate, get } from "../base/api.js";
import { Chart, tend } from "../charts/chart.js";
import { CurveSet } from "../charts/curveset.js";
import { h, perFrame, throttled, toast } from "../base/dom.js";
import { factor, gridKey, gridPoint, plain } from "../base/format.js";
import { CURVES, metric } from "../base/metrics.js";
import { choice, smoothing, swatch, toggle } from "../parts/parts.js";
import { Series } from "../charts/series.js";

const POINTS = 500; // of a curve: about as many as a chart has pixels
const SEED_POINTS = 800;
const MOST_COLUMNS = 12;
const LIVE_MS = 500;
const ZOOM_MS = 150;
const BANDS = [["range", "min\u2013max"], ["sd", "sd"], ["interval", "95\u202f%"], ["none", "none"]];
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
  constructor({ experiment, runs, signal, onpoint = () => {} }) {
    Object.assign(this, { experiment, runs, signal, onpoint });
    this.base = null; // CurveSet of all steps; null = nothing was asked yet
    this.detail = null; // CurveSet of the zoomed range
    this.series = new Map(); // run|metric → Series, of single seeds
    this.asked = new Set();
    this.names = new Set(CURVES);
    this.shown = new Set(CURVES);
    this.hidden = new Set();
    this.options = { log: false, shared: true, weight: 0, band: "range", seeds: false };
    this.group = { sync: `experiment-${experiment.id}`, seeds: true, zoom: null, onzoom: () => this.#zoomed() };
    this.charts = new Map(); // metric|grid → Chart
    const several = gridPoints(experiment.grid).length > 1;
    const first = ([path, values], i) =>
      [path, i === 0 && values.length <= 4 && several ? ALL : JSON.stringify(values[0])];
    this.selection = Object.fromEntries(Object.entries(experiment.grid ?? {}).map(first));
    this.draw = perFrame(() => this.#draw(), signal);
    this.refresh = throttled(() => this.#refresh(), LIVE_MS, signal);
    this.zoomSoon = throttled(() => this.#fetchDetail(), ZOOM_MS, signal);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.missed) this.refresh();
    }, { signal });
    this.matrix = h("div.matrix");
    this.bar = h("div.toolbar");
    this.metricMenu = h("div.menu");
    this.element = h("section", { "aria-labelledby": "curves" },
      h("h2", { id: "curves" }, "Curves"), this.bar, this.matrix);
    this.#toolbar();
    tend(this.charts, signal);
  }

  /** The grid points that are shown. */
  points() {
    const selected = ([path, value]) => [ALL, JSON.stringify(value)].includes(this.selection[path]);
    const points = gridPoints(this.experiment.grid).filter((point) => Object.entries(point).every(selected));
    return points.slice(0, MOST_COLUMNS);
  }

  #toolbar() {
    const several = Object.entries(this.experiment.grid ?? {}).filter(([, values]) => values.length > 1);
    const factors = several.map(([path, values]) => {
      const options = values.map((value) => [JSON.stringify(value), plain(value)]);
      if (values.length <= MOST_COLUMNS) options.unshift([ALL, "all"]);
      return choice(factor(path), options, this.selection[path], (value) => {
        this.selection[path] = value;
        this.ensure();
        this.onpoint();
      });
    });
    const arms = h("div.arms-toggle", { role: "group", "aria-label": "Arms" }, this.experiment.arms.map((name, i) => {
      const button = h("button.arm-button", { type: "button", "aria-pressed": "true" }, swatch(i), name);
      button.addEventListener("click", () => {
        if (!this.hidden.delete(name)) this.hidden.add(name);
        button.setAttribute("aria-pressed", String(!this.hidden.has(name)));
        this.draw();
      });
      return button;
    }));
    const metrics = h("details.dropdown", null, h("summary", null, "Metrics"), this.metricMenu);
    const close = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !metrics.contains(event.target)) metrics.open = false;
    };
    document.addEventListener("click", close, { signal: this.signal });
    document.addEventListener("keydown", close, { signal: this.signal });
    const set = (key) => (value) => {
      this.options[key] = value;
      this.draw();
    };
    this.bar.append(arms, ...factors, h("div.row", null,
      toggle("log y", this.options.log, set("log")),
      toggle("same y", this.options.shared, set("shared"), "One scale for a metric over all grid points"),
      smoothing(set("weight"), "Exponential moving average of dense curves; what was measured stays visible behind it"),
      choice("band", BANDS, this.options.band, set("band")),
      toggle("seeds", this.options.seeds, (on) => {
        this.options.seeds = on;
        this.ensure();
      }, "Each seed by itself"),
      metrics));
    this.#menu();
  }

  #menu() {
    const show = (name) => (on) => {
      if (on) this.shown.add(name);
      else this.shown.delete(name);
      this.ensure();
    };
    this.metricMenu.replaceChildren(...[...this.names].sort()
      .map((name) => toggle(metric(name).title, this.shown.has(name), show(name), name)));
  }

  /** Fetches what is shown and not here yet. */
  ensure() {
    for (const run of this.runs.values()) for (const name of Object.keys(run.final ?? {})) this.#learn(name);
    const has = new Set(this.base?.question.metric);
    if (this.runs.size > 0 && (!this.base || [...this.shown].some((name) => !has.has(name)))) {
      const before = this.base; // is shown until the other one is here
      const metric = [...new Set([...has, ...this.shown])].slice(-MOST_METRICS);
      this.base = new CurveSet(this.experiment.id, { metric, points: POINTS }, this.signal);
      if (before) this.base.curves = new Map(before.curves);
      if (this.group.zoom) this.zoomSoon();
    }
    this.refresh();
    if (this.options.seeds) this.#ensureSeeds();
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
    this.draw();
    this.zoomSoon();
  }

  /** The zoomed range at its own resolution, and a cell more on either side, where lines enter and leave. */
  async #fetchDetail() {
    const { zoom } = this.group, wide = [...this.shown].filter((name) => this.base?.isBucketed(name));
    if (!zoom || wide.length === 0) {
      this.detail = null;
      this.draw();
      return;
    }
    const edge = Math.max(...wide.map((name) => this.base.widths.get(name)));
    const range = { from: Math.max(0, Math.floor(zoom[0]) - edge), to: Math.ceil(zoom[1]) + edge };
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

  #ensureSeeds() {
    const points = new Set(this.points().map(gridKey));
    for (const run of this.runs.values()) {
      if (!points.has(gridKey(run.grid)) || this.hidden.has(run.arm)) continue;
      const missing = [...this.shown].filter((name) => !this.asked.has(`${run.id}|${name}`));
      if (missing.length === 0) continue;
      for (const name of missing) {
        this.asked.add(`${run.id}|${name}`);
        this.series.set(`${run.id}|${name}`, new Series(SEED_POINTS));
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
    if (Object.keys(series).some((name) => this.shown.has(name))) this.refresh();
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
    const points = this.points(), arms = this.experiment.arms, used = new Set();
    const until = [...this.runs.values()].reduce((most, run) => Math.max(most, run.steps), 0);
    const names = [...this.shown].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
    const rows = names.map((name) => points.map((point) => {
      const key = `${name}|${gridKey(point)}`;
      used.add(key);
      if (!this.charts.has(key)) {
        const label = gridPoint(point);
        this.charts.set(key, new Chart({
          metric: name, group: this.group, compact: points.length > 2,
          title: metric(name).title + (label ? `, ${label}` : ""),
        }));
      }
      const chart = this.charts.get(key);
      chart.prepare(arms.map((arm, i) =>
        ({
          name: arm, place: i, hidden: this.hidden.has(arm), curve: this.of(arm, point, name, { zoomed: true }),
          series: this.options.seeds ? this.#seedsOf(arm, point, name) : [],
        })),
      { ...this.options, until });
      return chart;
    }));
    for (const [key, chart] of this.charts)
      if (!used.has(key)) {
        chart.destroy();
        this.charts.delete(key);
      }
    this.#arrange(rows, Math.max(1, points.length));
    for (const row of rows) {
      const wanted = row.map((chart) => chart.wanted).filter(Boolean);
      const shared = wanted.length > 0
        ? [Math.min(...wanted.map(([low]) => low)), Math.max(...wanted.map(([, high]) => high))] : null;
      for (const chart of row) chart.paint(this.options.shared ? shared : chart.wanted);
    }
    this.ondraw?.();
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
