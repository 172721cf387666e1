// One run: all of its curves, its frozen spec, its log, what it left behind.

import { address, get, getText, post } from "../api.js";
import { Chart, tend } from "../chart.js";
import { action, command, h, perFrame, setAttribute, setText, throttled } from "../dom.js";
import { bytes, duration, elapsed, integer, number, placeOf, plural, scaled, when } from "../format.js";
import { byPlace, FINAL, metric } from "../metrics.js";
import {
  advance, armLabel, auditCounts, badge, definition, endingNote, hasEnded, mayRetry, numeric, progress, smoothing,
  table, toggle,
} from "../parts.js";
import { Series } from "../series.js";

const POINTS = 2000;
const LOG_LINES = 500;
const LIVE_MS = 150;

/** What a verification says, as a sentence. */
function verification({ state, compared, first_difference, reason }) {
  if (state === "queued") return "It waits to be trained again.";
  if (state === "running" && compared === 0) return "It is being trained again; nothing has been compared yet.";
  const found = first_difference ? "and one differs" : "every bit the same";
  if (state === "running") return `Trained again: ${plural(compared, "value")} compared so far, ${found}.`;
  return reason;
}

/** The log's tail; stays at the end while it is looked at there. */
function logTail() {
  const pre = h("pre.log", { tabindex: "0", role: "log", "aria-label": "Log, newest line last" });
  const lines = [];
  return {
    element: pre,
    set(text) {
      lines.splice(0, lines.length, ...text.split("\n").filter((line) => line !== "").slice(-LOG_LINES));
      this.draw();
    },
    add(line) {
      lines.push(line);
      if (lines.length > LOG_LINES) lines.splice(0, lines.length - LOG_LINES);
      this.draw();
    },
    draw() {
      const end = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 30;
      setText(pre, lines.join("\n") || "Nothing has been logged.");
      if (end) pre.scrollTop = pre.scrollHeight;
    },
  };
}

class Page {
  constructor(view, run, experiment) {
    Object.assign(this, { view, run, experiment });
    this.place = Math.max(0, experiment.arms.indexOf(run.arm));
    this.series = new Map();
    this.loaded = false;
    this.charts = new Map();
    this.options = { log: false, weight: 0 };
    this.group = { sync: `run-${run.id}`, seeds: false, zoom: null, onzoom: () => this.drawCurves() };
    this.draw = perFrame(() => this.#draw(), view.signal, 100);
    this.drawCurves = perFrame(() => this.#drawCurves(), view.signal);
    this.drawSoon = perFrame(() => this.#drawCurves(), view.signal, LIVE_MS);
    this.refreshFiles = throttled(() => this.loadFiles(), 2000, view.signal);
    this.refreshAudits = throttled(() => this.loadAudits(), 2000, view.signal);
    this.#build();
    tend(this.charts, view.signal);
  }

  #build() {
    const { run, experiment } = this, { id } = run;
    this.state = badge();
    this.bar = progress(`Steps of run ${id}`);
    this.facts = h("div");
    this.audits = auditCounts();
    this.reason = h("p.problem", { hidden: true });
    this.cancel = action("Cancel", () => post(`runs/${id}/cancel`));
    this.retry = action("Retry", () => post(`runs/${id}/retry`));
    this.verify = action("Verify", () => post(`runs/${id}/verify`),
      { title: "Train it again and compare every bit with what is stored" });
    this.stopVerifying = action("Stop verifying", () => post(`runs/${id}/cancel`));
    this.verified = badge();
    this.finding = h("span");
    this.verification = h("p.verification", { hidden: true, role: "status" },
      "Verification ", this.verified.element, " ", this.finding);
    this.matrix = h("div.matrix.metrics");
    this.log = logTail();
    this.files = table({
      caption: "Artifacts", hidden: true, headings: ["File", numeric("Size"), "SHA-256"],
    });
    this.noFiles = h("p.empty");
    const set = (key) => (value) => {
      this.options[key] = value;
      this.drawCurves();
    };
    const back = h("a", { href: `#/experiments/${experiment.id}` }, experiment.name);
    const curl = `curl -K DIR/curlrc '${location.origin}${address(`runs/${id}/metrics`, { names: "val/loss" })}'`;
    this.view.root.append(
      h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), " / ", back, ` / run ${id}`),
      h("div.heading", null,
        h("h1", null, armLabel(experiment.arms, run.arm), h("span.h1-rest", null, placeOf(run).join(" \u00b7 "))),
        this.state.element, h("div.row.end", null, this.retry, this.verify, this.stopVerifying, this.cancel)),
      h("div.status", null, this.bar.element, h("span", null, "Audits of the experiment ", this.audits.element)),
      this.reason, this.verification, this.facts,
      h("section", { "aria-labelledby": "curves" }, h("h2", { id: "curves" }, "Curves"),
        h("div.toolbar", null, h("div.row", null, toggle("log y", false, set("log")), smoothing(set("weight")))),
        this.matrix),
      h("section", { "aria-labelledby": "log" }, h("h2", { id: "log" }, "Log"), this.log.element),
      h("section", { "aria-labelledby": "files" }, h("h2", { id: "files" }, "Artifacts"),
        this.files.element, this.noFiles),
      h("section", { "aria-labelledby": "spec" }, h("details", null,
        h("summary", null, h("h2", { id: "spec" }, "Resolved specification")),
        h("p.note", null, "Frozen at submit. Its digest is the SHA-256 of this, in canonical JSON."),
        h("pre", { tabindex: "0" }, JSON.stringify(run.spec, null, 2)))),
      h("section", null, command(curl)));
  }

  #draw() {
    const { run } = this;
    this.state.update(run.state, endingNote(run));
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
    const names = [...this.series.keys()].sort(byPlace);
    for (const name of names) {
      if (!this.charts.has(name)) {
        const chart = new Chart({ metric: name, group: this.group });
        this.charts.set(name, chart);
        const after = names.slice(0, names.indexOf(name)).reverse().find((other) => this.charts.has(other));
        if (after) this.charts.get(after).element.after(chart.element);
        else this.matrix.prepend(chart.element);
      }
      const chart = this.charts.get(name);
      const arm = { name: this.run.arm, place: this.place, series: [this.series.get(name)] };
      chart.prepare([arm], { ...this.options, until: this.run.steps });
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

  async loadAudits() {
    this.experiment = await get(`experiments/${this.experiment.id}`, {}, this.view.signal);
    this.draw();
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
        Object.assign(this.run, await get(`runs/${this.run.id}`, {}, this.view.signal));
        this.series.forEach((series) => series.clear());
        await Promise.all([this.loadCurves(), this.loadLog(), this.loadFiles()]);
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
  page.draw();
  view.follow({ run: id, after: found.as_of }, page.handlers());
  await Promise.all([page.loadCurves(), page.loadLog(), page.loadFiles()]);
}
