// One experiment: a head that stays in sight, and tabs that stand in the address. Each tab is a file of its own in
// experiment/, made when it is first looked at: {element, update(report), draw(), push(), moved(query)}, of which all
// but the element may be missing.
//
// Three sources: the experiment and its runs (fetched, then followed), the series (curves.js), and the report, which
// the daemon computes; it is fetched anew, at most every two seconds, when an evaluation, a run's end or an audit may
// have changed it.

import { get, list } from "../base/api.js";
import { h, perFrame, setAttribute, throttled, toast } from "../base/dom.js";
import { isEvaluated } from "../base/metrics.js";
import { advance, hasEnded } from "../parts/parts.js";
import { attentionTab } from "./experiment/attention.js";
import { curvesTab } from "./experiment/curves.js";
import { exportTab } from "./experiment/export.js";
import { head } from "./experiment/head.js";
import { runsTab } from "./experiment/runs.js";
import { setupTab } from "./experiment/setup.js";
import { summaryTab } from "./experiment/summary.js";
import { validityTab } from "./experiment/validity.js";

const REPORT_MS = 2000;

const TABS = [
  { name: "summary", title: "Summary", make: summaryTab },
  { name: "curves", title: "Curves", make: curvesTab },
  { name: "runs", title: "Runs", make: runsTab },
  { name: "validity", title: "Validity", make: validityTab },
  { name: "attention", title: "Attention", make: attentionTab },
  { name: "setup", title: "Setup", make: setupTab },
  { name: "export", title: "Export", make: exportTab },
];

class Page {
  constructor(view, experiment, runs) {
    Object.assign(this, { view, experiment, runs, report: null, tabs: new Map() });
    this.draw = perFrame(() => this.#draw(), view.signal, 100);
    this.refreshReport = throttled(() => this.loadReport(), REPORT_MS, view.signal);
    this.links = TABS.map(({ name, title }) => h("a", { href: this.to(name) }, title));
    this.place = h("div.tab");
    this.head = head(this, h("nav.tabs", { "aria-label": "Experiment" }, this.links));
    view.root.append(...this.head.elements, this.place);
    view.moved = () => this.open();
  }

  /** The address of a tab. */
  to(name) {
    return `#/experiments/${this.experiment.id}${name === "summary" ? "" : `/${name}`}`;
  }

  /** Shows the tab that the address names. */
  open() {
    const asked = this.view.params[1] ?? "summary", at = Math.max(0, TABS.findIndex(({ name }) => name === asked));
    const { name, make } = TABS[at];
    this.links.forEach((link, i) => setAttribute(link, "aria-current", i === at ? "page" : null));
    if (!this.tabs.has(name)) this.tabs.set(name, make(this));
    const tab = (this.shown = this.tabs.get(name));
    if (this.place.firstChild !== tab.element) this.place.replaceChildren(tab.element);
    tab.moved?.(this.view.query);
    if (this.report) tab.update?.(this.report);
    this.draw();
  }

  async loadReport() {
    this.report = await get(`experiments/${this.experiment.id}/report`, { format: "json" }, this.view.signal);
    this.head.update(this.report);
    this.shown?.update?.(this.report);
  }

  #draw() {
    const share = this.head.draw();
    this.shown?.draw?.();
    const { state, name } = this.experiment;
    this.view.title((state === "running" ? `${Math.floor(share * 100)} % ` : "") + name);
  }

  #each(what, ...args) {
    for (const tab of this.tabs.values()) tab[what]?.(...args);
  }

  handlers() {
    return {
      run: ({ run }) => {
        const before = this.runs.get(run.id);
        this.runs.set(run.id, run);
        this.#each("ran", run, before);
        if (before?.state !== run.state || hasEnded(run.state)) this.refreshReport();
        this.draw();
      },
      metrics: ({ run: id, series }) => {
        const run = this.runs.get(id);
        if (run) advance(run, series);
        if (Object.keys(series).some(isEvaluated)) this.refreshReport();
        this.#each("push", id, series);
        this.draw();
      },
      experiment: ({ experiment, deleted }) => {
        if (deleted) {
          toast("This experiment was deleted.");
          location.hash = "#/";
          return;
        }
        if (experiment.state !== this.experiment.state) this.refreshReport();
        Object.assign(this.experiment, experiment);
        this.draw();
      },
      audit: () => this.refreshReport(),
      resync: () => this.reload(),
    };
  }

  async reload() {
    const { experiment, runs } = await load(this.experiment.id, this.view.signal);
    Object.assign(this.experiment, experiment);
    this.runs.clear();
    for (const [id, run] of runs) this.runs.set(id, run);
    this.#each("reload");
    this.refreshReport();
    this.draw();
  }
}

async function load(id, signal) {
  const experiment = await get(`experiments/${id}`, {}, signal);
  const { items } = await list("runs", { experiment: id, page_size: 1000 }, signal);
  return { experiment, runs: new Map(items.map((run) => [run.id, run])), as_of: experiment.as_of };
}

export default async function experiment(view) {
  const id = Number(view.params[0]);
  const { experiment: found, runs, as_of } = await load(id, view.signal);
  const page = new Page(view, found, runs);
  page.open();
  view.follow({ experiment: id, after: as_of }, page.handlers());
  await page.loadReport().catch((error) => view.signal.aborted || console.warn(error));
}
