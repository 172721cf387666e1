// Questions in SQL: the schema beside them, those that were kept, the answer as a table, as a chart and as CSV. The
// question stands in the address.

import { gate, post } from "../base/api.js";
import { Chart, tend } from "../charts/chart.js";
import { csv } from "../base/csv.js";
import { action, h, save, setText } from "../base/dom.js";
import { integer, NONE, plural, significant } from "../base/format.js";
import { virtualList } from "../parts/list.js";
import { empty, heading } from "../parts/parts.js";
import { Series } from "../charts/series.js";

const SAVED = "ablate.queries";
const LIMIT = 10000;
const LINES = 24; // of a chart
const VIEWS = ["v_runs", "v_curves", "v_history"];
const limited = gate(2); // the daemon runs two at a time
const EXAMPLES = [
  ["Final value by arm", "SELECT experiment, arm, count(*) AS runs, round(avg(final), 4) AS mean\nFROM v_runs\n" +
    "GROUP BY experiment, arm\nORDER BY experiment, mean"],
  ["Curves of the newest experiment", "SELECT c.step, c.value, r.arm || ' ' || r.seed AS line\n" +
    "FROM v_curves c JOIN v_runs r ON r.run = c.run\n" +
    "WHERE c.metric = 'val/loss' AND r.experiment = (SELECT max(experiment) FROM v_runs WHERE final IS NOT NULL)\n" +
    "ORDER BY line, c.step"],
  ["Attempts that didn\u2019t finish", "SELECT run, attempt, outcome\nFROM attempts\n" +
    "WHERE outcome NOT IN ('', 'finished')\nORDER BY run DESC"],
];

function readSaved() {
  try {
    const found = JSON.parse(localStorage.getItem(SAVED));
    return Array.isArray(found) ? found.filter((one) => Array.isArray(one) && one.length === 2) : [];
  } catch {
    return [];
  }
}

/** Columns of a CREATE TABLE, each with the comment of its line: [{name, about}]. */
function columnsOf(sql) {
  const inner = sql.slice(sql.indexOf("(") + 1, sql.lastIndexOf(")"));
  return inner.split("\n").flatMap((line) => {
    const [code, about = ""] = line.split("--"), parts = code.split(/,(?![^(]*\))/);
    const names = parts.map((part) => /^\s*([a-z_]\w*)\s+(?:INTEGER|TEXT|REAL|BLOB)/.exec(part)?.[1]);
    return names.filter((name) => name !== undefined).map((name) => ({ name, about: about.trim() }));
  });
}

const ask = (sql, signal, limit = LIMIT) => limited(() => post("query", { sql, limit }, { signal }));

