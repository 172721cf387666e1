// Any runs, arms and experiments beside each other: in what their specifications differ, what came out, their curves
// over each other. What is compared stands in the address: #/compare?with=e1,r17,e3:dsa. Nothing is claimed here: only
// an experiment's own report pairs seeds and makes its audits.

import { link } from "../base/address.js";
import { gate, get, list } from "../base/api.js";
import { scaleOf } from "../charts/axes.js";
import { Chart, tend } from "../charts/chart.js";
import {
  controls, filling, flopsOf, fullTool, KNOWN, meanSeconds, onLeft, TIME, tokensOf,
} from "../charts/controls.js";
import { readShown, usual, writeShown } from "../charts/shown.js";
import { TAKEN } from "../charts/taken.js";
import { nameOf, readList, resolve, writeList } from "../charts/lines.js";
import { differing } from "../base/differences.js";
import { action, h, perFrame, setText, toast } from "../base/dom.js";
import { integer, number, plural } from "../base/format.js";
import { byPlace, CURVES, metric } from "../base/metrics.js";
import { empty, hasEnded, heading, invalidTag, swatch, toggle } from "../parts/parts.js";
import { Series } from "../charts/series.js";

const LINES = 24;
const SEEDS = 8; // curves of a line
const POINTS = 800;
const limited = gate(4);

/** Mean of what the runs of a line have, and of how many. */
function mean(runs, name) {
  const values = runs.map((run) => number(run.final?.[name])).filter((value) => value !== undefined);
  return { n: values.length, mean: values.reduce((sum, value) => sum + value, 0) / values.length };
}

/** A field that finds experiments by name or number, and adds them, one of their arms, or a run. */
function adder(add, signal) {
  const field = h("input", { type: "search", "aria-label": "Add to the comparison", autocomplete: "off",
    placeholder: "a name of an experiment, \u201cexperiment 3\u201d or \u201crun 17\u201d" });
  const found = h("ul.found", { "aria-label": "What was found" }), said = h("p.note", { role: "status" });
  const button = (text, item) => action(text, () => add(item), { kind: "quiet", label: `Add ${text}` });
  let asked = "", timer;
  async function search() {
    const text = field.value.trim(), id = /^(?:run|r)?\s*#?(\d+)$/i.exec(text)?.[1];
    if (text === asked) return;
    asked = text;
    const run = id && !/^\d/.test(text) ? button(`run ${id}`, { kind: "r", id: Number(id), arm: null }) : null;
    const number = /(\d+)$/.exec(text)?.[1];
    const filter = `name like "%${text.replaceAll("\"", "\"\"")}%"${number ? ` or id = ${number}` : ""}`;
    const { items } = text === "" ? { items: [] } : await list("experiments", { filter, page_size: 8 }, signal, 8);
    if (text !== asked) return;
    setText(said, text !== "" && items.length === 0 && !run ? "Nothing of that name." : "");
    found.replaceChildren(...(run ? [h("li", null, run)] : []), ...items.map(({ id: of, name, arms }) => h("li", null,
      button(name, { kind: "e", id: of, arm: null }), h("span.quiet-text", null, ` experiment ${of}: `),
      arms.slice(0, 12).map((arm) => button(arm, { kind: "e", id: of, arm })))));
  }
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search().catch((error) => signal.aborted || toast(error.message, "error")), 250);
  });
  return h("div.adder", null, h("label.field", null, "Add", field), said, found);
}

