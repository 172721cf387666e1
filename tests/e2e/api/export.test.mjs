// Taking an experiment away: curves and runs as CSV and JSON lines, TensorBoard's event files, parts of an artifact. What
// is written is read by this test's own readers (CSV, the records of event files) and by tar, curl and protobufjs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import protobuf from "protobufjs";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";

const V1 = "/api/v1";
let daemon, dir, id, runs;
const { call, get, corpus, until } = client(() => daemon);
const sql = (text) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", text], { encoding: "utf8" });
const submit = async (spec) => (await call("POST", "/experiments", spec, 201)).id;
const spec = (more) => ({
  name: "take away", tags: { topic: "-x", of: "7" }, data: { dataset: "corpus" }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 20, batch_size: 2, eval_every: 10, eval_windows: 4 }, seeds: [1, 2], artifacts: ["final"],
  arms: { "-dense": {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8 } } }, grid: { "data.seq_len": [8, 16], "train.lr": [0.01] }, ...more,
});
/** An experiment that waits in the queue, whose first run has so many points. */
async function long(name, points) {
  await call("POST", "/queue", { paused: true });
  const experiment = await submit(spec({ name, seeds: [1], grid: {} })), [{ id: run }] = (await get(`/runs?experiment=${experiment}`)).items;
  sql(`BEGIN IMMEDIATE; INSERT OR IGNORE INTO metric_names (name) VALUES ('long');
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${points})
    INSERT INTO metrics SELECT ${run}, (SELECT id FROM metric_names WHERE name = 'long'), i, i / 3.0, 0 FROM n;
    INSERT INTO series SELECT run, name, count(*), 0, max(step), 1, 0, 1, 1, 1, 1, 1 FROM metrics
    WHERE run = ${run} AND name = (SELECT id FROM metric_names WHERE name = 'long') GROUP BY run; COMMIT`);
  return { experiment, run, points };
}

before(async () => {
  dir = await make("export");
  daemon = await start({ dir: join(dir, "var"), args: ["--slots", "2"] });
  await corpus(300);
  id = await submit(spec());
  assert.equal((await get(`/experiments/${id}?wait=3600`)).state, "finished");
  runs = (await get(`/runs?experiment=${id}`)).items;
  // What no trainer of ours tells, and what no specification may say.
  const name = "(SELECT id FROM metric_names WHERE name = 'train/loss')";
  [["step = 3", 1, 0], ["step = 4", 2, "9e999"], ["step = 5", 3, "-9e999"]].forEach(([where, kind, value]) =>
    sql(`UPDATE metrics SET kind = ${kind}, value = ${value} WHERE run = ${runs[0].id} AND ${where} AND name = ${name}`));
  sql(`UPDATE series SET last_kind = 3, last = -9e999 WHERE run = ${runs[0].id} AND name = ${name}`);
  runs = (await get(`/runs?experiment=${id}`)).items;
});
after(async () => {
  await daemon?.stop({ keep: true });
  await remove(dir);
});

const raw = (experiment, query = "", init) => daemon.fetch(`${V1}/experiments/${experiment}/export${query}`, init);
async function take(experiment, query) {
  const reply = await raw(experiment, query);
  assert.equal(reply.status, 200, await (reply.status === 200 ? "" : reply.text()));
  return reply.text();
}

/** RFC 4180: rows of cells; CRLF ends each of them, the last too. */
function cells(text) {
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const row = rows.at(-1);
    if (quoted && text[i] === '"' && text[i + 1] === '"') row[row.length - 1] += text[++i];
    else if (text[i] === '"') quoted = !quoted;
    else if (!quoted && text[i] === ",") row.push("");
    else if (!quoted && text.startsWith("\r\n", i)) rows.push([""]), i++;
    else row[row.length - 1] += text[i];
  }
  assert.ok(!quoted);
  assert.deepEqual(rows.pop(), [""]);
  return rows;
}
function table(text) {
  const [header, ...rows] = cells(text);
  rows.forEach((row) => assert.equal(row.length, header.length, row.join()));
  return rows.map((row) => Object.fromEntries(row.map((cell, i) => [header[i], cell])));
}
const lines = (text) => text.trimEnd().split("\n").map((line) => JSON.parse(line));