class Page {
  constructor(view) {
    this.view = view;
    this.text = h("textarea.code", { rows: "8", spellcheck: "false", autocomplete: "off", "aria-label": "SQL" });
    this.text.value = view.query.get("q") ?? EXAMPLES[0][1];
    this.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
    });
    this.problem = h("div.problem", { role: "alert", hidden: true });
    this.said = h("p.note", { role: "status" });
    this.answer = h("div");
    this.schema = h("div", null, empty("\u2026"));
    this.saved = h("div");
    view.root.append(heading("SQL"), h("div.columns", null,
      h("div.asks", null, this.text, this.problem, h("div.row", null,
        action("Run", () => this.run(), { kind: "primary", title: "Ctrl-Enter" }),
        action("Keep \u2026", () => this.#keep(), { label: "Keep this question" })), this.said, this.answer),
      h("div.aside", null,
        h("section", { "aria-labelledby": "kept" }, h("h2", { id: "kept" }, "Questions"), this.saved),
        h("section", { "aria-labelledby": "schema" }, h("h2", { id: "schema" }, "Schema"), this.schema))));
    this.charts = new Map();
    tend(this.charts, view.signal);
    this.#drawSaved();
  }

  #drawSaved() {
    const choose = (sql) => () => {
      this.text.value = sql;
      this.run();
    };
    const kept = readSaved();
    const forget = (name) => action("Forget", () => {
      localStorage.setItem(SAVED, JSON.stringify(kept.filter(([one]) => one !== name)));
      this.#drawSaved();
    }, { kind: "quiet", label: `Forget ${name}` });
    const item = (name, sql, mine) => h("li", null,
      h("button.link", { type: "button", onclick: choose(sql) }, name), mine ? [" ", forget(name)] : null);
    this.saved.replaceChildren(h("ul.plain-list", null, kept.map(([name, sql]) => item(name, sql, true)),
      EXAMPLES.map(([name, sql]) => item(name, sql, false))));
  }

  /** Keeps the question in this browser, under a name. */
  #keep() {
    const name = h("input", { required: true, maxlength: "64" });
    const dialog = h("dialog", { "aria-label": "Keep this question", onclose: () => dialog.remove() },
      h("form", { onsubmit: (event) => {
        event.preventDefault();
        const rest = readSaved().filter(([one]) => one !== name.value.trim());
        localStorage.setItem(SAVED, JSON.stringify([[name.value.trim(), this.text.value], ...rest]));
        this.#drawSaved();
        dialog.close();
      } }, h("label.field", null, "Name", name), h("p.note", null, "It is kept in this browser."),
      h("div.row.end", null, action("Cancel", () => dialog.close()),
        h("button.primary", { type: "submit" }, "Keep"))));
    document.body.append(dialog);
    dialog.showModal();
  }

  async loadSchema() {
    const { signal } = this.view;
    const tables = ask("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' " +
      "ORDER BY name", signal);
    const views = VIEWS.map((name) => ask(`SELECT * FROM ${name} LIMIT 0`, signal)
      .then(({ columns }) => ({ name, columns: columns.map((column) => ({ name: column, about: "" })) })));
    const insert = (name) => () => {
      this.text.setRangeText(name, this.text.selectionStart, this.text.selectionEnd, "end");
      this.text.focus();
    };
    const column = ({ name, about }) => h("li", null,
      h("button.link", { type: "button", onclick: insert(name) }, name),
      about ? h("span.quiet-text", null, ` ${about}`) : "");
    const all = [...await Promise.all(views),
      ...(await tables).rows.map(([name, sql]) => ({ name, columns: columnsOf(sql) }))];
    this.schema.replaceChildren(...all.map(({ name, columns }) => h("details", { open: VIEWS.includes(name) },
      h("summary", null, h("code", null, name)), h("ul.members", null, columns.map(column)))));
  }

  async run() {
    const sql = this.text.value;
    this.problem.hidden = true;
    this.view.keep({ q: sql });
    setText(this.said, "It runs \u2026");
    const begun = performance.now();
    try {
      this.found = await ask(sql, this.view.signal);
    } catch (error) {
      setText(this.said, "");
      if (error.name === "AbortError") return;
      this.problem.replaceChildren(h("b", null, error.title), " ", error.message);
      this.problem.hidden = false;
      this.answer.replaceChildren(); // it was of another question
      return;
    }
    const { rows, truncated } = this.found, ms = Math.round(performance.now() - begun);
    setText(this.said, `${truncated ? "The first " : ""}${plural(rows.length, "row")} in ${integer(ms)} ms.`);
    this.#draw();
  }

  #draw() {
    const { columns, rows } = this.found;
    const isNumber = (value) => typeof value !== "string" || ["inf", "-inf"].includes(value);
    const numbers = columns.map((_, i) => rows.some((row) => typeof row[i] === "number") &&
      rows.every((row) => isNumber(row[i])));
    const heads = columns.map((name, i) => h(`th${numbers[i] ? ".num" : ""}`, { scope: "col" }, name));
    const body = h("tbody"), table = h("table.runs", { "data-widths": "" }, h("caption.hidden", null, "Answer"),
      h("thead", null, h("tr", null, heads)), body);
    const cell = (value) => (value === null ? NONE : typeof value === "number" && !Number.isInteger(value)
      ? significant(value, 6) : String(value));
    this.list?.end();
    const region = { tabindex: "0", role: "region", "aria-label": "Answer", "data-box": "answer" };
    const box = h("div.scroll.box", region, table);
    this.list = virtualList({ table, body, signal: this.view.signal, key: (row) => row.place, make: (row) => ({
      element: h("tr", null, row.values.map((value, i) =>
        h(`td${numbers[i] ? ".num" : ""}`, { title: value === null ? "NULL" : String(value) }, cell(value)))),
      update() {},
    }) });
    this.answer.replaceChildren(h("div.row", null, action("CSV", () =>
      save("query.csv", csv([columns, ...rows]), "text/csv"))), box, this.#chart(columns, rows, numbers));
    this.list.show(rows.map((values, place) => ({ values, place })));
  }

  /** The answer drawn: x, y, and what makes a line of its own. */
  #chart(columns, rows, numbers) {
    const numeric = columns.filter((_, i) => numbers[i]);
    this.charts.forEach((chart) => chart.destroy());
    this.charts.clear();
    if (numeric.length < 2 || rows.length < 2)
      return h("p.note", null, "Two columns of numbers can be drawn as a chart.");
    const { query } = this.view, option = (name) => h("option", { value: name }, name);
    const select = (label, names, asked, usual) => {
      const made = h("select", { "aria-label": label }, names.map(option));
      made.value = names.includes(asked) ? asked : usual;
      return made;
    };
    const x = select("x", numeric, query.get("x"), numeric[0]);
    const y = select("y", numeric, query.get("y"), numeric.find((name) => name !== numeric[0]));
    const words = columns.filter((name) => !numeric.includes(name));
    const by = select("a line for each", ["", ...columns], query.get("by"), words[0] ?? "");
    const place = h("div"), group = { sync: "sql", seeds: false, zoom: null, onzoom: () => draw() };
    const draw = () => {
      const [ix, iy, iby] = [x, y, by].map(({ value }) => columns.indexOf(value));
      const lines = Map.groupBy(rows, (row) => (iby < 0 ? y.value : String(row[iby] ?? NONE)));
      this.charts.forEach((chart) => chart.destroy());
      this.charts.clear();
      const chart = new Chart({ metric: y.value, title: `${y.value} by ${x.value}`, axis: x.value, group });
      this.charts.set("answer", chart);
      place.replaceChildren(chart.element);
      chart.prepare([...lines].slice(0, LINES).map(([name, own], i) => {
        const series = new Series(LIMIT);
        const points = own.filter((row) => Number.isFinite(row[ix])).map((row) => [row[ix], row[iy]]);
        series.push(points.sort((a, b) => a[0] - b[0]));
        return { name, place: i, series: [series] };
      }), { log: false, weight: 0, until: 0 });
      chart.paint();
    };
    for (const one of [x, y, by])
      one.addEventListener("change", () => {
        this.view.keep({ x: x.value, y: y.value, by: by.value });
        draw();
      });
    requestAnimationFrame(draw);
    const field = (label, control) => h("label.field.inline", null, label, control);
    return h("section", { "aria-labelledby": "chart" }, h("h2", { id: "chart" }, "Chart"),
      h("div.toolbar", null, field("x", x), field("y", y), field("a line for each", by)), place);
  }
}

export default async function sql(view) {
  const page = new Page(view);
  await Promise.all([page.loadSchema(), view.query.has("q") ? page.run() : null]);
}
