// A new experiment: begun from a preset or as a clone, edited as JSON with the schema's help at the cursor, its cost
// beside it while it is written, tried dry, submitted.

import { api, get, post } from "../base/api.js";
import { SIGNS, STATUSES } from "../parts/audits.js";
import { differing } from "../base/differences.js";
import { action, command, confirmed, h, setText, toast } from "../base/dom.js";
import { cloned, forgetDraft, keepDraft, pretty, readDraft } from "../editor/draft.js";
import { bytes, duration, gridPoint, integer, plain, plural, scaled } from "../base/format.js";
import { armLabel, definition, empty, heading, numeric, table } from "../parts/parts.js";
import { lineOf, locate } from "../editor/pointer.js";
import { allowed, helpAt } from "../editor/schema_help.js";
import { ABOUT, START } from "../editor/start.js";

const RUNS_SHOWN = 100;
const MEMBERS_SHOWN = 60;
const COST_MS = 700; // after the last key

/** What the audits say before a step is trained: what isn't right, each with what to change, then what is. */
function plannedAudits(list) {
  const wrong = list.filter(({ status }) => status === "fail" || status === "warn")
    .sort((a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status));
  const tag = ({ name, status }) => h(`span.tag.${status}`, null,
    h("span", { "aria-hidden": "true" }, SIGNS[status]), ` ${name}`, h("span.hidden", null, ` ${status}`));
  const about = ({ arm, grid }) => [arm, grid && gridPoint(grid)].filter(Boolean).join(" at ");
  const passed = [...new Set(list.filter((one) => !wrong.includes(one)).map(({ name }) => name))]
    .filter((name) => wrong.every((one) => one.name !== name));
  return h("section", { "aria-labelledby": "planned" },
    h("h3", { id: "planned" }, "What the audits say already"),
    wrong.length > 0 ? h("ul.sentences", null, wrong.map((one) => h("li", null, tag(one), " ",
      about(one) ? `${about(one)}: ` : "", one.detail, ". ",
      one.invalidates && one.status === "fail" ? h("b", null, "What it concerns will be invalid. ") : "",
      one.remedy))) : "",
    passed.length > 0 ? h("p.note", null, `Nothing against it so far: ${passed.join(", ")}.`) : "");
}

/** Totals of a dry run. */
function costs({ runs = [], totals = {} }) {
  const most = (key) => Math.max(0, ...runs.map((run) => run[key] ?? 0));
  const time = totals.estimated_seconds;
  return definition([
    ["Runs", integer(totals.runs ?? runs.length)],
    ["Largest", bytes(totals.memory_bytes ?? most("memory_bytes"))],
    ["Parameters", integer(most("parameters"))],
    ["Work", totals.flops !== undefined ? scaled(totals.flops, "FLOP") : null],
    ["Estimated time", time !== undefined && time !== null ? duration(time) : null],
  ]);
}

/** What the schema says where the cursor is. */
function helpPanel(editor, insert) {
  const path = h("h3"), said = h("div"), members = h("ul.members");
  const element = h("section.help", { "aria-labelledby": "help" }, h("h2", { id: "help" }, "At the cursor"),
    path, said, members);
  let drawn = "";
  const member = ({ name, node }) => h("li", null,
    h("button.link", { type: "button", title: "Insert at the cursor", onclick: () => insert(name, node) }, name), " ",
    h("span.quiet-text", null, [allowed(node), node.default === undefined ? "" : `default ${plain(node.default)}`]
      .filter(Boolean).join("; ")));
  return {
    element,
    update(schema) {
      let spec = null;
      try {
        spec = JSON.parse(editor.value);
      } catch { /* what can't be read yet has no values */ }
      const found = helpAt(schema, editor.value, editor.selectionStart, spec), stamp = JSON.stringify(found);
      if (stamp === drawn) return;
      drawn = stamp;
      setText(path, found.path.join(".") || "the specification");
      const { node } = found;
      said.replaceChildren(...(node === null ? [h("p.note", null, "The schema knows nothing of that name.")] : [
        node.description ? h("p", null, node.description) : "",
        h("p.note", null, [allowed(node), node.default === undefined ? "" : `default ${plain(node.default)}`]
          .filter(Boolean).join("; "))]));
      // A name that is being written leaves those that go on from it; one that is there already, all.
      const begun = node === null ? (found.key?.typed ?? "").toLowerCase() : "";
      const fitting = found.members.filter(({ name }) => name.toLowerCase().includes(begun));
      members.replaceChildren(...fitting.slice(0, MEMBERS_SHOWN).map(member));
    },
  };
}