/** Every point as the API tells it: [run, arm, seed, grid, step, name, value]. */
async function points(wanted = () => true) {
  const all = [];
  for (const run of runs) {
    const { series } = await get(`/runs/${run.id}/metrics?points=0`);
    for (const name of Object.keys(series).sort())
      if (wanted(run, name)) all.push(...series[name].points.map(([step, value]) => [run.id, run.arm, run.seed, run.grid, step, name, value]));
  }
  return all;
}

test("curves: every point of every run, as CSV and as JSON lines", async () => {
  const expected = await points();
  assert.ok(expected.length > 500);
  assert.deepEqual(lines(await take(id, "?format=jsonl")).map((line) => [line.run, line.arm, line.seed, line.grid, line.step, line.name, line.value]), expected);
  const text = await take(id);
  assert.match(text, /^run,arm,seed,grid\.data\.seq_len,grid\.train\.lr,step,name,value,value_word\r\n/);
  assert.deepEqual(table(text).map((row) => [Number(row.run), row.arm, Number(row.seed), { "data.seq_len": Number(row["grid.data.seq_len"]), "train.lr": Number(row["grid.train.lr"]) },
    Number(row.step), row.name, row.value_word || Number(row.value)]), expected.map(([run, arm, ...rest]) => [run, arm === "-dense" ? "'-dense" : arm, ...rest]));
  assert.deepEqual(table(text).filter((row) => row.value_word).map((row) => [row.step, row.value, row.value_word]), [["3", "", "nan"], ["4", "", "inf"], ["5", "", "-inf"]]);
});

test("curves: of one arm, of some metrics", async () => {
  const named = (text) => lines(text).map((line) => [line.run, line.arm, line.seed, line.grid, line.step, line.name, line.value]);
  assert.deepEqual(named(await take(id, "?what=curves&format=jsonl&arm=dsa")), await points((run) => run.arm === "dsa"));
  assert.deepEqual(named(await take(id, "?format=jsonl&names=val/loss,dsa/kl")), await points((run, name) => ["val/loss", "dsa/kl"].includes(name)));
  assert.equal(await take(id, "?format=jsonl&names=moe/imbalance"), ""); // a metric, that nobody measured
});

test("runs: all that the list tells, tags and parameters by their paths", async () => {
  const found = lines(await take(id, "?what=runs&format=jsonl"));
  for (const [i, { experiment, tags, params, ...run }] of found.entries()) {
    assert.deepEqual(run, runs[i]);
    assert.deepEqual([experiment, tags], ["take away", { topic: "-x", of: "7" }]);
    const { spec: frozen } = await get(`/runs/${run.id}`);
    for (const [path, value] of Object.entries(params)) assert.deepEqual(path.split(".").reduce((at, key) => at[key], frozen), value, path);
    assert.deepEqual([params["model.attention.kind"], params["data.seq_len"], params.seed], [run.arm === "dsa" ? "dsa" : "dense", run.grid["data.seq_len"], run.seed]);
  }
  const rows = table(await take(id, "?what=runs"));
  assert.equal(rows.length, runs.length);
  for (const [i, row] of rows.entries()) {
    const run = runs[i];
    for (const key of ["state", "digest", "created_at", "started_at", "ended_at", "reason"]) assert.equal(row[key], run[key], key);
    for (const key of ["seed", "steps", "flops_per_step", "parameters", "experiment_id"]) assert.equal(Number(row[key]), run[key], key);
    for (const [name, value] of Object.entries(run.final)) assert.equal(row[`final.${name}`], typeof value === "string" ? "" : String(value), name);
    assert.equal(row.final_words, i === 0 ? "train/loss=-inf" : "");
    assert.deepEqual([row["tags.topic"], row["tags.of"], row.arm], ["'-x", "7", run.arm === "-dense" ? "'-dense" : run.arm]);
    assert.deepEqual([row["grid.data.seq_len"], row["params.data.seq_len"], row["params.model.attention.top_k"]],
      [String(run.grid["data.seq_len"]), String(run.grid["data.seq_len"]), run.arm === "dsa" ? "4" : ""]);
  }
});

