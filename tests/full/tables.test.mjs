// Debian's pandas and R read what is taken away (CSV, JSON lines) and the database: every number is the stored one, what
// isn't finite is where it should be, texts come as they are.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { client } from "../e2e/client.mjs";
import { start } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";

const reader = (name) => fileURLToPath(new URL(`../readers/${name}`, import.meta.url));
let daemon, dir, runs, points, id, pandas, r;
const { call, get, corpus } = client(() => daemon);
const sql = (text) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", text], { encoding: "utf8" });
const spec = (more) => ({
  name: "tables", tags: { topic: "-x", layers: "7" }, data: { dataset: "corpus" }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 20, batch_size: 2, eval_every: 10, eval_windows: 4 }, seeds: [1, 2],
  arms: { "-dense": {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8 } } }, grid: { "data.seq_len": [8, 16] }, ...more,
});
/** Texts that a spreadsheet would calculate, and some that are hard to quote. */
const HOSTILE = ["=HYPERLINK(\"http://evil.example\",\"x\")", "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2+3", "a\nb,\"c\"", "ünïcödé 漢字", "-1.5e3", "'quoted"];
const guarded = HOSTILE.map((text) => /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);

before(async () => {
  [daemon, dir] = await Promise.all([start({ args: ["--slots", "2"] }), make("tables")]);
  await corpus(300);
  id = (await call("POST", "/experiments", spec(), 201)).id;
  assert.equal((await get(`/experiments/${id}?wait=3600`)).state, "finished");
  const name = "(SELECT id FROM metric_names WHERE name = 'train/loss')", [{ id: first }, { id: second }] = (await get(`/runs?experiment=${id}`)).items;
  [["step = 3", 1, 0], ["step = 4", 2, "9e999"], ["step = 5", 3, "-9e999"]].forEach(([where, kind, value]) =>
    sql(`UPDATE metrics SET kind = ${kind}, value = ${value} WHERE run = ${first} AND ${where} AND name = ${name}`));
  const last = (run, kind, value) => sql(`UPDATE series SET last_kind = ${kind}, last = ${value} WHERE run = ${run} AND name = (SELECT id FROM metric_names WHERE name = 'val/loss')`);
  last(first, 1, 0), last(second, 2, "9e999");
  runs = (await get(`/runs?experiment=${id}`)).items;
  points = [];
  for (const run of runs) {
    const { series } = await get(`/runs/${run.id}/metrics?points=0`);
    for (const metric of Object.keys(series).sort()) points.push(...series[metric].points.map(([step, value]) => [run, step, metric, value]));
  }
  await call("POST", "/queue", { paused: true });
  const own = (await call("POST", "/experiments", spec({ name: "hostile", seeds: HOSTILE.map((_, i) => i), arms: { a: {} }, grid: {} }), 201)).id;
  (await get(`/runs?experiment=${own}`)).items.forEach((run, i) => {
    const text = `CAST(x'${Buffer.from(HOSTILE[i]).toString("hex")}' AS TEXT)`;
    sql(`UPDATE runs SET reason = ${text}, arm = ${text} WHERE id = ${run.id}`);
  });
  const take = async (file, path) => writeFile(join(dir, file), await (await daemon.fetch(`/api/v1/experiments/${path}`)).text());
  for (const format of ["csv", "jsonl"]) for (const what of ["curves", "runs"]) await take(`${what}.${format}`, `${id}/export?what=${what}&format=${format}`);
  await take("hostile.csv", `${own}/export?what=runs`);
  await take("report.csv", `${id}/report?format=csv`);
  await take("claims.csv", `${id}/report?format=csv&table=claims`);
});
after(async () => {
  await daemon?.stop();
  if (dir) await remove(dir);
});

/** The rows of a table as objects. */
const objects = ({ kinds, rows }) => rows.map((row) => Object.fromEntries(Object.keys(kinds).map((name, i) => [name, row[i]])));
const arm = (run) => run.arm === "-dense" ? "'-dense" : run.arm;

