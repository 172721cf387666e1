// One run: its head, and tabs that stand in the address: curves, what the arm attends to, the log, attempts and what
// they ran on, what it left behind, the frozen specification.

import { address, get, getText, post } from "../base/api.js";
import { scaleOf } from "../charts/axes.js";
import { Chart, tend } from "../charts/chart.js";
import { controls, filling, fullTool, KNOWN, onLeft, TIME, tokensOf } from "../charts/controls.js";
import { readShown, usual, writeShown } from "../charts/shown.js";
import { TAKEN } from "../charts/taken.js";
import { action, command, confirmed, h, perFrame, setAttribute, setText, throttled } from "../base/dom.js";
import {
  bytes, duration, elapsed, integer, number, percent, placeOf, plain, plural, scaled, significant, when,
} from "../base/format.js";
import { logView } from "../parts/log.js";
import { byPlace, FINAL, metric } from "../base/metrics.js";
import {
  advance, armLabel, auditCounts, auditingNote, badge, definition, empty, endingNote, hasEnded, invalidTag, mayRetry,
  numeric, progress, specification, table,
} from "../parts/parts.js";
import { Series } from "../charts/series.js";
import { AttentionPanel } from "./attention.js";

const POINTS = 2000;
const LIVE_MS = 150;
const TABS = [
  ["curves", "Curves"], ["attention", "Attention"], ["log", "Log"], ["system", "System"], ["artifacts", "Artifacts"],
  ["spec", "Specification"],
];

/** What a verification says, as a sentence. */
function verification({ state, compared, first_difference, reason }) {
  if (state === "queued") return "It waits to be trained again.";
  if (state === "running" && compared === 0) return "It is being trained again; nothing has been compared yet.";
  const found = first_difference ? "and one differs" : "every bit the same";
  if (state === "running") return `Trained again: ${plural(compared, "value")} compared so far, ${found}.`;
  return reason;
}

/** Attempts, how each ended and on what it ran. */
function attemptsSection() {
  const made = table({
    caption: "Attempts of the run", hidden: true, name: "cards",
    headings: ["Attempt", "What for", "Ended", "Started", numeric("Took"), "Disturbed by"],
  });
  const where = h("div"), none = empty("No attempt has been made.");
  const disturbed = ({ interference: found }) => (found === null ? "not known"
    : `host ${percent(found.steal_share)}, ${significant(found.other_cores, 2)} other cores`);
  return {
    element: h("div", null, h("section", { "aria-labelledby": "attempts" }, h("h2", { id: "attempts" }, "Attempts"),
      none, made.element), h("section", { "aria-labelledby": "environment" },
      h("h2", { id: "environment" }, "Environment"), where)),
    update(attempts) {
      none.hidden = attempts.length > 0;
      made.element.hidden = attempts.length === 0;
      made.body.replaceChildren(...attempts.map((one) => h("tr", null,
        h("th", { scope: "row" }, `Attempt ${one.attempt}`),
        h("td", { "data-label": "What for" }, one.kind === "verify" ? "verification" : "training"),
        h("td", { "data-label": "Ended" }, one.outcome || "goes on"),
        h("td", { "data-label": "Started" }, one.started_at ? when(one.started_at) : ""),
        h("td.num", { "data-label": "Took" },
          one.started_at ? duration(elapsed(one.started_at, one.ended_at ?? undefined)) : ""),
        h("td", { "data-label": "Disturbed by" }, disturbed(one)))));
      const last = attempts.findLast(({ environment }) => environment !== null);
      where.replaceChildren(last ? definition(Object.entries(last.environment)
        .map(([key, value]) => [key.replaceAll("_", " "), plain(value)])) : empty("Not known before it has started."));
    },
  };
}