test("what a spreadsheet would take for a formula, quotes, lines and letters of all kinds", async () => {
  const hostile = ["=HYPERLINK(\"http://evil.example\",\"x\")", "+1+cmd|' /C calc'!A0", "@SUM(1)", "\tx", "\rx", "-2+3", "a\r\nb,\"c\"", "ünïcödé 漢字 🙂", "-1.5e3", "+7", "'quoted", "-"];
  await call("POST", "/queue", { paused: true });
  const own = await submit(spec({ name: "hostile", seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], arms: { a: {} }, grid: {} }));
  const ids = (await get(`/runs?experiment=${own}`)).items.map((run) => run.id), quote = (text) => `CAST(x'${Buffer.from(text).toString("hex")}' AS TEXT)`;
  hostile.forEach((text, i) => sql(`UPDATE runs SET reason = ${quote(text)}, arm = ${quote(text)} WHERE id = ${ids[i]}`));
  const guarded = hostile.map((text) => /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const rows = table(await take(own, "?what=runs"));
  assert.deepEqual(rows.map((row) => row.reason), guarded);
  assert.deepEqual(rows.map((row) => row.arm), guarded);
  assert.deepEqual(lines(await take(own, "?what=runs&format=jsonl")).map((run) => run.reason), hostile);
  // The folders of their event files are plain whatever their arms are called.
  await writeFile(join(dir, "hostile.tar"), Buffer.from(await (await raw(own, "?format=tensorboard")).arrayBuffer()));
  const names = execFileSync("tar", ["tf", "hostile.tar"], { cwd: dir, encoding: "utf8" }).trim().split("\n");
  assert.equal(names.length, 13);
  names.forEach((name) => assert.match(name, /^hostile-\d+\/(arm-[\w.-]*_seed-\d+_run-\d+\/)?events\.out\.tfevents\.\d{10}\.ablate$/));
  assert.equal(new Set(names).size, 13);
});

// TensorBoard. The messages as its own sources have them, in part; whatever else a file had would be found, since the
// bytes are compared with those that protobufjs makes of what it has read.
const PROTO = `syntax = "proto3";
message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
message Summary { repeated Value value = 1; message Value { string tag = 1; optional float simple_value = 2; Metadata metadata = 9; } }
message Metadata { Plugin plugin_data = 1; message Plugin { string plugin_name = 1; bytes content = 2; } }
message HParams { int32 version = 1; Experiment experiment = 2; Start session_start_info = 3; End session_end_info = 4; }
message Experiment { string description = 1; double time_created_secs = 3; repeated HParamInfo hparam_infos = 4; repeated MetricInfo metric_infos = 5; string name = 6; }
message HParamInfo { string name = 1; int32 type = 4; }
message MetricInfo { MetricName name = 1; }
message MetricName { string group = 1; string tag = 2; }
message Start { map<string, Val> hparams = 1; string group_name = 4; double start_time_secs = 5; }
message End { int32 status = 1; double end_time_secs = 2; }
message Val { oneof kind { double number_value = 2; string string_value = 3; bool bool_value = 4; } }`;
const { root } = protobuf.parse(PROTO, { keepCase: true });
const plain = (type, bytes) => root.lookupType(type).toObject(root.lookupType(type).decode(bytes), { longs: Number });

function crc32c(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
const masked = (bytes) => { const crc = crc32c(bytes); return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0; };
function events(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at)), data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(bytes.readUInt32LE(at + 8), masked(bytes.subarray(at, at + 8)));
    assert.equal(bytes.readUInt32LE(at + 12 + length), masked(data));
    found.push(plain("Event", data));
    at += 16 + length;
  }
  return found;
}
const hparams = (value) => {
  assert.equal(value.metadata.plugin_data.plugin_name, "hparams");
  return plain("HParams", value.metadata.plugin_data.content);
};