test("pandas reads them", () => {
  pandas = JSON.parse(execFileSync("/usr/bin/python3", [reader("read.py"), dir, join(daemon.dir, "ablate.db")], { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] }));
});

test("pandas: curves are numbers, bit for bit, as CSV and as JSON lines", () => {
  const { kinds } = pandas.curves, expected = points.map(([run, step, metric, value]) => [run.id, run.seed, run.grid["data.seq_len"], step, metric, value]);
  assert.deepEqual(kinds, { run: "int64", arm: "object", seed: "int64", "grid.data.seq_len": "int64", step: "int64", name: "object", value: "float64", value_word: "float64", both: "float64" });
  assert.deepEqual(objects(pandas.curves).map((row) => [row.run, row.seed, row["grid.data.seq_len"], row.step, row.name, row.both]), expected);
  assert.deepEqual(objects(pandas.curves).map((row) => row.arm), points.map(([run]) => arm(run)));
  assert.deepEqual(objects(pandas.lines).map((row) => [row.run, row.seed, row.grid["data.seq_len"], row.step, row.name, row.value]), expected);
  assert.equal(pandas.lines.kinds.value, "float64");
});

test("pandas: runs, with their times, tags, parameters and final values", () => {
  const { kinds } = pandas.runs, of = (kind) => Object.keys(kinds).filter((name) => kinds[name] === kind);
  for (const name of ["run", "seed", "grid.data.seq_len", "tags.layers", "params.model.d_model", "flops_per_step"]) assert.equal(kinds[name], "int64", name);
  for (const name of Object.keys(kinds).filter((each) => /^final\./.test(each))) assert.equal(kinds[name], "float64", name);
  assert.deepEqual(of("datetime64[ns, UTC]"), ["created_at", "started_at", "ended_at"]);
  assert.deepEqual(of("bool"), ["cancel_requested", "exclusive", "params.model.tied"]);
  for (const [i, row] of objects(pandas.runs).entries()) {
    assert.deepEqual([row.run, row.arm, row.experiment, row["tags.topic"], row["tags.layers"], row["params.data.seq_len"]], [runs[i].id, arm(runs[i]), "tables", "'-x", 7, runs[i].grid["data.seq_len"]]);
    assert.equal(Date.parse(row.ended_at), Date.parse(runs[i].ended_at));
    for (const [name, value] of Object.entries(runs[i].final)) assert.equal(row[`final.${name}`], typeof value === "string" ? "nan" : value, name);
  }
  assert.deepEqual(objects(pandas.runs).slice(0, 2).map((row) => row.final_words), ["val/loss=nan", "val/loss=inf"]);
  assert.deepEqual(objects(pandas.run_lines).map((row) => [row.id, row.arm, Date.parse(row.created_at), row.seed]), runs.map((run) => [run.id, run.arm, Date.parse(run.created_at), run.seed]));
});

test("pandas: texts that begin as formulas do come whole behind a quote, and numbers as they are", () =>
  assert.deepEqual(pandas.hostile.rows, guarded.map((text) => [text, text])));

test("pandas: the report's table and claims", () => {
  for (const name of ["mean", "sd", "best", "last"]) assert.equal(pandas.report.kinds[name], "float64", name);
  assert.deepEqual([...new Set(objects(pandas.report).map((row) => row.arm))], ["'-dense", "dsa"]);
  for (const name of ["mean_difference", "sd", "margin", "level", "p"]) assert.equal(pandas.claims.kinds[name], "float64", name);
  assert.deepEqual(objects(pandas.claims).map((row) => [row.claim, row["data.seq_len"], row.arm, row.baseline, row.verdict]),
    [["primary", "nan", "dsa", "'-dense", "invalid"], ["secondary", 8, "dsa", "'-dense", "invalid"], ["secondary", 16, "dsa", "'-dense", "invalid"]]);
});

