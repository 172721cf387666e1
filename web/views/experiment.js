// One experiment: where it stands, its verdict, its curves, its tables, its runs.
//
// Three sources: the experiment and its runs (fetched, then followed), the series (curves.js), and the
// report, which the daemon computes; it is fetched anew, at most every two seconds, when an evaluation,
// a run's end or an audit may have changed it.

import { address, get, list, patch, post, remove } from "../api.js";
import { action, command, confirmed, h, keyed, perFrame, rove, setText, throttled, toast } from "../dom.js";
import { duration, elapsed, gridPoint, integer, number, placeOf, plural, when } from "../format.js";
import { isEvaluated, metric } from "../metrics.js";
import {
  advance, armLabel, auditCounts, badge, countsText, hasEnded, mayRetry, numeric, progress, stateNote, stepBar,
  table,
} from "../parts.js";
import { Curves } from "./curves.js";
import { differencesTable, figureSection, positionsSection, tuningSection, verdictPanel } from "./report.js";
import { moreSeeds } from "./seeds.js";
import { armsTable, dynamicsTable, studyTable } from "./tables.js";

const REPORT_MS = 2000;
const RUNS_SHOWN = 300;
const REASONS_SHOWN = 3;
const STRIP_LARGE = 200; // from so many runs on their squares are smaller

function runRow(experiment) {
  const about = metric(experiment.compare.metric);
  return (first) => {
    const state = badge(), bar = stepBar(first);
    const value = h("td.num"), time = h("td.num"), actions = h("td.actions");
    const cancel = action("Cancel", () => post(`runs/${first.id}/cancel`), { kind: "quiet" });
    const retry = action("Retry", () => post(`runs/${first.id}/retry`), { kind: "quiet" });
    actions.append(cancel, retry);
    return {
      element: h("tr", null, h("th", { scope: "row" }, h("a", { href: `#/runs/${first.id}` }, `Run ${first.id}`)),
        h("td", null, armLabel(experiment.arms, first.arm)), h("td", null, gridPoint(first.grid)),
        h("td.num", null, String(first.seed)),
        h("td", null, state.element), h("td", null, bar.element), value, time, actions),
      update(run) {
        state.update(run.state, run.reason || stateNote(run));
        bar.update(run);
        setText(value, about.format(number(run.final?.[about.name])));
        setText(time, run.started_at ? duration(elapsed(run.started_at, run.ended_at ?? undefined)) : "");
        cancel.hidden = hasEnded(run.state);
        retry.hidden = !mayRetry(run.state);
      },
    };
  };
}

/**
 * What became of the runs that failed: a sentence for each reason, the most frequent first, with the way to one of
 * them.
 */
function failures(runs) {
  const by = new Map();
  for (const run of runs) if (run.state === "failed") by.set(run.reason, [...(by.get(run.reason) ?? []), run]);
  const most = [...by].sort(([, a], [, b]) => b.length - a.length).slice(0, REASONS_SHOWN);
  return most.map(([reason, [first, ...more]]) => h("p", null,
    h("a", { href: `#/runs/${first.id}` }, `Run ${first.id}`),
    more.length > 0 ? ` and ${plural(more.length, "other")}` : "", ` failed${reason ? `: ${reason}` : ""}.`));
}