test("TensorBoard: the check of records is the published one", () => assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283));

test("TensorBoard: a folder a run, every scalar, arm, grid and seed as hyperparameters", async () => {
  const reply = await raw(id, "?format=tensorboard");
  assert.deepEqual([reply.headers.get("content-type"), reply.headers.get("content-disposition")], ["application/x-tar", `attachment; filename="take-away-${id}-tensorboard.tar"`]);
  await writeFile(join(dir, "tb.tar"), Buffer.from(await reply.arrayBuffer()));
  execFileSync("tar", ["xf", "tb.tar"], { cwd: dir });
  const top = join(dir, `take-away-${id}`), names = await readdir(top), file = async (...path) => {
    const [name, ...more] = (await readdir(join(...path))).filter((one) => one.startsWith("events.out.tfevents."));
    assert.deepEqual(more, []);
    return events(await readFile(join(...path, name)));
  };
  const [version, about, ...rest] = await file(top);
  assert.deepEqual([version.file_version, rest], ["brain.Event:2", []]);
  assert.equal(about.summary.value[0].tag, "_hparams_/experiment");
  const { experiment } = hparams(about.summary.value[0]);
  assert.deepEqual([experiment.name, experiment.hparam_infos, experiment.metric_infos], ["take away",
    [{ name: "arm", type: 1 }, { name: "data.seq_len", type: 3 }, { name: "train.lr", type: 3 }, { name: "seed", type: 3 }], [{ name: { tag: "val/loss" } }]]);
  assert.equal(names.length, 1 + runs.length);
  for (const run of runs) {
    const began = Date.parse(run.started_at) / 1000;
    const [first, begin, end, ...scalars] = await file(top, `arm-${run.arm}_seq_len-${run.grid["data.seq_len"]}_lr-0.01_seed-${run.seed}_run-${run.id}`);
    assert.equal(first.file_version, "brain.Event:2");
    assert.equal(begin.summary.value[0].tag, "_hparams_/session_start_info");
    assert.deepEqual(hparams(begin.summary.value[0]).session_start_info, { start_time_secs: began, hparams: { arm: { string_value: run.arm },
      "data.seq_len": { number_value: run.grid["data.seq_len"] }, "train.lr": { number_value: 0.01 }, seed: { number_value: run.seed } } });
    assert.equal(end.summary.value[0].tag, "_hparams_/session_end_info");
    assert.deepEqual(hparams(end.summary.value[0]).session_end_info, { status: 1, end_time_secs: Date.parse(run.ended_at) / 1000 });
    assert.deepEqual(scalars.map((event) => [event.wall_time, event.step, event.summary.value.length, event.summary.value[0].tag, event.summary.value[0].simple_value]),
      (await points((one) => one.id === run.id)).map(([, , , , step, name, value]) => [began, step, 1, name, { nan: NaN, inf: Infinity, "-inf": -Infinity }[value] ?? Math.fround(value)]));
  }
});

test("many points: sizes that are told before the bytes, steps of all lengths, whole to the last", async () => {
  const { experiment, run, points: n } = await long("long", 300000);
  const text = await take(experiment, "?names=long");
  assert.equal(text.length - text.trimEnd().length, 2);
  let step = 0;
  for (const line of text.split("\r\n").slice(1, -1)) {
    step++;
    if (line !== `${run},'-dense,1,${step},long,${step / 3},`) assert.fail(`${step}: ${line}`);
  }
  assert.equal(step, n);
  await writeFile(join(dir, "long.tar"), Buffer.from(await (await raw(experiment, "?format=tensorboard&names=long")).arrayBuffer()));
  execFileSync("tar", ["xf", "long.tar"], { cwd: dir });
  const folder = join(dir, `long-${experiment}`, `arm--dense_seed-1_run-${run}`), [name] = await readdir(folder), bytes = await readFile(join(folder, name));
  let records = 0;
  for (let at = 0; at < bytes.length; at += 16 + Number(bytes.readBigUInt64LE(at))) records++;
  assert.equal(records, n + 2); // version, hyperparameters; no end
});