const byMetric = () => points.map(([run, step, metric, value]) => [run.id, metric, step, value]);
test("pandas: the database while the daemon runs", () => {
  const { kinds } = pandas.v_curves;
  assert.deepEqual(kinds, { run: "int64", metric: "object", step: "int64", value: "float64", value_word: "object" });
  assert.deepEqual(objects(pandas.v_curves).map((row) => [row.run, row.metric, row.step, row.value]), byMetric());
  assert.equal(pandas.v_runs.kinds.final, "float64");
  assert.deepEqual(objects(pandas.v_runs).slice(0, runs.length).map((row) => [row.run, row.arm, row.final, row.final_word]),
    runs.map((run) => [run.id, run.arm, run.final["val/loss"], typeof run.final["val/loss"] === "string" ? run.final["val/loss"] : null]));
});

test("R reads them", () => {
  const tables = {};
  for (const line of execFileSync("Rscript", [reader("read.R"), dir, join(daemon.dir, "ablate.db")], { encoding: "utf8", maxBuffer: 1 << 28 }).trimEnd().split("\n")) {
    const [name, ...cells] = line.split("\t"), table = tables[name];
    if (!table) tables[name] = { kinds: Object.fromEntries(cells.map((cell) => cell.split(":"))), rows: [] };
    else table.rows.push(cells);
  }
  r = tables;
});

/** A number as R prints it. */
const number = (cell) => Number(cell.replace("inf", "Infinity"));
test("R: curves by readr, which rounds the last digits itself", () => {
  const { kinds } = r.curves, rows = objects(r.curves);
  assert.deepEqual(kinds, { run: "numeric", arm: "character", seed: "numeric", "grid.data.seq_len": "numeric", step: "numeric", name: "character", value: "numeric", value_word: "numeric" });
  assert.equal(rows.length, points.length);
  for (const [i, [run, step, metric, value]] of points.entries()) {
    const row = rows[i];
    assert.deepEqual([Number(row.run), row.arm, Number(row["grid.data.seq_len"]), Number(row.step), row.name], [run.id, arm(run), run.grid["data.seq_len"], step, metric]);
    if (typeof value === "string") assert.deepEqual([row.value, row.value_word], ["", value]);
    else assert.ok(Math.abs(number(row.value) - value) <= 1e-9 * Math.abs(value), `${row.value} ${value}`);
  }
});

test("R: runs, texts, report and claims by readr", () => {
  for (const name of ["created_at", "ended_at"]) assert.equal(r.runs.kinds[name], "POSIXct", name);
  for (const name of ["run", "params.train.lr", "final.val/loss", "tags.layers"]) assert.equal(r.runs.kinds[name], "numeric", name);
  assert.deepEqual(objects(r.runs).map((row) => [Number(row.run), row.arm]), runs.map((run) => [run.id, arm(run)]));
  assert.deepEqual(r.hostile.rows.map(([reason]) => reason), guarded.map((text) => text.replace("\n", "\\n")));
  assert.deepEqual([r.report.kinds.mean, r.claims.kinds.mean_difference, r.claims.rows.length], ["numeric", "numeric", 3]);
});

test("R: the database by RSQLite, bit for bit", () => {
  assert.deepEqual(r.v_curves.kinds, { run: "integer", metric: "character", step: "integer", value: "numeric", value_word: "character" });
  assert.deepEqual(objects(r.v_curves).map((row) => [Number(row.run), row.metric, Number(row.step), row.value_word || number(row.value)]), byMetric());
  assert.equal(r.v_runs.kinds.final, "numeric");
  assert.deepEqual(objects(r.v_runs).slice(0, runs.length).map((row) => row.final_word || number(row.final)), runs.map((run) => run.final["val/loss"]));
  assert.deepEqual(objects(r.v_curves).filter((row) => row.value_word).map((row) => row.value), ["", "inf", "-inf"]); // NULL of a nan
});