class Page {
  constructor(view, run, experiment) {
    Object.assign(this, { view, run, experiment });
    this.place = Math.max(0, experiment.arms.indexOf(run.arm));
    this.series = new Map();
    this.charts = new Map();
    this.usual = usual();
    this.showing = readShown(view.query, this.usual, KNOWN);
    this.group = { sync: `run-${run.id}`, seeds: false, zoom: this.showing.zoom,
      onzoom: () => this.#set("zoom", this.group.zoom) };
    this.draw = perFrame(() => this.#draw(), view.signal, 100);
    this.drawCurves = perFrame(() => this.#drawCurves(), view.signal);
    this.drawSoon = perFrame(() => this.#drawCurves(), view.signal, LIVE_MS);
    this.refreshFiles = throttled(() => this.loadFiles(), 2000, view.signal);
    this.refreshRun = throttled(() => this.loadRun(), 2000, view.signal);
    this.refreshAudits = throttled(() => this.loadAudits(), 2000, view.signal);
    this.#build();
    tend(this.charts, view.signal);
  }

  #build() {
    const { run, experiment, view } = this, { id } = run, named = (what) => ({ label: `${what} run ${id}` });
    this.state = badge();
    this.bar = progress(`Steps of run ${id}`);
    this.facts = h("div");
    this.invalid = h("span", { hidden: true }, invalidTag());
    this.audits = auditCounts((status) => `#/experiments/${experiment.id}/validity?status=${status}`);
    this.reason = h("p.problem", { hidden: true });
    this.cancel = action("Cancel", async () => {
      const question = `Cancel run ${id}? What has been measured stays; the verdict will count it as lost.`;
      if (await confirmed(question, "Cancel the run")) await post(`runs/${id}/cancel`);
    }, named("Cancel"));
    this.retry = action("Retry", () => post(`runs/${id}/retry`), named("Retry"));
    this.verify = action("Verify", () => post(`runs/${id}/verify`),
      { title: "Train it again and compare every bit with what is stored" });
    this.stopVerifying = action("Stop verifying", () => post(`runs/${id}/cancel`));
    this.verified = badge();
    this.finding = h("span");
    this.verification = h("p.verification", { hidden: true, role: "status" },
      "Verification ", this.verified.element, " ", this.finding);
    const back = h("a", { href: `#/experiments/${experiment.id}` }, experiment.name);
    this.links = TABS.map(([name, title]) =>
      h("a", { href: `#/runs/${id}${name === "curves" ? "" : `/${name}`}` }, title));
    this.shown = h("div.tab");
    view.root.append(
      h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), " / ", back, ` / run ${id}`),
      h("div.head", null, h("div.heading", null,
        h("h1", null, armLabel(experiment.arms, run.arm), h("span.h1-rest", null, placeOf(run).join(" \u00b7 "))),
        this.invalid, this.state.element, h("div.row.end", null,
          h("a.button", { href: `#/new?clone=r${id}` }, "Clone"), h("a.button", { href: `#/compare?with=r${id}` },
            "Compare"), this.retry, this.verify, this.stopVerifying, this.cancel)),
      h("div.status", null, this.bar.element, h("span", null, "Audits of the experiment ", this.audits.element)),
      h("nav.tabs", { "aria-label": "Run" }, this.links)),
      this.reason, this.verification, this.shown);
    this.log = logView({ ...view, query: view.query, name: `run-${id}.log` });
    this.attempts = attemptsSection();
    this.attention = new AttentionPanel({ runs: () => [run], query: view.query, signal: view.signal,
      keep: (changes) => view.keep(changes) });
    this.tabs = {
      curves: this.#curvesTab(), attention: this.attention.element,
      log: this.log.element, system: this.attempts.element, artifacts: this.#filesTab(),
      spec: h("div", null, h("p.note", null,
        "Frozen at submit. Its digest is the SHA-256 of this, in canonical JSON."),
      specification(run.spec, `run-${id}.json`)),
    };
    view.moved = () => this.open();
  }

  /** Shows the tab that the address names. */
  open() {
    const at = Math.max(0, TABS.findIndex(([name]) => name === this.view.params[1]));
    this.links.forEach((link, i) => setAttribute(link, "aria-current", i === at ? "page" : null));
    this.shown.replaceChildren(this.tabs[TABS[at][0]]);
    this.log.moved();
    if (TABS[at][0] === "attention") this.attention.open();
    this.drawCurves();
  }

  #curvesTab() {
    this.matrix = h("div.matrix.metrics");
    onLeft(() => this.showing.full && this.#set("full", null), this.view.signal);
    const curl = `curl -K DIR/curlrc '${location.origin}` +
      `${address(`runs/${this.run.id}/metrics`, { names: "val/loss" })}'`;
    this.curves = h("section.curves", { "aria-labelledby": "curves" }, h("h2", { id: "curves" }, "Curves"),
      h("div.toolbar", null, controls(this.showing, (key) => (value) => this.#set(key, value))), this.matrix);
    this.fill = filling(this.curves, this.view.signal);
    return h("div", null, this.facts, this.curves, h("section", null, command(curl)));
  }

  #set(key, value) {
    if (key === "axis") this.group.zoom = this.showing.zoom = null; // of the other axis
    this.showing[key] = value;
    this.view.keep(writeShown(this.showing, this.usual));
    this.drawCurves();
  }

  /** Where steps stand on x. */
  #scale() {
    const { spec, steps, flops } = this.run, { axis } = this.showing;
    return scaleOf(axis, { steps, flops, tokens: tokensOf(spec, steps), time: this.series.get(TIME) });
  }

  #filesTab() {
    this.files = table({
      caption: "Artifacts", hidden: true, headings: ["File", numeric("Size"), "SHA-256"],
    });
    this.noFiles = empty();
    return h("div", null, this.files.element, this.noFiles);
  }

  #draw() {
    const { run } = this;
    this.state.update(run.state, endingNote(run) || auditingNote(run));
    this.bar.update(run.steps > 0 ? run.step / run.steps : 0, `step ${integer(run.step)} of ${integer(run.steps)}`);
    this.audits.update(this.experiment.audits);
    setText(this.reason, run.reason);
    this.reason.hidden = !run.reason || run.reason === run.state; // "cancelled" is said already
    setText(this.noFiles, hasEnded(run.state) ? "None."
      : "None yet. A run\u2019s artifacts appear when it has finished.");
    this.cancel.hidden = hasEnded(run.state);
    this.#drawVerification();
    this.facts.replaceChildren(definition([
      ["Attempt", run.attempt > 0 ? `${run.attempt} of at most ${run.max_attempts}` : null],
      ["Started", run.started_at ? when(run.started_at) : null],
      ["Took", run.ended_at && run.started_at ? duration(elapsed(run.started_at, run.ended_at)) : null],
      ["Parameters", integer(run.parameters)], ["Memory", bytes(run.memory_bytes)],
      ["A step", scaled(run.flops_per_step, "FLOP")],
      ["Priority", run.priority ? String(run.priority) : null],
      ["Digest", h("code.digest", { title: run.digest }, run.digest?.slice(0, 16))],
      ...FINAL.filter((name) => number(run.final?.[name]) !== undefined)
        .map((name) => [metric(name).title, metric(name).format(number(run.final[name]))]),
    ]));
    const share = run.state === "running" ? `${Math.floor((100 * run.step) / run.steps)} % ` : "";
    this.view.title(`${share}run ${run.id}, ${run.arm}`);
  }