class Page {
  constructor(view) {
    this.view = view;
    this.items = readList(view.query.get("with"));
    this.usual = usual({ metrics: CURVES });
    this.state = readShown(view.query, this.usual, KNOWN);
    this.flops = new Map(); // run → FLOPs up to steps; null while it is asked
    this.lines = [];
    this.series = new Map(); // run|metric → Series
    this.charts = new Map();
    this.group = { sync: "compare", seeds: true, zoom: this.state.zoom,
      onzoom: () => this.#set("zoom", this.group.zoom) };
    this.draw = perFrame(() => this.#draw(), view.signal);
    this.said = h("p.note", { role: "status" });
    this.table = h("div");
    this.menu = h("div.menu");
    this.matrix = h("div.matrix.metrics");
    onLeft(() => this.state.full && this.#set("full", null), view.signal);
    this.curves = h("section.curves", { "aria-labelledby": "curves" }, h("h2", { id: "curves" }, "Curves"),
      h("div.toolbar", null, h("details.dropdown", null, h("summary", null, "Metrics"), this.menu),
        controls(this.state, (key) => (value) => this.#set(key, value))), this.matrix);
    this.fill = filling(this.curves, view.signal);
    const more = adder((item) => this.#add(item), view.signal);
    view.root.append(heading("Compare"), more, this.said, this.table, this.curves);
    tend(this.charts, view.signal);
  }

  #set(key, value) {
    if (key === "axis") this.group.zoom = this.state.zoom = null; // of the other axis
    this.state[key] = value;
    this.view.keep(writeShown(this.state, this.usual));
    if (["axis", "metrics"].includes(key)) this.fetch();
    this.draw();
  }

  #add(item) {
    if (this.items.some((one) => nameOf(one) === nameOf(item))) return;
    this.items.push(item);
    return this.#changed();
  }

  #changed() {
    this.view.keep({ with: writeList(this.items) });
    return this.load();
  }

  async load() {
    const { lines, left, missing } = await resolve(this.items, this.view.signal, LINES);
    this.lines = lines;
    setText(this.said, [
      missing.length > 0 ? `Not there: ${missing.map(nameOf).join(", ")}.` : "",
      left > 0 ? `The first ${integer(LINES)} of ${integer(LINES + left)} lines.` : "",
    ].filter(Boolean).join(" "));
    this.curves.hidden = lines.length === 0;
    this.names = [...new Set(lines.flatMap(({ runs }) => runs.flatMap(({ final }) => Object.keys(final ?? {}))))]
      .sort(byPlace);
    this.#drawTable();
    this.#drawMenu();
    this.draw();
    await Promise.all([this.fetch(), this.#validity()]);
  }

  /** Which arms an audit has made worthless, as their experiments\u2019 reports say. */
  async #validity() {
    const suspect = this.lines.map(({ experiment }) => experiment).filter(({ audits }) => audits.fail > 0);
    const ids = new Set(suspect.map(({ id }) => id));
    await Promise.all([...ids].map(async (id) => {
      const report = await limited(() => get(`experiments/${id}/report`, { format: "json" }, this.view.signal));
      for (const line of this.lines)
        if (line.experiment.id === id) line.invalid = report.arms[line.arm]?.valid === false;
    }));
    if (ids.size > 0) this.#drawTable();
  }

  #head(line, i) {
    const { item, experiment, runs } = line;
    const open = item.kind === "r" ? `#/runs/${item.id}` : `#/experiments/${experiment.id}`;
    const remove = action("Remove", () => {
      this.items = this.items.filter((one) => one !== item);
      return this.#changed();
    }, { kind: "quiet", label: `Remove ${line.title}` });
    const clone = item.kind === "r" || runs.length === 1 ? `r${runs[0].id}` : experiment.id;
    return h("th", { scope: "col" }, h("span.arm", null, swatch(i), h("a", { href: open }, line.title)),
      line.invalid ? invalidTag() : null, h("span.row", null,
        h("a", { href: link("/new", { clone }), "aria-label": `Clone ${line.title}` }, "Clone"), remove));
  }

  #drawTable() {
    const { lines } = this;
    if (lines.length === 0) {
      this.table.replaceChildren(empty("Nothing is compared yet. Add experiments, arms or runs above; the pages of " +
        "experiments and runs have a button for it, and the table of runs compares what is selected."));
      return;
    }
    const rows = differing(lines.map(({ spec }) => spec));
    const row = (name, cells) => h("tr", null, h("th", { scope: "row" }, name), cells);
    const group = (text) => h("tr.group-head", null, h("th", { scope: "rowgroup", colspan: lines.length + 1 }, text));
    const state = ({ runs }) => {
      const done = runs.filter((run) => hasEnded(run.state)).length;
      return done < runs.length ? `${integer(done)} of ${plural(runs.length, "run")}, not comparable yet`
        : plural(runs.length, "run");
    };
    const value = (line, name) => {
      const { n, mean: middle } = mean(line.runs, name);
      if (n === 0) return h("td.num", null, "\u2013");
      if (line.runs.some((run) => !hasEnded(run.state)))
        return h("td.num.part", null, `${integer(n)} of ${integer(line.runs.length)}`);
      return h("td.num", { title: `mean of ${plural(n, "run")}` }, metric(name).format(middle));
    };
    this.table.replaceChildren(h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Comparison" },
      h("table.compared", null,
        h("caption", null, h("span", null, "What differs between the specifications, and what came out; means over " +
          "seeds. Only an experiment\u2019s own report makes a claim.")),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Field"),
          lines.map((line, i) => this.#head(line, i)))),
        h("tbody", null, group(rows.length > 0 ? "Specification" : "The specifications are alike"),
          rows.map(({ path, values }) => row(h("code", null, path),
            values.map((text) => h("td", null, h("code", null, text === "" ? "\u2013" : text))))),
          group("Outcome"), row("Runs", lines.map((line) => h("td.num", null, state(line)))),
          this.names.map((name) => row(metric(name).title, lines.map((line) => value(line, name))))))));
  }

  #drawMenu() {
    const show = (name) => (on) => {
      const metrics = new Set(this.state.metrics);
      if (on) metrics.add(name);
      else metrics.delete(name);
      this.#set("metrics", metrics);
    };
    this.menu.replaceChildren(...this.names.map((name) =>
      toggle(metric(name).title, this.state.metrics.has(name), show(name), name)));
  }

  /** Fetches the curves that are shown and not here yet. */
  fetch() {
    const { metrics, axis } = this.state, wanted = new Set(metrics);
    if (axis === "seconds") wanted.add(TIME);
    const jobs = this.lines.flatMap(({ runs }) => runs.slice(0, SEEDS)).map(async (run) => {
      const names = [...wanted].filter((name) => !this.series.has(`${run.id}|${name}`));
      if (names.length === 0) return;
      for (const name of names) this.series.set(`${run.id}|${name}`, new Series(POINTS));
      const query = { names: names.join(","), points: POINTS };
      const answer = await limited(() => get(`runs/${run.id}/metrics`, query, this.view.signal));
      for (const name of names) if (answer.series[name]) this.series.get(`${run.id}|${name}`).load(answer.series[name]);
      this.draw();
    });
    return Promise.all(jobs);
  }

  /** Where a line's steps stand on x. */
  #scale({ spec, runs }) {
    const { axis } = this.state, [run] = runs;
    if (axis === "seconds")
      return meanSeconds(runs.map(({ id }) => this.series.get(`${id}|${TIME}`)).filter((one) => one?.length > 0));
    if (axis === "flops" && !this.flops.has(run.id)) {
      this.flops.set(run.id, flopsOf(spec, run));
      if (this.flops.get(run.id) === null)
        limited(() => get(`runs/${run.id}`, {}, this.view.signal)).then(({ flops }) => {
          this.flops.set(run.id, flops);
          this.draw();
        }, () => {}); // it stays without an x, and the chart says so
    }
    return scaleOf(axis, { steps: run.steps, tokens: tokensOf(spec, run.steps), flops: this.flops.get(run.id) });
  }

  #chart(name) {
    const tool = fullTool(() => this.state.full !== null, (on) => this.#set("full", on ? name : null));
    return new Chart({ metric: name, group: this.group, tools: [...TAKEN, tool] });
  }

  #draw() {
    const all = this.lines.length === 0 ? [] : [...this.state.metrics].sort(byPlace), { full } = this.state;
    const names = all.includes(full) ? [full] : all, scales = this.lines.map((line) => this.#scale(line));
    this.fill(all.includes(full));
    for (const [name, chart] of this.charts)
      if (!names.includes(name)) {
        chart.destroy();
        this.charts.delete(name);
      }
    for (const name of names) {
      if (!this.charts.has(name)) this.charts.set(name, this.#chart(name));
      const chart = this.charts.get(name);
      const arms = this.lines.map((line, i) => ({ name: line.title, place: i, scale: scales[i],
        series: line.runs.slice(0, SEEDS).map((run) => this.series.get(`${run.id}|${name}`)).filter(Boolean) }));
      chart.prepare(arms, { ...this.state, until: 0 });
    }
    const elements = names.map((name) => this.charts.get(name).element);
    const { children } = this.matrix, same = children.length === elements.length;
    if (!same || elements.some((element, i) => children[i] !== element)) this.matrix.replaceChildren(...elements);
    for (const name of names) this.charts.get(name).paint();
  }
}

export default async function compare(view) {
  const page = new Page(view);
  await page.load();
}