test("what can't be is refused, and HEAD tells what GET would", async () => {
  const refused = async (query, status, what) => {
    const reply = await raw(id, query), problem = await reply.json();
    assert.deepEqual([reply.status, problem.status], [status, status], query);
    assert.match(problem.detail, what);
  };
  await refused("?what=all", 400, /curves or runs, not all/);
  await refused("?format=xlsx", 400, /csv, jsonl/);
  await refused("?what=runs&format=tensorboard", 400, /of curves, tensorboard/);
  await refused("?what=runs&names=val/loss", 400, /names goes with what=curves/);
  await refused("?names=val/los", 400, /no metric "val\/los"/);
  await refused("?names=", 400, /needs a value|names no metric/);
  await refused("?arm=dens", 400, /has no arm "dens"/);
  await refused("?seed=1", 400, /no query parameter "seed"/);
  assert.equal((await raw(99999)).status, 404);
  const get = await raw(id), head = await raw(id, "", { method: "HEAD" });
  await get.body.cancel();
  for (const name of ["content-type", "content-disposition", "content-length"]) assert.equal(head.headers.get(name), get.headers.get(name), name);
  assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, null, ""]);
  assert.equal(get.headers.get("content-disposition"), `attachment; filename="take-away-${id}-curves.csv"`);
  await until("no export is under way", async () => (await Promise.all([1, 2, 3, 4].map(() => take(id, "?what=runs&arm=dsa").then(() => true, () => false)))).every(Boolean));
});

/** A client that reads what comes first, and then nothing until it is told to. */
async function stopped(experiment) {
  const asked = request(`${daemon.base}${V1}/experiments/${experiment}/export`, { headers: { Authorization: `Bearer ${daemon.token}` } });
  asked.on("error", () => {});
  asked.end();
  const reply = await new Promise((resolve, reject) => asked.once("response", resolve).once("error", reject));
  reply.pause();
  let bytes = 0;
  const over = new Promise((resolve) => reply.once("close", resolve).on("error", () => {})); // broken off, maybe before anybody reads
  return { status: reply.statusCode, leave: () => asked.destroy(),
    /** Reads on to the end: whether that was one. */
    async rest() {
      reply.on("data", (data) => (bytes += data.length)).resume();
      await over;
      return { whole: reply.complete, bytes };
    } };
}

test("readers that stop hold their places and nothing else; one that leaves frees its own", async () => {
  const { experiment } = await long("slow", 400000), readers = await Promise.all(Array.from({ length: 4 }, () => stopped(experiment)));
  assert.deepEqual(readers.map((reader) => reader.status), [200, 200, 200, 200]);
  assert.equal((await raw(experiment)).status, 429);
  // None of them keeps a moment of the database: everything in the log can go.
  await until("the log is empty", () => sql("PRAGMA wal_checkpoint(TRUNCATE)").trim() === "0|0|0");
  readers[0].leave();
  await until("a place is free", async () => (await raw(experiment, "?what=runs", { method: "HEAD" })).status === 200);
  const ends = await Promise.all(readers.slice(1).map((reader) => reader.rest()));
  assert.ok(ends.every((end) => end.whole && end.bytes === ends[0].bytes && end.bytes > 400000 * 20), JSON.stringify(ends));
});

test("an experiment that is deleted meanwhile: the reply breaks off, and says why in the log", async () => {
  const { experiment } = await long("gone", 400000), reader = await stopped(experiment);
  await call("DELETE", `/experiments/${experiment}`, undefined, 204);
  const { whole, bytes } = await reader.rest();
  assert.deepEqual([whole, bytes > 0], [false, true]);
  assert.match(daemon.output(), new RegExp(`an export of experiment ${experiment} is broken off: there is no experiment ${experiment}`));
  assert.equal((await raw(experiment)).status, 404);
});

test("rows that are lost meanwhile are missed", async () => {
  const { experiment, run } = await long("lost", 400000), reader = await stopped(experiment);
  sql(`DELETE FROM metrics WHERE run = ${run} AND step > 399990 AND name = (SELECT id FROM metric_names WHERE name = 'long')`);
  assert.equal((await reader.rest()).whole, false);
  assert.match(daemon.output(), new RegExp(`an export of experiment ${experiment} is broken off: run ${run} has lost rows of long`));
});