  #drawVerification() {
    const { run } = this, { verify } = run, going = verify !== null && !hasEnded(verify.state);
    this.retry.hidden = !mayRetry(run.state) || going;
    this.verify.hidden = !hasEnded(run.state) || run.step === 0 || going;
    this.stopVerifying.hidden = !going;
    this.verification.hidden = verify === null;
    if (verify === null) return;
    this.verified.update(verify.state);
    setText(this.finding, verification(verify));
    const bad = verify.state === "differs" || verify.state === "failed";
    setAttribute(this.verification, "class", `verification${bad ? " problem" : ""}`);
  }

  #drawCurves() {
    const names = [...this.series.keys()].sort(byPlace), scale = this.#scale(), { full } = this.showing;
    const alone = this.series.has(full);
    this.fill(alone);
    for (const name of names) {
      if (!this.charts.has(name)) {
        const tool = fullTool(() => this.showing.full !== null, (on) => this.#set("full", on ? name : null));
        const chart = new Chart({ metric: name, group: this.group, tools: [...TAKEN, tool] });
        this.charts.set(name, chart);
        const after = names.slice(0, names.indexOf(name)).reverse().find((other) => this.charts.has(other));
        if (after) this.charts.get(after).element.after(chart.element);
        else this.matrix.prepend(chart.element);
      }
      const chart = this.charts.get(name);
      const arm = { name: this.run.arm, place: this.place, series: [this.series.get(name)], scale };
      chart.element.hidden = alone && full !== name;
      chart.prepare([arm], { ...this.showing, until: this.run.steps });
      chart.paint();
    }
    this.waiting ??= h("p.empty");
    setText(this.waiting, hasEnded(this.run.state) ? "It has no values." : "No values yet.");
    if (names.length === 0) this.matrix.append(this.waiting);
    else this.waiting.remove();
  }

  #of(name) {
    if (!this.series.has(name)) this.series.set(name, new Series(POINTS));
    return this.series.get(name);
  }

  async loadCurves() {
    const answer = await get(`runs/${this.run.id}/metrics`, { points: POINTS }, this.view.signal);
    for (const [name, series] of Object.entries(answer.series)) this.#of(name).load(series);
    this.drawCurves();
  }

  async loadLog() {
    try {
      this.log.set(await getText(`runs/${this.run.id}/log`, {}, this.view.signal));
    } catch (error) {
      if (error.status !== 404) throw error;
      this.log.set("");
    }
  }

  async loadRun() {
    Object.assign(this.run, await get(`runs/${this.run.id}`, {}, this.view.signal));
    this.attempts.update(this.run.attempts);
    this.draw();
  }

  /** How many findings there are, and whether this run's arm is worth anything. */
  async loadAudits() {
    this.experiment = await get(`experiments/${this.experiment.id}`, {}, this.view.signal);
    this.draw();
    if (!(this.experiment.audits.fail > 0)) return;
    const report = await get(`experiments/${this.experiment.id}/report`, { format: "json" }, this.view.signal);
    this.invalid.hidden = report.arms[this.run.arm]?.valid !== false;
  }

  async loadFiles() {
    const { items } = await get(`runs/${this.run.id}/artifacts`, {}, this.view.signal);
    const link = ({ name }) => h("a",
      { href: address(`runs/${this.run.id}/artifacts/${encodeURIComponent(name)}`), download: name }, name);
    this.files.body.replaceChildren(...items.map((file) => h("tr", null,
      h("th", { scope: "row" }, link(file)), h("td.num", null, bytes(file.bytes)),
      h("td", null, h("code.digest", { title: file.sha256 }, file.sha256.slice(0, 16))))));
    this.files.element.hidden = items.length === 0;
    this.noFiles.hidden = items.length > 0;
  }

  handlers() {
    const mine = (id) => id === this.run.id;
    return {
      run: ({ run }) => {
        if (!mine(run.id)) return;
        const ended = hasEnded(run.state) && !hasEnded(this.run.state);
        if (ended || run.attempt !== this.run.attempt) this.refreshRun();
        Object.assign(this.run, run);
        if (ended) {
          this.refreshFiles();
          this.refreshAudits();
        }
        this.draw();
      },
      metrics: ({ run, series }) => {
        if (!mine(run)) return;
        for (const [name, points] of Object.entries(series)) this.#of(name).push(points);
        advance(this.run, series);
        this.draw();
        this.drawSoon();
      },
      audit: () => this.refreshAudits(),
      log: ({ run, level, message }) => {
        if (mine(run)) this.log.add(level && level !== "info" ? `${level}: ${message}` : message);
      },
      experiment: ({ deleted }) => {
        if (deleted) location.hash = "#/";
      },
      resync: async () => {
        this.series.forEach((series) => series.clear());
        await Promise.all([this.loadRun(), this.loadCurves(), this.loadLog(), this.loadFiles()]);
        this.draw();
      },
    };
  }
}

export default async function run(view) {
  const id = Number(view.params[0]);
  const found = await get(`runs/${id}`, {}, view.signal);
  const experiment = await get(`experiments/${found.experiment_id}`, {}, view.signal);
  const page = new Page(view, found, experiment);
  page.attempts.update(found.attempts);
  page.open();
  page.draw();
  view.follow({ run: id, after: found.as_of }, page.handlers());
  page.refreshAudits();
  await Promise.all([page.loadCurves(), page.loadLog(), page.loadFiles()]);
}