/** Name and notes, editable in place of a page of their own. */
function editor(experiment, done) {
  const name = h("input", { value: experiment.name, required: true, maxlength: "64" });
  const notes = h("textarea", { rows: "6" }, experiment.notes);
  const dialog = h("dialog", { "aria-label": "Edit name and notes" }, h("form", { method: "dialog" },
    h("label.field", null, "Name", name), h("label.field", null, "Notes", notes),
    h("div.row.end", null, h("button", { value: "", formnovalidate: true }, "Cancel"),
      h("button.primary", { value: "save" }, "Save"))));
  dialog.addEventListener("close", async () => {
    dialog.remove();
    if (dialog.returnValue !== "save") return;
    try {
      await patch(`experiments/${experiment.id}`, { name: name.value, notes: notes.value });
      done({ name: name.value, notes: notes.value });
    } catch (error) {
      toast(error.message, "error");
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

class Page {
  constructor(view, experiment, runs) {
    Object.assign(this, { view, experiment, runs });
    const { signal } = view;
    this.curves = new Curves({ experiment, runs, signal, onpoint: () => this.dynamics.update() });
    this.study = studyTable(experiment);
    this.dynamics = dynamicsTable(this.curves, experiment.compare.metric, signal);
    this.curves.ondraw = () => this.dynamics.update();
    this.arms = armsTable(experiment);
    this.verdict = verdictPanel();
    this.more = moreSeeds(experiment, runs, { allowed: view.may("submit"), done: () => this.reload() });
    this.differences = differencesTable(experiment);
    this.tuning = tuningSection(experiment);
    this.positions = positionsSection(experiment, signal);
    this.figure = figureSection(experiment, signal);
    this.reported = [
      this.verdict, this.more, this.study, this.differences, this.tuning, this.arms, this.positions, this.figure,
    ];
    this.draw = perFrame(() => this.#draw(), signal, 100);
    this.refreshReport = throttled(() => this.loadReport(), REPORT_MS, signal);
    this.#build();
  }

  #build() {
    const { experiment } = this, { id } = experiment;
    this.title = h("h1");
    this.state = badge();
    this.bar = progress("Steps done, over all runs");
    this.counts = h("span.counts", { role: "status" });
    this.audits = auditCounts();
    this.left = h("span.quiet-text");
    this.notes = h("p.notes");
    this.failed = h("div.problem", { hidden: true });
    this.cancel = action("Cancel", async () => {
      const question = "Cancel every run that hasn\u2019t ended? What has been measured stays.";
      if (await confirmed(question, "Cancel the runs")) await post(`experiments/${id}/cancel`);
    });
    this.retry = action("Retry failed", () => this.#retryFailed());
    this.erase = action("Delete", async () => {
      const question = `Delete \u201c${this.experiment.name}\u201d with all its runs and measurements? ` +
        "It can be restored until it is purged.";
      if (!await confirmed(question, "Delete")) return;
      await remove(`experiments/${id}`);
      location.hash = "#/";
    }, { kind: "danger" });
    const edit = action("Edit", () => editor(this.experiment, (changed) => {
      Object.assign(this.experiment, changed);
      this.draw();
    }));
    this.strip = h("ul.strip", { "aria-label": "Runs by state" });
    this.stripStop = rove(this.strip);
    this.stripRows = keyed(this.strip, (run) => run.id, (first) => {
      const link = h("a", { href: `#/runs/${first.id}`, tabindex: "-1" });
      return {
        element: h("li", null, link),
        update: (run) => {
          link.className = `cell ${run.state}`;
          const label = `Run ${run.id}: ${[run.arm, ...placeOf(run), run.state].join(", ")}`;
          link.title = label;
          link.setAttribute("aria-label", label);
        },
      };
    });
    this.runTable = table({
      caption: "Runs", hidden: true,
      headings: ["Run", "Arm", "Grid", numeric("Seed"), "State", "Progress",
        numeric(metric(experiment.compare.metric).title), numeric("Time"), { text: "", label: "Actions" }],
    });
    this.runRows = keyed(this.runTable.body, (run) => run.id, runRow(experiment));
    this.beyond = h("p.note", { hidden: true });
    const runsOpen = h("details", { open: this.runs.size <= 24 },
      h("summary", null, h("h2", { id: "runs" }, "Runs")), this.runTable.element, this.beyond);
    const report = (format) => address(`experiments/${id}/report`, { format });
    const file = (format, label) =>
      h("a.button", { href: report(format), download: `experiment-${id}.${format}` }, label);
    const taken = (query, label, title) =>
      h("a.button", { href: address(`experiments/${id}/export`, query), download: "", title }, label);
    const capsule = h("a.button", {
      href: address(`experiments/${id}/capsule`), download: "",
      title: "Everything above in one archive that ablate-worker verify checks",
    }, "Capsule");
    const section = (name, title, element) =>
      h("section", { "aria-labelledby": name }, h("h2", { id: name }, title), element);

    this.view.root.append(
      h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), ` / ${id}`),
      h("div.heading", null, this.title, this.state.element,
        h("div.row.end", null, edit, this.retry, this.cancel, this.erase)),
      h("div.status", null, this.bar.element, this.counts, this.left, h("span", null, "Audits ", this.audits.element)),
      this.strip, this.failed, this.notes, this.verdict.element, this.more.element,
      this.curves.element,
      section("table", "Result", this.study.element),
      section("differences", "Differences", this.differences.element),
      this.tuning.element,
      section("dynamics", "Dynamics", this.dynamics.element),
      section("arms", "Arms and audits", this.arms.element),
      this.positions.element, this.figure.element,
      h("section", null, runsOpen),
      h("section", { "aria-labelledby": "take" }, h("h2", { id: "take" }, "Take it with you"),
        h("div.row", null,
          file("md", "Report (Markdown)"), file("csv", "Table (CSV)"), file("json", "Report (JSON)"), capsule),
        h("div.row", null,
          taken({ format: "csv" }, "Curves (CSV)", "Every point of every run, a line each"),
          taken({ format: "jsonl" }, "Curves (JSON lines)", "Every point of every run, an object each"),
          taken({ format: "tensorboard" }, "TensorBoard", "Event files of every run in one archive"),
          taken({ what: "runs", format: "csv" }, "Runs (CSV)", "A line a run: state, parameters, final values"),
          taken({ what: "runs", format: "jsonl" }, "Runs (JSON lines)", "An object a run")),
        command(`curl -K DIR/curlrc '${location.origin}${report("md")}'`),
        command(`curl -K DIR/curlrc -N '${location.origin}${address("events", { experiment: id })}'`),
        h("details", null, h("summary", null, "Specification"),
          h("pre", { tabindex: "0" }, JSON.stringify(experiment.spec, null, 2)))));
  }

  async #retryFailed() {
    const failed = [...this.runs.values()].filter((run) => run.state === "failed");
    for (const run of failed) await post(`runs/${run.id}/retry`);
    toast(`${plural(failed.length, "run")} queued again.`);
  }

  async loadReport() {
    const report = await get(`experiments/${this.experiment.id}/report`, { format: "json" }, this.view.signal);
    for (const part of this.reported) part.update(report);
  }

  #draw() {
    const { experiment } = this, runs = [...this.runs.values()];
    const states = Object.fromEntries(Object.keys(experiment.counts)
      .map((state) => [state, runs.filter((run) => run.state === state).length]));
    const done = runs.reduce((sum, run) => sum + run.step, 0), total = runs.reduce((sum, run) => sum + run.steps, 0);
    const share = total > 0 ? done / total : 0;
    setText(this.title, experiment.name);
    this.state.update(experiment.state);
    this.bar.update(share);
    setText(this.counts, countsText(states));
    this.audits.update(experiment.audits);
    const spent = experiment.started_at ? elapsed(experiment.started_at, experiment.ended_at ?? undefined) : 0;
    const rest = experiment.state === "running" && share > 0.02
      ? `, about ${duration((spent / share) * (1 - share))} left` : "";
    setText(this.left, `${plural(runs.length, "run")}, submitted ${when(experiment.created_at)}` +
      (spent > 0 ? `, ${duration(spent)}${rest}` : ""));
    const hypothesis = experiment.hypothesis && `Hypothesis: ${experiment.hypothesis}`;
    const text = [hypothesis, experiment.notes].filter(Boolean).join("\n\n");
    setText(this.notes, text);
    this.notes.hidden = text === "";
    this.cancel.hidden = states.queued + states.running === 0;
    this.retry.hidden = this.failed.hidden = states.failed === 0;
    const stamp = runs.filter((run) => run.state === "failed").map((run) => run.id).join();
    if (stamp !== this.failed.dataset.runs) this.failed.replaceChildren(...failures(runs));
    this.failed.dataset.runs = stamp;
    this.erase.hidden = states.running > 0 || !this.view.may("admin");
    this.strip.hidden = runs.length < 2;
    this.strip.classList.toggle("many", runs.length > STRIP_LARGE);
    this.stripRows(runs);
    this.stripStop();
    this.runRows(runs.slice(0, RUNS_SHOWN));
    this.beyond.hidden = runs.length <= RUNS_SHOWN;
    setText(this.beyond,
      `The first ${integer(RUNS_SHOWN)} of ${integer(runs.length)}; the squares at the top lead to all of them.`);
    this.view.title((experiment.state === "running" ? `${Math.floor(share * 100)} % ` : "") + experiment.name);
  }

  handlers() {
    return {
      run: ({ run }) => {
        const before = this.runs.get(run.id);
        this.runs.set(run.id, run);
        if (!before) this.curves.ensure();
        else if (before.state !== run.state && run.attempt > 0) this.curves.refresh();
        if (before?.state !== run.state || hasEnded(run.state)) this.refreshReport();
        this.draw();
      },
      metrics: ({ run: id, series }) => {
        const run = this.runs.get(id);
        if (run) advance(run, series);
        if (Object.keys(series).some(isEvaluated)) this.refreshReport();
        this.curves.push(id, series);
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
    this.curves.reload();
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
  page.draw();
  page.refreshReport();
  view.follow({ experiment: id, after: as_of }, page.handlers());
  page.curves.ensure();
}