test("parts of an artifact", async () => {
  const path = `${V1}/runs/${runs[0].id}/artifacts/final.safetensors`, whole = await daemon.fetch(path), bytes = Buffer.from(await whole.arrayBuffer()), n = bytes.length;
  const etag = whole.headers.get("etag"), modified = whole.headers.get("last-modified");
  assert.deepEqual([whole.headers.get("accept-ranges"), etag], ["bytes", `"${createHash("sha256").update(bytes).digest("hex")}"`]);
  const part = async (status, expected, headers, method = "GET") => {
    const reply = await daemon.fetch(path, { method, headers }), got = Buffer.from(await reply.arrayBuffer()), why = JSON.stringify(headers);
    assert.equal(reply.status, status, why);
    if (status === 416) return assert.equal(reply.headers.get("content-range"), `bytes */${n}`, why);
    const [from, to] = expected;
    assert.deepEqual([reply.headers.get("etag"), reply.headers.get("content-range"), Number(reply.headers.get("content-length"))],
      [etag, status === 206 ? `bytes ${from}-${to - 1}/${n}` : null, to - from], why);
    assert.ok(method === "HEAD" || got.equals(bytes.subarray(from, to)), why);
  };
  await part(206, [0, 1], { Range: "bytes=0-0" });
  await part(206, [100, 200], { Range: "bytes=100-199" });
  await part(206, [n - 7, n], { Range: `bytes=${n - 7}-` });
  await part(206, [n - 7, n], { Range: "bytes=-7" });
  await part(206, [5, n], { Range: `bytes=5-${n + 100}` });
  await part(206, [0, n], { Range: "bytes=0-" });
  for (const range of ["bytes=0-1,4-5", "bytes=x", "lines=0-1", "bytes=5-4"]) await part(200, [0, n], { Range: range });
  for (const range of [`bytes=${n}-`, "bytes=-0", "bytes=99999999999999999999-"]) await part(416, [], { Range: range });
  await part(206, [0, 1], { Range: "bytes=0-0", "If-Range": etag });
  await part(206, [0, 1], { Range: "bytes=0-0", "If-Range": modified });
  for (const other of ['"other"', `W/${etag}`, "Sun, 06 Nov 1994 08:49:37 GMT", "x"]) await part(200, [0, n], { Range: "bytes=0-0", "If-Range": other });
  await part(200, [0, n], { Range: "bytes=0-0" }, "HEAD");
  assert.equal((await daemon.fetch(path, { headers: { Range: "bytes=0-0", "If-None-Match": etag } })).status, 304);

  const curl = (...args) => execFileSync("curl", ["-sS", "-f", "-K", `${daemon.dir}/curlrc`, ...args, daemon.base + path], { cwd: dir });
  assert.ok(curl("-r", "10-19").equals(bytes.subarray(10, 20)));
  await writeFile(join(dir, "broken"), bytes.subarray(0, 1000));
  curl("-C", "-", "-o", "broken");
  assert.ok((await readFile(join(dir, "broken"))).equals(bytes));
  await appendFile(join(dir, "broken"), "x"); // more than there is
  assert.throws(() => curl("-C", "-", "-o", "broken"), /416/);

  const capsule = `${V1}/experiments/${id}/capsule`, all = Buffer.from(await (await daemon.fetch(capsule)).arrayBuffer());
  const rest = await daemon.fetch(capsule, { headers: { Range: "bytes=1000-" } });
  assert.equal(rest.status, 206);
  assert.ok(Buffer.from(await rest.arrayBuffer()).equals(all.subarray(1000)));
});

test("SIGTERM: an export that nobody reads keeps the daemon from nothing, and is no whole one", async () => {
  const { experiment } = await long("ending", 400000), reader = await stopped(experiment);
  assert.equal(await daemon.stop({ keep: true }), 0);
  assert.equal((await reader.rest()).whole, false);
});
