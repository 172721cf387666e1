// A new experiment: a preset, edited as JSON, tried dry, submitted; and the corpora that it may use.

import { address, api, get, post, put } from "../api.js";
import { SIGNS, STATUSES } from "../audits.js";
import { action, command, h, setText, toast } from "../dom.js";
import { bytes, duration, gridPoint, integer, plural, scaled, when } from "../format.js";
import { armLabel, definition, empty, heading, numeric, table } from "../parts.js";
import { lineOf, locate } from "../pointer.js";
import { ABOUT, START } from "../start.js";

const DRAFT = "ablate.draft";
const RUNS_SHOWN = 100;
const pretty = (value) => JSON.stringify(value, null, 2)
  .replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => `[${items.replace(/\s*\n\s*/g, " ")}]`);

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

class Page {
  constructor(view) {
    this.view = view;
    this.text = h("textarea.code", {
      spellcheck: "false", autocomplete: "off", rows: "26",
      "aria-label": "Specification, JSON", "aria-describedby": "problem",
    });
    this.text.value = sessionStorage.getItem(DRAFT) || pretty(START); // at once: what is typed meanwhile must stay
    this.fresh = !sessionStorage.getItem(DRAFT);
    this.problem = h("div.problem", { id: "problem", role: "alert", hidden: true });
    this.outcome = h("div.outcome", { role: "status" });
    this.presets = h("select", { "aria-label": "Preset" });
    this.about = h("p.note", null, this.fresh ? ABOUT : "");
    this.datasets = h("div");
    this.text.addEventListener("input", () => {
      sessionStorage.setItem(DRAFT, this.text.value);
      this.fresh = false;
      this.problem.hidden = true;
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.submit();
    });
    this.presets.addEventListener("change", () => this.pick(this.presets.value));
    view.root.append(heading("New experiment"), h("div.columns", null,
      h("section", { "aria-labelledby": "spec" },
        h("h2.hidden", { id: "spec" }, "Specification"),
        h("div.row", null, h("label.field.inline", null, "Start from", this.presets)), this.about,
        this.text, this.problem,
        h("div.row", null,
          action("Submit", () => this.submit(), { kind: "primary", title: "Ctrl-Enter" }),
          action("Dry run", () => this.dryRun())),
        this.outcome,
        h("details", null, h("summary", null, "The same with curl"),
          command("curl -K DIR/curlrc -H 'Content-Type: application/json' --data @spec.json " +
            `${location.origin}${api}experiments`))),
      h("section", { "aria-labelledby": "corpora" },
        h("h2", { id: "corpora" }, "Corpora"), this.datasets, this.#upload())));
  }

  async load() {
    const [{ items: presets }] = await Promise.all([get("presets", {}, this.view.signal), this.loadDatasets()]);
    this.known = new Map(presets.map((preset) => [preset.name ?? preset, preset]));
    this.presets.append(h("option", { value: "" }, "the smallest comparison"),
      ...[...this.known.keys()].map((name) => h("option", { value: name }, name)));
  }

  async pick(name) {
    const preset = name === "" ? this.start ?? START
      : await get(`presets/${encodeURIComponent(name)}`, {}, this.view.signal);
    const { as_of, ...spec } = preset.spec ?? preset;
    this.text.value = pretty(spec);
    setText(this.about, name === "" ? ABOUT : this.known?.get(name)?.description ?? spec.notes ?? "");
    sessionStorage.removeItem(DRAFT);
    this.problem.hidden = true;
    this.outcome.replaceChildren();
  }

  #read() {
    this.problem.hidden = true;
    JSON.parse(this.text.value); // for the editor's own message; the text is sent as it stands
    return this.text.value;
  }

  /** Shows what is wrong, and where: the culprit is selected in the editor. */
  #show(error) {
    const where = h("span"), parts = [h("b", null, error.title ?? "This is not JSON"), " ", error.message];
    if (error.pointer !== undefined && error.pointer !== "") {
      const [from, to] = locate(this.text.value, error.pointer);
      const { line, column } = lineOf(this.text.value, from);
      const jump = h("button.link", { type: "button" }, `line ${line}, column ${column}`);
      jump.addEventListener("click", () => this.#select(from, to, line));
      where.append(" ", h("code", null, error.pointer), " at ", jump);
      this.#select(from, to, line);
    }
    this.problem.replaceChildren(...parts, where);
    this.problem.hidden = false;
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
    const made = await this.#send({});
    if (!made) return;
    sessionStorage.removeItem(DRAFT);
    const [invalid] = (made.planned_audits ?? []).filter((one) => one.status === "fail" && one.invalidates);
    if (invalid)
      toast(`It runs, but what comes out will be invalid: ${invalid.name}. ${invalid.detail}. ${invalid.remedy}`,
        "error");
    location.hash = `#/experiments/${made.id}`;
  }

  async dryRun() {
    const plan = await this.#send({ dry_run: 1 });
    if (!plan) return;
    const runs = plan.runs ?? plan.items ?? [];
    const most = (key) => Math.max(...runs.map((run) => run[key] ?? 0));
    const totals = plan.totals ?? {};
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
    const time = totals.estimated_seconds ?? totals.seconds;
    this.outcome.replaceChildren(h("h3", null, "Dry run"), definition([
      ["Runs", integer(totals.runs ?? runs.length)],
      ["Largest", bytes(totals.memory_bytes ?? most("memory_bytes"))],
      ["Work", totals.flops !== undefined ? scaled(totals.flops, "FLOP") : null],
      ["Estimated time", time !== undefined && time !== null ? duration(time) : null],
    ]), plannedAudits(plan.planned_audits ?? []), made.element,
    runs.length > RUNS_SHOWN ? h("p.note", null, `and ${integer(runs.length - RUNS_SHOWN)} more`) : "");
  }

  async loadDatasets() {
    const { items } = await get("datasets", {}, this.view.signal);
    if (items.length === 0) {
      this.datasets.replaceChildren(
        empty("No corpus yet. Upload one below, or send Debian\u2019s fortunes, which the presets use; ",
          h("code", null, "synthetic:mqar"), " needs none."),
        command("cat /usr/share/games/fortunes/*.u8 | curl -K DIR/curlrc -X PUT -H 'Content-Type: text/plain' " +
          `--data-binary @- ${location.origin}${address("datasets/fortunes")}`));
      return;
    }
    this.#begin(items.map(({ name }) => name));
    const made = table({
      caption: "Stored corpora", hidden: true, headings: ["Name", ...["Documents", "Size", "Since"].map(numeric)],
    });
    made.body.append(...items.map((one) => h("tr", null, h("th", { scope: "row", title: one.digest }, one.name),
      h("td.num", null, integer(one.documents)), h("td.num", null, bytes(one.bytes)),
      h("td.num", null, when(one.created_at)))));
    this.datasets.replaceChildren(made.element);
  }

  /** The first specification names a corpus that there is. */
  #begin(names) {
    if (names.includes(START.data.dataset)) return;
    this.start = { ...START, data: { ...START.data, dataset: names[0] } };
    if (this.fresh) this.text.value = pretty(this.start);
  }

  #upload() {
    const file = h("input", { type: "file", accept: ".txt,.jsonl,.ndjson,text/plain", "aria-label": "File" });
    const name = h("input", {
      type: "text", placeholder: "name", pattern: "[A-Za-z0-9 ._\\-]{1,64}", "aria-label": "Name of the corpus",
    });
    const named = (path) => path.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 64);
    file.addEventListener("change", () => {
      if (name.value === "" && file.files[0]) name.value = named(file.files[0].name);
    });
    const send = action("Upload", async () => {
      const chosen = file.files[0];
      if (!chosen || name.value === "") throw new Error("Choose a file and a name.");
      const lines = /\.(jsonl|ndjson)$/.test(chosen.name);
      const headers = { "Content-Type": lines ? "application/x-ndjson" : "text/plain" };
      const made = await put(`datasets/${encodeURIComponent(name.value)}`, chosen, { headers });
      toast(`${name.value}: ${plural(made.documents, "document")}, ${bytes(made.bytes)}.`);
      await this.loadDatasets();
    });
    return h("div.upload", null,
      h("p.note", null, "Plain text, documents separated by blank lines or by lines of ", h("code", null, "%"),
        "; or JSON lines with a ", h("code", null, "text"), " field."),
      h("div.row", null, file, name, send));
  }
}

export default async function fresh(view) {
  const page = new Page(view);
  await page.load();
}