class Page {
  constructor(view) {
    this.view = view;
    this.text = h("textarea.code", {
      spellcheck: "false", autocomplete: "off", rows: "30",
      "aria-label": "Specification, JSON", "aria-describedby": "problem",
    });
    const draft = readDraft(), asked = view.query.get("clone");
    // What was begun as something else isn't what was asked for, unless it was edited.
    this.draft = draft && (asked === null || draft.clone === asked || draft.edited) ? draft : null;
    this.text.value = this.draft?.text ?? pretty(START); // at once: what is typed meanwhile must stay
    this.edited = this.draft?.edited ?? false;
    this.problem = h("div.problem", { id: "problem", role: "alert", hidden: true });
    this.outcome = h("div.outcome", { role: "status" });
    this.presets = h("select", { "aria-label": "Preset" });
    this.about = h("p.note", null, this.draft || asked ? "" : ABOUT);
    this.origin = h("p.note");
    this.changes = h("section", { "aria-labelledby": "changes", hidden: true });
    this.cost = h("div", { role: "status" });
    this.datasets = h("div");
    this.help = helpPanel(this.text, (name, node) => this.#insert(name, node));
    this.text.addEventListener("input", () => {
      this.edited = true;
      this.#keep();
      this.problem.hidden = true;
      this.#follow();
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.submit();
    });
    document.addEventListener("selectionchange", () => {
      if (document.activeElement === this.text && this.schema) this.help.update(this.schema);
    }, { signal: view.signal });
    this.presets.addEventListener("change", () => this.pick(this.presets.value));
    view.root.append(heading("New experiment"), h("div.columns", null,
      h("section", { "aria-labelledby": "spec" },
        h("h2.hidden", { id: "spec" }, "Specification"),
        h("div.row", null, h("label.field.inline", null, "Start from", this.presets)), this.about, this.origin,
        this.text, this.problem,
        h("div.row", null,
          action("Submit", () => this.submit(), { kind: "primary", title: "Ctrl-Enter" }),
          action("Dry run", () => this.dryRun())),
        this.changes, this.outcome,
        h("details", null, h("summary", null, "The same with curl"),
          command("curl -K DIR/curlrc -H 'Content-Type: application/json' --data @spec.json " +
            `${location.origin}${api}experiments`))),
      h("div.aside", null,
        h("section", { "aria-labelledby": "cost" }, h("h2", { id: "cost" }, "Cost"), this.cost),
        this.help.element,
        h("section", { "aria-labelledby": "corpora" },
          h("h2", { id: "corpora" }, "Corpora"), this.datasets))));
  }

  #keep() {
    keepDraft({ text: this.text.value, edited: this.edited, clone: this.clone?.asked ?? this.draft?.clone ?? null });
  }

  async load() {
    const { signal } = this.view, asked = this.view.query.get("clone") ?? this.draft?.clone ?? null;
    const [{ items: presets }, schema] = await Promise.all([
      get("presets", {}, signal), get("experiment.schema.json", {}, signal), this.loadDatasets()]);
    this.schema = schema;
    this.known = new Map(presets.map((preset) => [preset.name ?? preset, preset]));
    this.presets.append(h("option", { value: "" }, "the smallest comparison"),
      ...[...this.known.keys()].map((name) => h("option", { value: name }, name)));
    if (asked !== null) await this.#clone(asked);
    this.help.update(schema);
    this.#followNow();
  }

  async #clone(asked) {
    try {
      this.clone = { asked, ...await cloned(asked, this.schema, this.view.signal) };
    } catch (error) {
      if (error.status !== 404) throw error;
      setText(this.origin, "What this was to be a clone of isn\u2019t there any more.");
      return;
    }
    const { title, link, spec } = this.clone;
    setText(this.about, "");
    this.presets.prepend(h("option", { value: "clone" }, `a clone of ${title}`));
    this.origin.replaceChildren("A clone of ", h("a", { href: link }, title), ". What was changed stands below.");
    const mine = this.draft?.clone === asked;
    if (!mine && this.edited) {
      const question = "There is a specification that you have edited. Put the clone in its place?";
      if (!await confirmed(question, "Put the clone there")) return;
    }
    this.presets.value = this.picked = "clone";
    if (mine && this.edited) return;
    this.text.value = pretty(spec);
    this.edited = false;
    this.#keep();
  }

  /** "Start from" asks before it takes the place of what was edited. */
  async pick(name) {
    const question = "Replace the specification that you have edited?";
    if (this.edited && !await confirmed(question, "Replace it")) {
      this.presets.value = this.picked ?? "";
      return;
    }
    this.picked = name;
    const spec = name === "clone" ? this.clone.spec : name === "" ? this.start ?? START : await this.#preset(name);
    this.text.value = pretty(spec);
    this.edited = false;
    setText(this.about, name === "clone" ? ""
      : name === "" ? ABOUT : this.known?.get(name)?.description ?? spec.notes ?? "");
    forgetDraft();
    this.problem.hidden = true;
    this.outcome.replaceChildren();
    this.#followNow();
  }

  async #preset(name) {
    const { as_of: _, ...spec } = await get(`presets/${encodeURIComponent(name)}`, {}, this.view.signal);
    return spec;
  }

  /** Writes a member at the cursor, or completes the one that is begun there. */
  #insert(name, node) {
    const { text } = this, at = text.selectionStart, { key } = helpAt(this.schema, text.value, at, null);
    const value = JSON.stringify(node.default ?? (node.enum ?? [null])[0] ?? "");
    text.focus();
    if (key !== null) text.setRangeText(name, key.from, key.to, "end");
    else text.setRangeText(`"${name}": ${value}`, at, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
  }

  #follow() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#followNow(), COST_MS);
  }

  /** The cost, what was changed, and what is wrong, without taking the focus. */
  async #followNow() {
    const { signal } = this.view;
    if (signal.aborted) return;
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    let spec;
    try {
      spec = JSON.parse(this.text.value);
    } catch (error) {
      this.cost.replaceChildren(h("p.note", null, `This is not JSON yet: ${error.message}`));
      return;
    }
    this.#drawChanges(spec);
    try {
      const plan = await post("experiments", this.text.value,
        { query: { dry_run: 1 }, signal: AbortSignal.any([signal, asking.signal]) });
      const wrong = (plan.planned_audits ?? []).filter(({ status }) => status === "fail" || status === "warn");
      const names = wrong.map(({ name, status }) => h(`span.tag.${status}`, null, name));
      this.cost.replaceChildren(costs(plan),
        names.length > 0 ? h("p.note", null, "Audits that won\u2019t pass: ", names) : "");
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      this.cost.replaceChildren(h("p.note", null, error.message, " ", this.#place(error)));
    }
  }

  #drawChanges(spec) {
    this.changes.hidden = !this.clone;
    if (!this.clone) return;
    const rows = differing([this.clone.spec, spec]);
    const made = table({ caption: `What differs from ${this.clone.title}`, hidden: true, name: "changes",
      headings: ["Field", "There", "Here"] });
    made.body.append(...rows.map(({ path, values }) => h("tr", null, h("th", { scope: "row" }, h("code", null, path)),
      values.map((value) => h("td", null, h("code", null, value === "" ? "\u2013" : value))))));
    this.changes.replaceChildren(h("h2", { id: "changes" }, "What was changed"),
      rows.length > 0 ? made.element : empty("Nothing yet."));
  }

  #read() {
    this.problem.hidden = true;
    JSON.parse(this.text.value); // for the editor's own message; the text is sent as it stands
    return this.text.value;
  }

  /** Where a mistake is, as a button that goes there. */
  #place({ pointer }) {
    if (pointer === undefined || pointer === "") return "";
    const [from, to] = locate(this.text.value, pointer), { line, column } = lineOf(this.text.value, from);
    const jump = h("button.link", { type: "button", onclick: () => this.#select(from, to, line) },
      `line ${line}, column ${column}`);
    return h("span", null, h("code", null, pointer), " at ", jump);
  }

  /** Shows what is wrong, and where: the culprit is selected in the editor. */
  #show(error) {
    this.problem.replaceChildren(h("b", null, error.title ?? "This is not JSON"), " ", error.message, " ",
      this.#place(error));
    this.problem.hidden = false;
    if (!error.pointer) return;
    const [from, to] = locate(this.text.value, error.pointer);
    this.#select(from, to, lineOf(this.text.value, from).line);
  }

  #select(from, to, line) {
    this.text.focus();
    this.text.setSelectionRange(from, to);
    const height = this.text.scrollHeight / this.text.value.split("\n").length;
    this.text.scrollTop = Math.max(0, (line - 6) * height);
  }

  async #send(query) {
    this.outcome.replaceChildren();
    try {
      return await post("experiments", this.#read(), { query, signal: this.view.signal });
    } catch (error) {
      if (error.name !== "AbortError") this.#show(error);
      return null;
    }
  }

  async submit() {
    const made = await this.#send(this.clone?.remembers ? { parent: this.clone.parent } : {});
    if (!made) return;
    forgetDraft();
    const [invalid] = (made.planned_audits ?? []).filter((one) => one.status === "fail" && one.invalidates);
    if (invalid)
      toast(`It runs, but what comes out will be invalid: ${invalid.name}. ${invalid.detail}. ${invalid.remedy}`,
        "error");
    location.hash = `#/experiments/${made.id}`;
  }

  async dryRun() {
    const plan = await this.#send({ dry_run: 1 });
    if (!plan) return;
    const { runs = [], totals = {} } = plan;
    const made = table({
      caption: `${plural(totals.runs ?? runs.length, "run")}, nothing stored`,
      headings: ["Run", "Arm", "Grid", ...["Seed", "Parameters", "Memory", "FLOPs a step"].map(numeric)],
    });
    const arms = [...new Set(runs.map((run) => run.arm))];
    made.body.append(...runs.slice(0, RUNS_SHOWN).map((run, i) => h("tr", null,
      h("th", { scope: "row" }, integer(i + 1)),
      h("td", null, armLabel(arms, run.arm)), h("td", null, gridPoint(run.grid)), h("td.num", null, String(run.seed)),
      h("td.num", null, integer(run.parameters)), h("td.num", null, bytes(run.memory_bytes)),
      h("td.num", null, scaled(run.flops_per_step, "FLOP")))));
    this.outcome.replaceChildren(h("h2", null, "Dry run"), costs(plan), plannedAudits(plan.planned_audits ?? []),
      made.element, runs.length > RUNS_SHOWN ? h("p.note", null, `and ${integer(runs.length - RUNS_SHOWN)} more`) : "");
  }

  async loadDatasets() {
    const { items } = await get("datasets", {}, this.view.signal);
    const way = h("p.note", null, h("a", { href: "#/datasets" }, "Upload a corpus"));
    if (items.length === 0) {
      this.datasets.replaceChildren(empty("No corpus yet; ", h("code", null, "synthetic:mqar"), " needs none."), way);
      return;
    }
    this.#begin(items.map(({ name }) => name));
    const made = table({
      caption: "Stored corpora", hidden: true, headings: ["Name", ...["Documents", "Size"].map(numeric)],
    });
    made.body.append(...items.map((one) => h("tr", null, h("th", { scope: "row", title: one.digest }, one.name),
      h("td.num", null, integer(one.documents)), h("td.num", null, bytes(one.bytes)))));
    this.datasets.replaceChildren(made.element, way);
  }

  /** The first specification names a corpus that there is. */
  #begin(names) {
    if (names.includes(START.data.dataset)) return;
    this.start = { ...START, data: { ...START.data, dataset: names[0] } };
    if (!this.edited && !this.draft && !this.view.query.has("clone")) this.text.value = pretty(this.start);
  }
}

export default async function fresh(view) {
  const page = new Page(view);
  await page.load();
}
